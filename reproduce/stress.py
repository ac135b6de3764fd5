"""The best rows of Table 1 where colors tell the label almost surely."""

import sys

from reproduce.experiment import driver, sources
from reproduce.experiment.tables import Column, accuracy, make_table
from reproduce.recipes import digits, studies


def tables(results, title, notes):
    """A column for each color variance."""
    return [
        make_table(
            results,
            [Column(v, accuracy, v) for v in results.columns],
            title=f"Stress test. Test accuracy on colored MNIST, {title}",
            corner="color variance",
            notes=notes,
        )
    ]


STRESS = driver.Table(
    name="stress",
    description=__doc__,
    cells=studies.stress,
    profiles=studies.profiles_with(*studies.STRESS_ROWS),
    source=sources.DIGITS,
    variances=digits.ALL_VARIANCES,
    usual_variances=digits.STRESS_VARIANCES,
    tables=tables,
)

if __name__ == "__main__":
    sys.exit(driver.main(STRESS))
