"""Figure 3 of the supplement: figure 4 at every variance."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from reproduce.settings import colored_mnist

from reproduce import figure4


def main(argv=None):
    """Draws the curves; returns the exit code."""
    return figure4.main(
        argv,
        name="supplement_figure3",
        description=__doc__,
        variances=colored_mnist.VARIANCES,
    )


if __name__ == "__main__":
    sys.exit(main())
