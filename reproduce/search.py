"""The recipes that were tried for Table 1, on held-out training digits.

A part of the training digits that no run of this script trains on, in random
colors. An oracle, for such digits take the colors to be known, but not the
test digits.
"""

import sys

from reproduce.experiment import driver
from reproduce.experiment.tables import Column, accuracy, make_table
from reproduce.recipes import digits, studies


def tables(results, title, notes):
    """A column for each color variance, of the rows and columns with records."""
    begun = results.begun()
    return [
        make_table(
            begun,
            [Column(v, accuracy, v) for v in sorted(begun.columns)],
            title=(f"Search. Accuracy on held-out training digits (oracle), {title}"),
            corner="color variance",
            notes=notes,
        )
    ]


SEARCH = digits.Table(
    name="search",
    description=__doc__,
    cells=studies.search,
    profiles={"fast": digits.PROFILES["fast"]},
    variances=studies.SEARCH_VARIANCES,
    usual_seeds=1,
    tables=tables,
)

if __name__ == "__main__":
    sys.exit(driver.main(SEARCH))
