"""The paper's rule for lambda, on records.

Validation data that are drawn like the training data share their bias, so the
accuracy on them says nothing. The paper's rule (section 5.1) looks at the
training alone.
"""

import collections
import statistics
from collections.abc import Iterable

from reproduce.experiment.records import Record
from reproduce.experiment.results import Cell
from reproduce.experiment.settings import names, value


def select(
    found: Iterable[tuple[Cell, Record]], *, loss_tolerance: float = 0.2
) -> float:
    """Selects a weight by `keras_unbias.tuning.select_mi_weight`.

    The loss and the information of a weight are those of the last epoch,
    averaged over seeds. A weight with a diverged run does not fit.

    Args:
        found: cells and records, as in `Results.found`, that differ in
            `mi_weight` and seed alone.
        loss_tolerance: as in `select_mi_weight`.

    Returns:
        The weight. It is the smallest one where no other will do.

    Raises:
        ValueError: if there are fewer than two weights, the smallest one
            diverged, the runs differ in more than weight and seed, the
            weights have other seeds than each other, or the tolerance is
            negative or not finite.
    """
    # Here, for it imports Keras, which only this function needs.
    from keras_unbias.tuning import select_mi_weight

    by_weight = collections.defaultdict(list)
    for _, record in found:
        by_weight[value(record.settings, "mi_weight")].append(record)
    if None in by_weight or len(by_weight) < 2:
        raise ValueError(
            "A weight is selected among several. Expected: records of at "
            "least two values of mi_weight, all of which have one. Received: "
            f"{list(by_weight)}."
        )
    _check_same_recipe([r for group in by_weight.values() for r in group])
    _check_same_seeds(by_weight)
    return select_mi_weight(
        {weight: _ends(group) for weight, group in by_weight.items()},
        loss_tolerance=loss_tolerance,
    )


def _ends(records):
    """Loss and information of the last epoch, or None if a run diverged."""
    if any(record.status == "diverged" for record in records):
        return None
    return tuple(
        statistics.fmean(record.history[name][-1] for record in records)
        for name in ("loss", "mutual_information")
    )


def _check_same_recipe(records):
    recipes = [
        {
            "dataset": r.settings.data.name,
            "method": r.settings.method.name,
            **{name: value(r.settings, name) for name in names(r.settings)},
        }
        for r in records
    ]
    differing = {
        name
        for name in set().union(*recipes) - {"mi_weight", "seed"}
        if any(r.get(name) != recipes[0].get(name) for r in recipes)
    }
    if differing:
        raise ValueError(
            "The records are not of one recipe. Expected: records that "
            "differ in mi_weight and seed alone. Received: records that "
            f"differ in {sorted(differing)}. Select within each recipe."
        )


def _check_same_seeds(by_weight):
    seeds = {
        weight: sorted(r.settings.seed for r in group)
        for weight, group in by_weight.items()
    }
    if len(set(map(tuple, seeds.values()))) > 1:
        raise ValueError(
            "Weights are compared by the same seeds. Expected: records of the "
            f"same seeds for each. Received: {seeds}. Run what is missing, or "
            "leave out the seeds that not all have."
        )
