"""Test accuracy over color variance: all rows of Table 1."""

import sys

from reproduce.experiment import driver, plots
from reproduce.recipes import digits
from reproduce.recipes.published import published


def draw(results):
    """A line for each row, ours and the published."""
    return plots.accuracy_by_variance(
        results, published=published("table1"), same_method=digits.SAME_METHOD
    )


FIGURE_VARIANCES = digits.Figure(
    name="figure_variances", description=__doc__, draw=draw
)

if __name__ == "__main__":
    sys.exit(driver.main(FIGURE_VARIANCES))
