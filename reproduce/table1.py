"""Table 1: test accuracy on colored digits, ours beside the published."""

import sys

from reproduce.experiment import driver
from reproduce.experiment.tables import make_table
from reproduce.recipes import digits
from reproduce.recipes.published import published


def tables(results, title, notes):
    """A column for each color variance, of the rows and columns with records."""
    return [
        make_table(
            results.begun(),
            title=f"Table 1. Test accuracy on colored MNIST, {title}",
            corner="color variance",
            published=published("table1"),
            notes=[*notes, *mi_weights(results), *precisions(results), *digits.NOTES],
        )
    ]


def mi_weights(results):
    """Says what lambda the rows were trained with; the paper has one."""
    weights = dict.fromkeys(
        f"{cell.row} {cell.settings.method.mi_weight:g}"
        for cell in results.cells
        if cell.settings.method.has_estimator
    )
    return [f"Our lambda: {'; '.join(weights)}."] if weights else []


def precisions(results):
    """Says which rows were trained in several precisions."""
    used = {row: {} for row in results.rows}
    for cell, record in results.found:
        used[cell.row][record.environment.get("precision")] = None
    mixed = [
        f"{row} ({', '.join(map(str, found))})"
        for row, found in used.items()
        if len(found) > 1
    ]
    if not mixed:
        return []
    return [f"Precisions differ, by processor: {'; '.join(mixed)}."]


TABLE1 = digits.Table(name="table1", description=__doc__, tables=tables)

if __name__ == "__main__":
    sys.exit(driver.main(TABLE1))
