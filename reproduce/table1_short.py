"""Table 1 in five rows, for the README."""

import sys

from reproduce.experiment import driver
from reproduce.experiment.tables import make_table
from reproduce.recipes import digits


def tables(results, title, notes):
    """A column for each color variance."""
    return [
        make_table(
            results,
            title=f"Table 1. Test accuracy on colored MNIST, {title}",
            corner="color variance",
            published=digits.short_published(),
            notes=notes,
        )
    ]


TABLE1_SHORT = digits.Table(
    name="table1_short", description=__doc__, cells=digits.short, tables=tables
)

if __name__ == "__main__":
    sys.exit(driver.main(TABLE1_SHORT))
