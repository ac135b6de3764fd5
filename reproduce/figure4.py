"""Figure 4: information and accuracies over epochs, by lambda."""

import functools
import sys

from reproduce.experiment import driver, plots
from reproduce.recipes import digits, studies

QUANTITIES = ("mutual_information", "test_accuracy", "train_accuracy")
FIGURE4 = digits.Figure(
    name="figure4",
    description=__doc__,
    cells=functools.partial(studies.lambdas, mi_weights=studies.FIGURE4_MI_WEIGHTS),
    profiles=studies.profiles_with(digits.MI),
    usual_variances=studies.FIGURE4_VARIANCES,
    draw=functools.partial(plots.curves, quantities=QUANTITIES, panel="variance {}"),
)

if __name__ == "__main__":
    sys.exit(driver.main(FIGURE4))
