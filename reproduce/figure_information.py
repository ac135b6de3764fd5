"""The bound of the training against that of a fresh estimator."""

import sys

from reproduce.experiment import driver, plots, sources
from reproduce.recipes import digits, studies

FIGURE_INFORMATION = driver.Figure(
    name="figure_information",
    description=__doc__,
    cells=studies.with_estimator,
    profiles=digits.PROFILES,
    source=sources.DIGITS,
    variances=digits.ALL_VARIANCES,
    draw=plots.training_against_fresh,
)

if __name__ == "__main__":
    sys.exit(driver.main(FIGURE_INFORMATION))
