"""The best row of Table 1 with one setting changed at a time."""

import functools
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from reproduce import digit_table, settings


def main(argv=None):
    """Runs what is missing and prints the table; returns the exit code."""
    return digit_table.main(
        argv,
        name="ablation",
        description=__doc__,
        title=(
            f"Ablation. Test accuracy of {settings.ABLATED}, one change at a "
            "time"
        ),
        make_configs=functools.partial(
            settings.variants, settings.ABLATED, settings.ABLATIONS
        ),
        profiles=settings.profiles_with(settings.ABLATED),
        variances=settings.ABLATION_VARIANCES,
    )


if __name__ == "__main__":
    sys.exit(main())
