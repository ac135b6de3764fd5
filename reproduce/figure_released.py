"""The paper's row in training: settings as printed and as released."""

import functools
import sys

from reproduce.experiment import driver, plots
from reproduce.recipes import digits, studies

FIGURE_RELEASED = digits.Figure(
    name="figure_released",
    description=__doc__,
    cells=studies.printed_and_released,
    profiles={"paper": digits.PROFILES["paper"]},
    usual_variances=digits.VARIANCES[:1],
    usual_seeds=1,
    draw=functools.partial(
        plots.curves,
        quantities=("mutual_information", "test_accuracy"),
        panel="variance {}",
        along=("epoch", "iteration"),
    ),
)

if __name__ == "__main__":
    sys.exit(driver.main(FIGURE_RELEASED))
