"""The best rows of Table 1 where colors tell the label almost surely."""

import functools
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from reproduce import digit_table
from reproduce.settings import colored_mnist, studies


def main(argv=None):
    """Runs what is missing and prints the table; returns the exit code."""
    return digit_table.main(
        argv,
        name="stress",
        description=__doc__,
        title="Stress test. Test accuracy on coloured MNIST",
        make_configs=functools.partial(
            colored_mnist.table1, rows=studies.STRESS_ROWS
        ),
        profiles=studies.profiles_with(*studies.STRESS_ROWS),
        variances=colored_mnist.STRESS_VARIANCES,
    )


if __name__ == "__main__":
    sys.exit(main())
