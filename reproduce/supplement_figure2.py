"""Figure 2 of the supplement: training loss and accuracy by K."""

import functools
import sys

from reproduce.experiment import driver, plots
from reproduce.recipes import digits, studies

SUPPLEMENT_FIGURE2 = digits.Figure(
    name="supplement_figure2",
    description=__doc__,
    cells=studies.estimator_steps,
    profiles=studies.profiles_with(digits.MI),
    usual_variances=studies.SUPPLEMENT_FIGURE2_VARIANCES,
    draw=functools.partial(
        plots.curves,
        quantities=("loss", "train_accuracy"),
        panel="variance {}",
        log_scale=("loss",),
    ),
)

if __name__ == "__main__":
    sys.exit(driver.main(SUPPLEMENT_FIGURE2))
