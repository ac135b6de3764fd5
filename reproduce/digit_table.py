"""What the tables beside Table 1 have in common: rows by color variance."""

import functools
import pathlib

from keras_unbias import reporting
from reproduce import arguments, cells, settings

PAGE = (
    pathlib.Path(__file__).resolve().parents[1]
    / "docs"
    / "experiments"
    / "digits.md"
)


def main(
    argv,
    *,
    name,
    description,
    title,
    make_configs,
    profiles,
    variances,
    seeds=3,
    columns=None,
):
    """Runs what is missing and prints the table; returns the exit code.

    Args:
        argv: list of strings, or `None` for the command line.
        name: the script's, and first word of its block in `PAGE`.
        description: what the script does.
        title: of the table.
        make_configs: as in `figures.main`.
        profiles: names of the profiles that have the rows.
        variances: those of the table unless others are asked for.
        seeds: int, how many unless another number is asked for. Defaults to
            3.
        columns: dict from headers to functions from a record to a float or
            `None`, shown at each variance. Defaults to the test accuracy
            alone, a column for each variance.
    """
    parser = arguments.parser(
        description,
        profiles=profiles,
        variances=settings.ALL_VARIANCES,
        usual_variances=variances,
        usual_seeds=seeds,
    )
    arguments.add_output(parser)
    options = arguments.parse(parser, argv)
    variances = options.variances or variances

    def make(digits):
        return make_configs(
            profile=options.profile,
            variances=variances,
            seeds=options.seeds or seeds,
            digits=digits,
        )

    gathered = cells.collect(
        functools.partial(cells.gather, make, options), options, parser
    )
    if gathered is None:
        return 0
    shown = {
        "title": f"{title}, profile {options.profile}",
        "rows": list(dict.fromkeys(c.row for c in gathered.configs)),
        "seeds": sorted({c.seed for c in gathered.configs}),
        "notes": [
            f"{len(gathered.missing)} cells are missing. To run them: "
            + arguments.command(f"reproduce/{name}.py", options)
        ]
        if gathered.missing
        else [],
    }
    if columns is None:
        table = reporting.variance_table(
            gathered.records, variances=variances, **shown
        )
    else:
        if len(variances) == 1:
            shown["title"] += f", color variance {variances[0]:.3f}"
        table = _at_each_variance(gathered.records, variances, columns, shown)
    block = " ".join([name, *arguments.asked(options, seeds=seeds)])
    arguments.update_docs(
        options, parser, PAGE, block, table.render("markdown")
    )
    print(table.render(options.format))
    return 1 if gathered.error else 0


def _at_each_variance(records, variances, columns, shown):
    return reporting.beside(
        [
            reporting.metric_table(
                [
                    record
                    for record in records
                    if record.config.settings["color_variance"] == variance
                ],
                # One variance is in the title.
                columns=columns
                if len(variances) == 1
                else {
                    f"{header} ({variance:.3f})": value
                    for header, value in columns.items()
                },
                **shown,
            )
            for variance in variances
        ]
    )
