"""Test accuracy over color variance: all rows of Table 1."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from reproduce.settings import colored_mnist

from keras_unbias import plots
from reproduce import figures, table1


def main(argv=None):
    """Draws the accuracies; returns the exit code."""
    return figures.main(
        argv,
        name="figure_variances",
        description=__doc__,
        make_configs=colored_mnist.table1,
        draw=draw,
    )


def draw(records):
    """A line for each row, ours and the published."""
    return plots.accuracy_by_variance(
        records,
        rows=list(colored_mnist.ROWS),
        published=table1.published(),
        pairs=table1.SAME_METHOD,
    )


if __name__ == "__main__":
    sys.exit(main())
