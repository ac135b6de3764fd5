"""The paper's rule for lambda against an oracle that sees the test."""

import collections
import dataclasses
import functools
import statistics
import sys

from reproduce.experiment import driver, plots, selection
from reproduce.experiment.tables import accuracy
from reproduce.recipes import digits, studies

QUANTITIES = ("test_accuracy", "loss", "mutual_information")


def draw(results):
    """Draws a row of panels for each variance, with both choices marked."""
    return plots.by_mi_weight(
        results,
        QUANTITIES,
        marks={
            variance: {"rule": selection.select(found), "oracle": oracle(found)}
            for variance, found in by_variance(results).items()
        },
        panel="variance {}",
    )


def comparable(results):
    """Keeps, at each variance, the seeds that all weights there have.

    A variance without the smallest weight, by which the others are judged, or
    with that alone is left out.

    Raises:
        ValueError: if no variance is left.
    """
    smallest = min(studies.SELECTION_MI_WEIGHTS)
    kept = {}
    for found in by_variance(results).values():
        seeds = collections.defaultdict(set)
        for _, record in found:
            seeds[weight(record)].add(record.settings.seed)
        if smallest in seeds and len(seeds) > 1:
            common = set.intersection(*seeds.values())
            kept |= {r.id: r for _, r in found if r.settings.seed in common}
    if not kept:
        received = sorted(
            f"{cell.row} at {cell.column}, seed {cell.settings.seed}"
            for cell, _ in results.found
        )
        raise ValueError(
            "There is nothing to choose from. Expected: at some variance the "
            f"weight {smallest:g} and another of the same seed. Received: "
            f"{'; '.join(received) or 'no records'}. Run the missing cells."
        )
    return dataclasses.replace(results, records=kept)


def by_variance(results):
    """Groups pairs of cell and record by the label of their variance."""
    groups = collections.defaultdict(list)
    for cell, record in results.found:
        groups[cell.column].append((cell, record))
    return groups


def weight(record):
    """Returns lambda of a run."""
    return record.settings.method.mi_weight


def oracle(found):
    """Returns the weight of the best test accuracy, averaged over seeds."""
    accuracies = collections.defaultdict(list)
    for _, record in found:
        if record.status == "done":
            accuracies[weight(record)].append(accuracy(record))
    return max(accuracies, key=lambda w: statistics.fmean(accuracies[w]))


SELECTION = digits.Figure(
    name="selection",
    description=__doc__,
    cells=functools.partial(studies.lambdas, mi_weights=studies.SELECTION_MI_WEIGHTS),
    usual_variances=studies.SELECTION_VARIANCES,
    choose=comparable,
    draw=draw,
)

if __name__ == "__main__":
    sys.exit(driver.main(SELECTION))
