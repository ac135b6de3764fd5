"""The best row of Table 1 with one setting changed at a time."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from keras_unbias import reporting
from reproduce import arguments, cells, settings

VARIANCES = (0.020,)


def main(argv=None):
    """Runs what is missing and prints the table; returns the exit code."""
    parser = arguments.parser(
        __doc__,
        profiles=settings.PROFILES,
        variances=settings.STRESS_VARIANCES + settings.VARIANCES,
    )
    arguments.add_format(parser)
    options = arguments.parse(parser, argv)
    options.profile = options.profile or "fast"
    variances = options.variances or VARIANCES

    def make_configs(digits):
        return settings.variants(
            settings.ABLATED,
            settings.ABLATIONS,
            profile=options.profile,
            variances=variances,
            seeds=options.seeds,
            digits=digits,
        )

    try:
        gathered = cells.gather(make_configs, options)
    except (OSError, ValueError) as problem:
        parser.error(str(problem))
    if options.dry_run:
        print(gathered.listing())
        return 0
    if not options.from_records:
        gathered = cells.run(gathered.configs, options)
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
    if gathered.error:
        print(gathered.error, file=sys.stderr)
    return 1 if gathered.error else 0


if __name__ == "__main__":
    sys.exit(main())
