"""The bars beside Table 3: equal opportunity and accuracy, by lambda."""

import dataclasses
import sys

from reproduce.experiment import driver, plots, sources
from reproduce.recipes import credit
from reproduce.table3 import eo_by_chance, metric

EO = "EO (line: by chance)"


def cells(profile, **chosen):
    """The rows of the paper's method, lambda = 0 first."""
    known = credit.PROFILES[profile].rows
    rows = [row for row in credit.FIGURE5_ROWS if row in known]
    return [
        dataclasses.replace(
            cell, row=f"λ = {getattr(cell.settings.method, 'mi_weight', 0):g}"
        )
        for cell in credit.cells(profile, rows=rows, **chosen)
    ]


def draw(results):
    """A bar for each lambda; a line across it is the EO of chance."""
    return plots.bars(
        results,
        {EO: metric("equal_opportunity"), "test accuracy": metric("test_accuracy")},
        marks={EO: eo_by_chance},
    )


FIGURE5 = driver.Figure(
    name="figure5",
    description=__doc__,
    cells=cells,
    profiles=credit.PROFILES,
    source=sources.CREDIT,
    draw=draw,
)

if __name__ == "__main__":
    sys.exit(driver.main(FIGURE5))
