"""The curves beside Table 2: information and test accuracy over iterations."""

import functools
import sys

from reproduce.experiment import driver, plots, sources
from reproduce.recipes import faces

FIGURE_TABLE2 = driver.Figure(
    name="figure_table2",
    description=__doc__,
    cells=faces.curves,
    profiles=faces.PROFILES,
    source=sources.FACES,
    draw=functools.partial(
        plots.curves,
        quantities=("mutual_information", "test_accuracy"),
        panel="trained on {}",
        along=("iteration",),
    ),
)

if __name__ == "__main__":
    sys.exit(driver.main(FIGURE_TABLE2))
