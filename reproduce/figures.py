"""What every figure script does: gather records, draw them, write files."""

import functools
import pathlib
import sys

from keras_unbias import plots
from reproduce import arguments, cells, settings

FIGURES = pathlib.Path(__file__).resolve().parents[1] / "figures"


def main(argv, *, name, description, make_configs, draw, variances=None):
    """Draws a figure from records; returns the exit code.

    Args:
        argv: list of strings, or `None` for the command line.
        name: the figure's, its files' and its script's.
        description: what the script does.
        make_configs: function from keyword arguments of `settings.table1`
            (`profile`, `variances`, `seeds`, `digits`) to a list of
            `RunConfig`.
        draw: function from records to a matplotlib figure and its points.
        variances: those of the figure unless others are asked for. Defaults
            to the profile's.
    """
    parser = arguments.parser(
        description,
        profiles=settings.PROFILES,
        variances=settings.ALL_VARIANCES,
    )
    add_directory(parser)
    options = arguments.parse(parser, argv)

    def make(digits):
        return make_configs(
            profile=options.profile,
            variances=options.variances or variances,
            seeds=options.seeds,
            digits=digits,
        )

    gathered = cells.collect(
        functools.partial(cells.gather, make, options), options, parser
    )
    if gathered is None:
        return 0
    return write(gathered, options, name=name, draw=draw, script=name)


def add_directory(parser):
    """Adds the flag of where a figure is written."""
    parser.add_argument("--figures-dir", default=FIGURES, help="where to")


def write(gathered, options, *, name, draw, script):
    """Draws a figure from what was gathered; returns the exit code.

    Args:
        gathered: a `cells.Gathered`.
        options: what `arguments.parse` returned.
        name: the figure's, and its files'.
        draw: as in `main`.
        script: the script's name, which runs the cells that are missing.
    """
    if gathered.missing:
        print(
            f"{len(gathered.missing)} of {len(gathered.configs)} cells are "
            "missing. To run them: "
            + arguments.command(f"reproduce/{script}.py", options),
            file=sys.stderr,
        )
    try:
        figure, points = draw(gathered.records)
    except ValueError as problem:
        print(f"Nothing is drawn. {problem}", file=sys.stderr)
        return 1
    about = f"profile {options.profile}, {_data(gathered.records)}"
    figure.suptitle(about, fontsize="medium")
    path = pathlib.Path(options.figures_dir, name)
    plots.write(
        figure,
        {
            "about": about,
            "runs": [record.config.run_id for record in gathered.records],
            "points": points,
        },
        path,
    )
    print(f"{path}.png, .pdf and .json")
    return 1 if gathered.error else 0


def variance(record):
    """The name of the panels of a record's color variance."""
    return f"variance {record.config.settings['color_variance']:.3f}"


def _data(records):
    """Which digits, and how many seeds."""
    kinds = dict.fromkeys(
        r.data.get("note") or f"{r.data['train_size']:,} training rows"
        for r in records
    )
    seeds = sorted({record.config.seed for record in records})
    listed = (
        f"{seeds[0]} to {seeds[-1]}"
        if len(seeds) > 5 and len(seeds) == 1 + seeds[-1] - seeds[0]
        else ", ".join(map(str, seeds))
    )
    return f"{' and '.join(kinds)}, seeds {listed}"
