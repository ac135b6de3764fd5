"""The paper's rule for lambda against an oracle that sees the test."""

import collections
import dataclasses
import functools
import statistics
import sys

from reproduce.experiment import driver, plots, selection, sources
from reproduce.recipes import digits, studies

QUANTITIES = ("test_accuracy", "loss", "mutual_information")


def draw(results):
    """A row of panels for each variance; both choices marked in each."""
    left = comparable(results)
    return plots.by_mi_weight(
        left,
        QUANTITIES,
        marks={
            variance: {
                "rule": selection.select(records),
                "oracle": oracle(records),
            }
            for variance, records in by_variance(left).items()
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
    for records in by_variance(results).values():
        seeds = collections.defaultdict(set)
        for record in records:
            seeds[weight(record)].add(record.settings.seed)
        if smallest in seeds and len(seeds) > 1:
            common = set.intersection(*seeds.values())
            kept |= {r.id: r for r in records if r.settings.seed in common}
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
    """Groups records by the label of their variance."""
    groups = collections.defaultdict(list)
    for cell, record in results.found:
        groups[cell.column].append(record)
    return groups


def weight(record):
    """Lambda of a run."""
    return record.settings.method.mi_weight


def oracle(records):
    """The weight of the best test accuracy, averaged over seeds."""
    accuracies = collections.defaultdict(list)
    for record in records:
        if record.status == "done":
            accuracies[weight(record)].append(record.metrics["test_accuracy"])
    return max(accuracies, key=lambda w: statistics.fmean(accuracies[w]))


SELECTION = driver.Figure(
    name="selection",
    description=__doc__,
    cells=functools.partial(
        studies.lambdas, mi_weights=studies.SELECTION_MI_WEIGHTS
    ),
    profiles=digits.PROFILES,
    source=sources.DIGITS,
    variances=digits.ALL_VARIANCES,
    usual_variances=studies.SELECTION_VARIANCES,
    draw=draw,
)

if __name__ == "__main__":
    sys.exit(driver.main(SELECTION))
