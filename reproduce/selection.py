"""The paper's rule for lambda against an oracle that sees the test."""

import collections
import pathlib
import statistics
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from reproduce.settings import studies

from keras_unbias import plots, selection
from reproduce import figures


def main(argv=None):
    """Draws test accuracy, loss and information over lambda."""
    return figures.main(
        argv,
        name="selection",
        description=__doc__,
        make_configs=configs,
        variances=studies.SELECTION_VARIANCES,
        choose=comparable,
        draw=draw,
    )


def configs(profile, **cells):
    """The cells: every weight, of the paper's row where there is one."""
    quick = profile == "quick"
    row = studies.QUICK_MI if quick else studies.CURVES
    changes = studies.mi_weights(studies.SELECTION_MI_WEIGHTS)
    return studies.variants(row, changes, profile=profile, **cells)


def comparable(records):
    """Those of the seeds that all weights of their variance have.

    A variance without the smallest weight, by which the others are judged, or
    with that alone is left out.

    Raises:
        ValueError: If none is left of some.
    """
    smallest = min(studies.SELECTION_MI_WEIGHTS)
    left = []
    for group in _by_variance(records).values():
        weights = set(map(_weight, group))
        if smallest in weights and len(weights) > 1:
            left += _of_common_seeds(group)
    if records and not left:
        received = sorted(
            {(_weight(r), figures.variance(r), r.config.seed) for r in records}
        )
        raise ValueError(
            "There is nothing to choose from. Expected: at some variance the "
            f"weight {smallest:g} and another of the same seed. Received: "
            + "; ".join(f"{w:g} at {v}, seed {s}" for w, v, s in received)
            + ". Run the cells that are missing."
        )
    return left


def draw(records):
    """A row of panels for each variance; both choices marked in each.

    Args:
        records: what `comparable` returned.
    """
    by_variance = _by_variance(records)
    return plots.by_mi_weight(
        records,
        panel=figures.variance,
        quantities=["test_accuracy", "loss", "mutual_information"],
        marks={
            name: {
                "rule": selection.select_mi_weight(group),
                "oracle": _oracle(group),
            }
            for name, group in by_variance.items()
        },
    )


def _by_variance(records):
    groups = collections.defaultdict(list)
    for record in records:
        groups[figures.variance(record)].append(record)
    return groups


def _weight(record):
    return record.config.settings["mi_weight"]


def _of_common_seeds(records):
    seeds = collections.defaultdict(set)
    for record in records:
        seeds[_weight(record)].add(record.config.seed)
    common = set.intersection(*seeds.values())
    return [record for record in records if record.config.seed in common]


def _oracle(records):
    """The weight of the best test accuracy, averaged over seeds."""
    accuracies = collections.defaultdict(list)
    for record in records:
        if record.status == "done":
            accuracies[_weight(record)].append(record.metrics["test_accuracy"])
    return max(accuracies, key=lambda w: statistics.fmean(accuracies[w]))


if __name__ == "__main__":
    sys.exit(main())
