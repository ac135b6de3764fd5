"""Figure 3 of the supplement: figure 4 at every variance."""

import dataclasses
import sys

from reproduce.experiment import driver
from reproduce.figure4 import FIGURE4
from reproduce.recipes import digits

SUPPLEMENT_FIGURE3 = dataclasses.replace(
    FIGURE4,
    name="supplement_figure3",
    description=__doc__,
    usual_variances=digits.VARIANCES,
)

if __name__ == "__main__":
    sys.exit(driver.main(SUPPLEMENT_FIGURE3))
