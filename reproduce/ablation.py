"""The best row of Table 1 with one setting changed at a time."""

import functools
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from keras_unbias import reporting
from reproduce import arguments, cells, settings


def main(argv=None):
    """Runs what is missing and prints the table; returns the exit code."""
    parser = arguments.parser(
        __doc__,
        profiles=settings.PROFILES,
        variances=settings.ALL_VARIANCES,
    )
    arguments.add_format(parser)
    options = arguments.parse(parser, argv)
    variances = options.variances or settings.ABLATION_VARIANCES

    def make_configs(digits):
        return settings.variants(
            settings.ABLATED,
            settings.ABLATIONS,
            profile=options.profile,
            variances=variances,
            seeds=options.seeds,
            digits=digits,
        )

    gathered = cells.collect(
        functools.partial(cells.gather, make_configs, options), options, parser
    )
    if gathered is None:
        return 0
    table = reporting.variance_table(
        gathered.records,
        title=(
            f"Ablation. Test accuracy of {settings.ABLATED}, one change at a "
            f"time, profile {options.profile}"
        ),
        rows=list(dict.fromkeys(c.row for c in gathered.configs)),
        variances=variances,
        seeds=sorted({c.seed for c in gathered.configs}),
        notes=[
            f"{len(gathered.missing)} cells are missing. To run them: python "
            f"reproduce/ablation.py --profile {options.profile}"
        ]
        if gathered.missing
        else [],
    )
    print(table.render(options.format))
    return 1 if gathered.error else 0


if __name__ == "__main__":
    sys.exit(main())
