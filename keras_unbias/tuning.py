"""The paper's rule for the weight lambda, applied to a user's own data."""

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping

import keras
import pandas as pd

from keras_unbias import callbacks


@dataclasses.dataclass(frozen=True, eq=False)
class Tuning:
    """Result of `tune`.

    Args:
        mi_weight: float, the selected weight.
        model: the model that was trained with the selected weight.
        table: frame with a row per weight and the columns `mi_weight`, `loss`
            and `mutual_information` (the training loss and the bound in nats,
            both of the last epoch), and `diverged`.

    Example:

    >>> table = pd.DataFrame({"mi_weight": [0.0, 1.0], "diverged": False})
    >>> Tuning(mi_weight=1.0, model=keras.Model(), table=table).mi_weight
    1.0
    """

    mi_weight: float
    model: keras.Model
    table: pd.DataFrame


def tune(
    build: Callable[[float], keras.Model],
    *data,
    mi_weights: Iterable[float] = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0),
    loss_tolerance: float = 0.2,
    **fit,
) -> Tuning:
    """Trains a model with every weight and selects one of them.

    The selection uses the training alone and needs no unbiased data: it is
    the rule of `select_mi_weight`.

    Args:
        build: function from a weight to a new compiled
            `MutualInformationBackpropagation`. Call
            `keras.utils.set_random_seed` at its start, so that all weights
            begin with the same network.
        *data: positional arguments of `fit`, e.g. arrays `x, {"label": y,
            "attribute": c}`.
        mi_weights: two or more floats >= 0. Defaults to six weights from 0 to
            4.
        loss_tolerance: float, as in `select_mi_weight`. Defaults to 0.2.
        **fit: keyword arguments of `fit`, e.g. `epochs`.

    Returns:
        A `Tuning`.

    Raises:
        ValueError: if there are fewer than two different weights, if the
            tolerance is negative or not finite, or if the training with the
            smallest weight diverged.

    Example:

    >>> codes = np.arange(64) % 2
    >>> x = np.eye(2)[codes].astype("float32")
    >>> def build(mi_weight):
    ...     keras.utils.set_random_seed(0)
    ...     encoder = keras.Sequential(
    ...         [keras.Input((2,)), keras.layers.Dense(4)]
    ...     )
    ...     model = ku.MutualInformationBackpropagation(
    ...         encoder, num_classes=2, mi_weight=mi_weight
    ...     )
    ...     model.compile(run_eagerly=True)
    ...     return model
    >>> tuning = tune(
    ...     build, x, {"label": codes, "attribute": x}, mi_weights=(0.0, 1.0),
    ...     steps_per_epoch=1, verbose=0,
    ... )
    >>> tuning.table.mi_weight.tolist()
    [0.0, 1.0]
    >>> tuning.model.mi_weight == tuning.mi_weight
    True
    """
    check_weights(mi_weights, loss_tolerance)
    weights = sorted(set(mi_weights))
    models, results, rows = {}, dict.fromkeys(weights), []
    given = fit.pop("callbacks", None) or []
    if not isinstance(given, (list, tuple)):
        given = [given]
    for weight in weights:
        models[weight] = build(weight)
        stop = callbacks.StopOnDivergence()
        history = models[weight].fit(*data, callbacks=[*given, stop], **fit)
        last = {
            name: history.history.get(name, [math.nan])[-1]
            for name in ("loss", "mutual_information")
        }
        if not stop.reason:
            results[weight] = tuple(last.values())
        elif weight == weights[0]:
            break  # The other weights would be compared with this one.
        rows.append({"mi_weight": weight, **last, "diverged": bool(stop.reason)})
    selected = select_mi_weight(results, loss_tolerance=loss_tolerance)
    return Tuning(selected, models[selected], pd.DataFrame(rows))


def select_mi_weight(
    results: Mapping[float, tuple[float, float] | None], *, loss_tolerance: float = 0.2
) -> float:
    """Selects the largest weight that fits the data and lowers the information.

    The paper (section 5.1): "the highest lambda value that allows the model
    fitting the data and reducing the mutual information". Here a weight fits
    the data if its training loss exceeds that of the smallest weight by at
    most `loss_tolerance`. It lowers the information if its bound is below that
    of the smallest weight. Validation data would not help: they share the bias
    of the training data, so accuracy on them rewards the bias.

    Args:
        results: dict from two or more weights to pairs of training loss and
            bound of the mutual information in nats, both of the last epoch.
            `None` in place of a pair means that the training diverged.
        loss_tolerance: float >= 0 in the unit of the loss, nats for the
            cross-entropy. Defaults to 0.2.

    Returns:
        Float, the selected weight. The smallest one if no other fits the data
        and lowers the information.

    Raises:
        ValueError: if there are fewer than two weights, if the training with
            the smallest one diverged, or if the tolerance is negative or not
            finite.

    Example:

    >>> select_mi_weight(
    ...     {0.0: (0.10, 1.2), 0.5: (0.15, 0.8), 1.0: (0.90, 0.1), 2.0: None}
    ... )
    0.5
    """
    check_weights(results, loss_tolerance)
    smallest, *others = sorted(results)
    if results[smallest] is None:
        raise ValueError(
            "All weights are compared with the smallest one, so its training "
            "must not diverge. Expected: a pair of loss and bound. Received: a "
            f"diverged run at mi_weight={smallest}. Lower the learning rate."
        )
    base_loss, base_information = results[smallest]

    def suits(weight):
        loss, information = results[weight] or (math.inf, math.inf)
        return loss <= base_loss + loss_tolerance and information < base_information

    return max(filter(suits, others), default=smallest)


def check_weights(weights: Iterable[float], loss_tolerance: float) -> None:
    """Checks the arguments of a selection, before anything is trained.

    Args:
        weights: the weights to select from.
        loss_tolerance: as in `select_mi_weight`.

    Raises:
        ValueError: if there are fewer than two different weights, or if the
            tolerance is negative or not finite.
    """
    if len(set(weights)) < 2:
        raise ValueError(
            "A selection needs several weights. Expected: two or more. "
            f"Received: {list(weights)}. Add a weight, e.g. 0."
        )
    if not 0 <= loss_tolerance < math.inf:
        raise ValueError(
            "The loss of a weight may exceed that of the smallest weight by "
            "the tolerance. Expected: loss_tolerance >= 0, finite. Received: "
            f"{loss_tolerance}. Leave it out for 0.2."
        )
