"""The best rows of Table 1 where colors tell the label almost surely."""

import sys

from reproduce.experiment import driver
from reproduce.experiment.tables import make_table
from reproduce.recipes import digits, studies
from reproduce.recipes.published import published

NOTE = "The published rows are on other data, whose colors are not these."


def tables(results, title, notes):
    """A column for each color variance."""
    title = f"Stress test. Test accuracy on colored MNIST, {title}"
    return [
        make_table(
            results,
            title=title,
            corner="color variance",
            published=published("stress"),
            notes=[*notes, NOTE],
        )
    ]


STRESS = digits.Table(
    name="stress",
    description=__doc__,
    cells=studies.stress,
    profiles=studies.profiles_with(*studies.STRESS_ROWS),
    usual_variances=digits.STRESS_VARIANCES,
    tables=tables,
)

if __name__ == "__main__":
    sys.exit(driver.main(STRESS))
