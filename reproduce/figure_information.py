"""The bound of the training against that of a fresh estimator."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from reproduce.settings import colored_mnist

from keras_unbias import plots
from reproduce import figures


def main(argv=None):
    """Draws the rows with an estimator; returns the exit code."""
    return figures.main(
        argv,
        name="figure_information",
        description=__doc__,
        make_configs=make_configs,
        choose=plots.audited,
        draw=plots.training_against_audit,
    )


def make_configs(profile, **cells):
    """The cells of Table 1 that have an estimator."""
    rows = [
        row
        for row in colored_mnist.PROFILES[profile]["rows"]
        if colored_mnist.ROWS[row]["method"] == "mi_backprop"
    ]
    return colored_mnist.table1(profile, rows=rows, **cells)


if __name__ == "__main__":
    sys.exit(main())
