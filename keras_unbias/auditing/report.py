"""The result of an audit: leakages, and the report."""

import dataclasses
import math
from typing import TYPE_CHECKING

import pandas as pd

from keras_unbias.dependence.bootstrap import Estimate
from keras_unbias.dependence.cross_fitting import MutualInformation

if TYPE_CHECKING:
    import matplotlib.figure


@dataclasses.dataclass(frozen=True, repr=False)
class Leakage:
    """Information that features carry about an attribute.

    Args:
        information: `MutualInformation`, a lower bound in nats, with those of
            the single estimators in its `bounds`.
        floor: float, nats: the information that features must carry if they
            predict the label. It is I(Y;C), or 0 within the classes.
        ceiling: float, nats: the information that there is, H(C) or H(C|Y).
            Infinite if the attribute has a continuous part.
        probe_accuracy: dict from probes to `Estimate`, the share of rows
            whose attribute the probe predicts.
        majority_accuracy: float, the share of rows whose attribute is
            predicted without the features.

    Example:

    >>> information = MutualInformation(0.5, 0.4, 0.6, "linear probe", 300, {})
    >>> accuracy = Estimate(0.9, 0.8, 1.0)
    >>> Leakage(
    ...     information, floor=0.0, ceiling=0.693,
    ...     probe_accuracy={"linear probe": accuracy}, majority_accuracy=0.5,
    ... )
    Leakage(0.500 [0.400, 0.600] nats (linear probe); floor 0.000, ceiling 0.693)
    """

    information: MutualInformation
    floor: float
    ceiling: float
    probe_accuracy: dict[str, Estimate]
    majority_accuracy: float

    def __str__(self):
        return (
            f"{Estimate.__str__(self.information)} nats "
            f"({self.information.estimator}); "
            f"floor {self.floor:.3f}, ceiling {self.ceiling:.3f}"
        )

    def __repr__(self):
        return f"Leakage({self})"


@dataclasses.dataclass(frozen=True, repr=False)
class Audit:
    """Result of `audit`: what features reveal about an attribute.

    Args:
        rows: int, the number of audited rows. Every row is held out once from
            the fit and the choice of estimators.
        leakage: `Leakage` of I(Z;C).
        conditional_leakage: `Leakage` of I(Z;C|Y), or `None` without labels.
        accuracy: `Estimate` of the classifier's accuracy on all rows. This and
            the following are `None` without predictions or labels.
        accuracy_per_attribute: dict from attribute values to `Estimate` of
            the accuracy.
        worst_group: tuple of str and float, the name and the accuracy of the
            worst group of one label and one attribute value (Sagawa et al.,
            ICLR 2020). Only groups of at least 10 rows count.
        equal_opportunity: `Estimate` of the largest difference between the
            true positive rates of two attribute values. `None` unless there
            are two labels and the attribute has one part.

    Example:

    >>> bound, accuracy = Estimate(0.5, 0.4, 0.6), Estimate(0.9, 0.8, 1.0)
    >>> information = MutualInformation(
    ...     0.5, 0.4, 0.6, "linear probe", 300, {"linear probe": bound}
    ... )
    >>> leakage = Leakage(
    ...     information, floor=0.0, ceiling=0.693,
    ...     probe_accuracy={"linear probe": accuracy}, majority_accuracy=0.5,
    ... )
    >>> print(Audit(rows=300, leakage=leakage))
    Audit of 300 rows
    I(Z;C): 0.500 [0.400, 0.600] nats (linear probe); floor 0.000, ...
    >>> Audit(rows=300, leakage=leakage).to_frame().value.tolist()
    [0.5, 0.0, 0.693, 0.9, 0.5]
    """

    rows: int
    leakage: Leakage
    conditional_leakage: Leakage | None = None
    accuracy: Estimate | None = None
    accuracy_per_attribute: dict[str, Estimate] | None = None
    worst_group: tuple[str, float] | None = None
    equal_opportunity: Estimate | None = None

    def to_frame(self) -> pd.DataFrame:
        """Returns all numbers of the audit, one per row.

        Returns:
            Frame with the columns `quantity`, `of` (the estimator or the
            group), `value`, `low` and `high`. The last two are NaN for a
            number without an interval.
        """
        lines = []
        for symbol, leakage in self._leakages():
            nats, accuracy = f"{symbol} (nats)", f"probe accuracy, {symbol}"
            lines += [
                *((nats, *bound) for bound in leakage.information.bounds.items()),
                (nats, "floor", leakage.floor),
                (nats, "ceiling", leakage.ceiling),
                *(
                    (accuracy, name, value)
                    for name, value in leakage.probe_accuracy.items()
                ),
                (accuracy, "majority", leakage.majority_accuracy),
            ]
        if self.accuracy is not None:
            lines.append(("accuracy", "all rows", self.accuracy))
            for group, value in self.accuracy_per_attribute.items():
                lines.append(("accuracy", f"attribute {group}", value))
            lines.append(("worst-group accuracy", *self.worst_group))
        if self.equal_opportunity is not None:
            lines.append(("equal opportunity difference", "", self.equal_opportunity))
        return pd.DataFrame(
            [
                (quantity, of, *dataclasses.astuple(number))
                if isinstance(number, Estimate)
                else (quantity, of, number, math.nan, math.nan)
                for quantity, of, number in lines
            ],
            columns=["quantity", "of", "value", "low", "high"],
        )

    def __str__(self):
        frame = self.to_frame()
        # pandas aligns text on the right.
        for column in ("quantity", "of"):
            width = frame[column].str.len().max()
            frame[column] = frame[column].str.ljust(width)
        table = frame.to_string(
            header=["", "", "value", "95 % from", "to"],
            index=False,
            na_rep="",
            float_format="{:.3f}".format,
        )
        summary = "\n".join(
            f"{symbol}: {leakage}" for symbol, leakage in self._leakages()
        )
        return f"Audit of {self.rows:,} rows\n{summary}\n\n{table}"

    # A prompt and a notebook show an audit as `print` does.
    __repr__ = __str__

    def plot(self) -> "matplotlib.figure.Figure":
        """Draws the bounds between floor and ceiling, and the accuracies.

        Returns:
            The figure, one panel per leakage and one for the accuracies.

        Raises:
            ImportError: if matplotlib is not installed.
        """
        from keras_unbias.auditing import picture

        return picture.draw(self)

    def _leakages(self):
        pairs = [("I(Z;C)", self.leakage)]
        if self.conditional_leakage is not None:
            pairs.append(("I(Z;C|Y)", self.conditional_leakage))
        return pairs
