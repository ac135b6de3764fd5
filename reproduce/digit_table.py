"""What the tables beside Table 1 have in common."""

import dataclasses
import pathlib

from keras_unbias import reporting
from reproduce import arguments, cells, commands, pages
from reproduce.settings import colored_mnist

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
        make_configs: as in `cells.collect_digits`.
        profiles: names of the profiles that have the rows.
        variances: those of the table unless others are asked for.
        seeds: int, how many unless another number is asked for. Defaults to
            3.
        columns: function from a profile's name to a dict from headers to
            functions from a record to a float or `None`; every variance has
            its rows then, or stands in the title where there is but one.
            Defaults to the test accuracy, with a column for every variance.
    """
    parser = arguments.make_parser(
        description,
        profiles=profiles,
        variances=colored_mnist.ALL_VARIANCES,
        usual_variances=variances,
        usual_seeds=seeds,
    )
    arguments.add_output(parser)
    options = arguments.parse(parser, argv)
    gathered = cells.collect_digits(
        make_configs, options, parser, variances=variances, seeds=seeds
    )
    if gathered is None:
        return 0
    variances = options.variances or variances
    if columns is not None and len(variances) == 1:
        title = f"{title}, color variance {variances[0]:.3f}"
    shown = {
        "title": f"{title}, profile {options.profile}",
        "seeds": gathered.seeds,
        "notes": commands.missing_notes(name, options, gathered),
    }
    if columns is None:
        table = reporting.variance_table(
            gathered.records,
            rows=gathered.rows,
            variances=variances,
            **shown,
        )
    else:
        if len(variances) > 1:
            gathered = _with_variances(gathered)
        table = reporting.metric_table(
            gathered.records,
            rows=gathered.rows,
            columns=columns(options.profile),
            **shown,
        )
    return pages.show(
        [table], gathered, options, parser, page=PAGE, name=name, seeds=seeds
    )


def _with_variances(gathered):
    """The same, with the variance in the names of the rows."""

    def named(config):
        variance = config.settings["color_variance"]
        return dataclasses.replace(config, row=f"{config.row} ({variance:.3f})")

    return dataclasses.replace(
        gathered,
        configs=[named(config) for config in gathered.configs],
        records=[
            dataclasses.replace(record, config=named(record.config))
            for record in gathered.records
        ],
    )
