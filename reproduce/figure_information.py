"""The bound of the training against that of a fresh estimator."""

import dataclasses
import sys

from reproduce.experiment import driver, plots
from reproduce.recipes import digits, studies


def audited(results):
    """Keeps the runs whose features fresh estimators were fitted to."""
    kept = {r.id: r for _, r in results.found if r.estimates}
    return dataclasses.replace(results, records=kept)


FIGURE_INFORMATION = digits.Figure(
    name="figure_information",
    description=__doc__,
    cells=studies.with_estimator,
    choose=audited,
    draw=plots.training_against_fresh,
)

if __name__ == "__main__":
    sys.exit(driver.main(FIGURE_INFORMATION))
