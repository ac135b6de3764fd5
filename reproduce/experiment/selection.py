"""The choice of lambda without unbiased validation data. No TensorFlow.

Validation data drawn like the training data share its bias, so accuracy on
them says nothing. The paper's rule (section 5.1) looks at training alone.
"""

import collections
import math
import statistics


def select_mi_weight(records, *, loss_tolerance=0.2):
    """The largest weight that fits the data and lowers the information.

    The paper: "the highest lambda value that allows the model fitting the
    data and reducing the mutual information". Here a weight fits if the
    training loss of its last epoch is at most `loss_tolerance` above that of
    the smallest weight, and lowers the information if its last estimate is
    below that of the smallest weight; both averaged over seeds. A weight with
    a diverged run does not fit.

    Args:
        records: list of `keras_unbias.runs.Record` that differ in `mi_weight`
            and seed alone.
        loss_tolerance: float, in the unit of the loss (nats for the
            cross-entropy). Defaults to 0.2.

    Returns:
        float, the weight. The smallest one where no other will do.

    Raises:
        ValueError: there are fewer than two weights, the smallest one
            diverged, the records differ in more than weight and seed, the
            weights have other seeds than each other, or the tolerance is
            negative or not finite.
    """
    by_weight = collections.defaultdict(list)
    for record in records:
        by_weight[record.config.settings.get("mi_weight")].append(record)
    weights = sorted(weight for weight in by_weight if weight is not None)
    if None in by_weight or len(weights) < 2:
        raise ValueError(
            "A weight is selected among several. Expected: records of at "
            "least two values of mi_weight, all of which have one. Received: "
            f"{list(by_weight)}."
        )
    _check_same_recipe(records)
    _check_same_seeds(by_weight)
    return select(
        {weight: _ends(by_weight[weight]) for weight in weights},
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
            "dataset": r.config.dataset,
            "method": r.config.method,
            **{k: v for k, v in r.config.settings.items() if k != "mi_weight"},
        }
        for r in records
    ]
    for recipe in recipes[1:]:
        differing = {
            name
            for name in recipe.keys() | recipes[0].keys()
            if recipe.get(name) != recipes[0].get(name)
        }
        if differing:
            raise ValueError(
                "The records are not of one recipe. Expected: records that "
                "differ in mi_weight and seed alone. Received: records that "
                f"differ in {sorted(differing)}. Select within each recipe."
            )


def _check_same_seeds(by_weight):
    seeds = {w: sorted(r.config.seed for r in by_weight[w]) for w in by_weight}
    if len(set(map(tuple, seeds.values()))) > 1:
        raise ValueError(
            "Weights are compared by the same seeds. Expected: records of the "
            f"same seeds for each. Received: {seeds}. Run what is missing, or "
            "leave out the seeds that not all have."
        )
