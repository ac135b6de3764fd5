"""Test accuracy over color variance: the rows of the README."""

import sys

from reproduce.experiment import driver, plots
from reproduce.recipes import digits


def draw(results):
    """A line for each row, ours and the published."""
    return plots.accuracy_by_variance(
        results, published=digits.short_published(), same_method=digits.SAME_METHOD
    )


FIGURE_VARIANCES_SHORT = digits.Figure(
    name="figure_variances_short",
    description=__doc__,
    cells=digits.few_rows,
    draw=draw,
)

if __name__ == "__main__":
    sys.exit(driver.main(FIGURE_VARIANCES_SHORT))
