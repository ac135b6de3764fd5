"""The best rows of Table 1 where colors tell the label almost surely."""

import functools
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from reproduce import digit_table, settings


def main(argv=None):
    """Runs what is missing and prints the table; returns the exit code."""
    return digit_table.main(
        argv,
        name="stress",
        description=__doc__,
        title="Stress test. Test accuracy on coloured MNIST",
        make_configs=functools.partial(
            settings.table1, rows=settings.STRESS_ROWS
        ),
        profiles=settings.profiles_with(*settings.STRESS_ROWS),
        variances=settings.STRESS_VARIANCES,
    )


if __name__ == "__main__":
    sys.exit(main())
