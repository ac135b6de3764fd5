"""Figure 2 of the supplement: training loss and accuracy by K."""

import functools
import sys

from reproduce.experiment import driver, plots, sources
from reproduce.recipes import digits, studies

SUPPLEMENT_FIGURE2 = driver.Figure(
    name="supplement_figure2",
    description=__doc__,
    cells=studies.estimator_steps,
    profiles=studies.profiles_with(digits.MI),
    source=sources.DIGITS,
    variances=digits.ALL_VARIANCES,
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
