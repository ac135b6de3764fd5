"""What every figure script does: gather records, draw them, write files."""

import pathlib
import sys

from keras_unbias import plots
from reproduce import arguments, cells, settings

FIGURES = pathlib.Path(__file__).resolve().parents[1] / "figures"


def main(argv, *, name, description, make_configs, draw):
    """Draws a figure from records; returns the exit code.

    Args:
        argv: list of strings, or `None` for the command line.
        name: the figure's, and its files'.
        description: what the script does.
        make_configs: function from keyword arguments of `settings.table1`
            (`profile`, `variances`, `seeds`, `digits`; `None` for what was
            not asked for) to a list of `RunConfig`.
        draw: function from records to a matplotlib figure and its points.
    """
    parser = arguments.parser(
        description,
        profiles=settings.PROFILES,
        variances=settings.STRESS_VARIANCES + settings.VARIANCES,
    )
    parser.add_argument("--figures-dir", default=FIGURES, help="where to")
    options = arguments.parse(parser, argv)
    try:
        gathered = cells.gather(
            lambda digits: make_configs(
                profile=options.profile or "fast",
                variances=options.variances,
                seeds=options.seeds,
                digits=digits,
            ),
            options,
        )
    except (OSError, ValueError) as problem:
        parser.error(str(problem))
    if options.dry_run or not gathered.records:
        print(gathered.listing())
        return 0 if options.dry_run else 1
    try:
        figure, points = draw(gathered.records)
    except ValueError as problem:
        parser.error(str(problem))
    path = pathlib.Path(options.figures_dir, name)
    plots.write(figure, points, path)
    print(f"{path}.png, .pdf and .json")
    if gathered.missing:
        print(
            f"{len(gathered.missing)} of {len(gathered.configs)} cells are "
            "missing; without --from-records the same command runs them."
        )
    if gathered.error:
        print(gathered.error, file=sys.stderr)
    return 1 if gathered.error else 0
