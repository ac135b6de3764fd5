"""The paper's rule for lambda, on a user's own data."""

import dataclasses
import math

import keras
import pandas as pd

from keras_unbias import callbacks


@dataclasses.dataclass(frozen=True, eq=False)
class Tuning:
    """A weight that was selected, and what it was selected by.

    Attributes:
        mi_weight: float, the selected weight.
        model: the model that was trained with it.
        table: `pandas.DataFrame` with a row for each weight: the training
            `loss` and the `mutual_information` (nats) of the last epoch, and
            whether the run `diverged`.
    """

    mi_weight: float
    model: keras.Model
    table: pd.DataFrame


def tune(
    build,
    *data,
    mi_weights=(0.0, 0.25, 0.5, 1.0, 2.0, 4.0),
    loss_tolerance=0.2,
    **fit,
):
    """Trains with every weight and selects one without unbiased data.

    By `select_mi_weight`, the paper's rule (section 5.1): the
    largest weight that still fits the training data and lowers the mutual
    information. It looks at nothing but the training.

    Args:
        build: function from a weight to a new compiled
            `MutualInformationBackpropagation`. Begin it with
            `keras.utils.set_random_seed` to compare weights from one start.
        *data: what `fit` takes by position, e.g. arrays `x, {"label": y,
            "attribute": c}`.
        mi_weights: floats >= 0, two or more. Defaults to those between 0 and
            4 that the rule was tried with.
        loss_tolerance: as in `select_mi_weight`.
        **fit: what `fit` takes by name, e.g. `epochs`.

    Returns:
        A `Tuning`.

    Raises:
        ValueError: there are fewer than two different weights, the tolerance
            is negative or not finite, or the run of the smallest one
            diverged.
    """
    check_weights(mi_weights, loss_tolerance)
    weights = sorted(set(mi_weights))
    models, ends, rows = {}, dict.fromkeys(weights), []
    given = fit.pop("callbacks", None) or []
    if not isinstance(given, (list, tuple)):
        given = [given]
    for weight in weights:
        models[weight] = build(weight)
        stop = callbacks.StopOnDivergence(float("inf"))
        history = models[weight].fit(*data, callbacks=[*given, stop], **fit)
        last = {
            name: history.history.get(name, [float("nan")])[-1]
            for name in ("loss", "mutual_information")
        }
        if not stop.reason:
            ends[weight] = tuple(last.values())
        elif weight == weights[0]:
            break  # The others would be compared with it.
        rows.append(
            {"mi_weight": weight, **last, "diverged": bool(stop.reason)}
        )
    selected = select_mi_weight(ends, loss_tolerance=loss_tolerance)
    return Tuning(selected, models[selected], pd.DataFrame(rows))


def select_mi_weight(ends, *, loss_tolerance=0.2):
    """The rule of `select_mi_weight`, of numbers.

    Args:
        ends: dict from weights to pairs of the last epoch's training loss and
            estimate of the information; `None` in place of a pair for a run
            that diverged.
        loss_tolerance: as there.

    Returns:
        float, the weight.

    Raises:
        ValueError: there are fewer than two weights, the smallest one
            diverged, or the tolerance is negative or not finite.
    """
    check_weights(ends, loss_tolerance)
    smallest, *others = sorted(ends)
    if ends[smallest] is None:
        raise ValueError(
            "The smallest weight says what fits. Expected: finished runs. "
            f"Received: a diverged run at mi_weight={smallest}."
        )
    base_loss, base_information = ends[smallest]
    selected = smallest
    for weight in others:
        if ends[weight] is None:
            continue
        loss, information = ends[weight]
        if loss <= base_loss + loss_tolerance and (
            information < base_information
        ):
            selected = weight
    return selected


def check_weights(weights, loss_tolerance):
    """Refuses what `select` cannot choose by, before anything is trained.

    Args:
        weights: iterable of the weights.
        loss_tolerance: as in `select_mi_weight`.

    Raises:
        ValueError: there are fewer than two different weights, or the
            tolerance is negative or not finite.
    """
    if len(set(weights)) < 2:
        raise ValueError(
            "A weight is selected among several. Expected: two or more. "
            f"Received: {list(weights)}."
        )
    if not 0 <= loss_tolerance < math.inf:
        raise ValueError(
            "A weight fits if its loss is no more than the tolerance above "
            "that of the smallest. Expected: loss_tolerance >= 0, finite. "
            f"Received: {loss_tolerance}. Leave it out for 0.2."
        )
