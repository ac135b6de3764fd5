"""The paper's rule for lambda against an oracle that sees the test."""

import collections
import pathlib
import statistics
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from keras_unbias import plots, selection
from reproduce import figures
from reproduce.settings import studies


def main(argv=None):
    """Draws test accuracy, loss and information over lambda."""
    return figures.main(
        argv,
        name="selection",
        description=__doc__,
        make_configs=configs,
        variances=studies.SELECTION_VARIANCES,
        draw=draw,
    )


def configs(profile, **cells):
    """The cells: every weight, of the paper's row where there is one."""
    quick = profile == "quick"
    row = studies.QUICK_MI if quick else studies.CURVES
    changes = studies.mi_weights(studies.SELECTION_MI_WEIGHTS)
    return studies.variants(row, changes, profile=profile, **cells)


def draw(records):
    """A row of panels for each variance; both choices marked in each.

    Of the seeds those count that all weights of the variance have. A variance
    without the smallest weight, by which the others are judged, or with that
    alone is left out.
    """
    by_variance = collections.defaultdict(list)
    for record in records:
        by_variance[figures.variance(record)].append(record)
    by_variance = {
        name: _of_common_seeds(group)
        for name, group in by_variance.items()
        if min(studies.SELECTION_MI_WEIGHTS) in map(_weight, group)
    }
    by_variance = {
        name: group
        for name, group in by_variance.items()
        if len(set(map(_weight, group))) > 1
    }
    return plots.by_mi_weight(
        [record for group in by_variance.values() for record in group],
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
