"""What an audit found: estimates, leakages, and the report of all."""

import dataclasses
import math

import matplotlib.figure
import numpy as np
import pandas as pd
import tabulate


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A value with its 95 % confidence interval, by bootstrap over rows.

    Attributes:
        value: float.
        low: float.
        high: float.
    """

    value: float
    low: float
    high: float

    def __str__(self):
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


@dataclasses.dataclass(frozen=True)
class Leakage:
    """What features tell of an attribute, in all or inside the classes.

    Attributes:
        bounds: dict from estimators to `Estimate`, lower bounds of the mutual
            information in nats: `"Donsker-Varadhan"` and those of
            `probes.PROBES`.
        largest: str, the estimator whose bound was surely the largest (by the
            lower end of its interval) on other rows than those it is read on.
        floor: float, nats: what features that tell the label must tell;
            I(Y;C), or 0 inside the classes.
        ceiling: float, nats: what there is to tell; H(C), or H(C|Y).
            Infinite if the attribute has a continuous part.
        probe_accuracy: dict from probes to `Estimate`, the share of rows
            whose attribute they name.
        majority_accuracy: float, the share that is named right without the
            features.
    """

    bounds: dict
    largest: str
    floor: float
    ceiling: float
    probe_accuracy: dict
    majority_accuracy: float

    @property
    def information(self):
        """`Estimate`, nats: the bound of the `largest` estimator."""
        return self.bounds[self.largest]


@dataclasses.dataclass(frozen=True)
class Audit:
    """What a representation tells of an attribute, on held-out rows.

    Attributes:
        rows: int, the rows that were looked at. Estimators are fitted to two
            thirds of them, chosen on a sixth, and read on a sixth.
        leakage: `Leakage` of I(Z;C).
        conditional_leakage: `Leakage` of I(Z;C|Y); `None` without labels.
        accuracy: `Estimate` of the classifier's accuracy on all rows; `None`
            without predictions or labels, as all that follows.
        accuracy_per_attribute: dict from attribute values to accuracies.
        worst_group: tuple of the name and the accuracy of the worst group of
            one label and one attribute value (Sagawa et al. 2020) among those
            of at least 10 rows.
        equal_opportunity: `Estimate` of the largest difference of the true
            positive rates of two attribute values; `None` unless there are
            two labels and one part of the attribute.
    """

    rows: int
    leakage: Leakage
    conditional_leakage: Leakage | None = None
    accuracy: Estimate | None = None
    accuracy_per_attribute: dict | None = None
    worst_group: tuple | None = None
    equal_opportunity: Estimate | None = None

    def to_frame(self):
        """One row for every number.

        Returns:
            `pandas.DataFrame` with the columns `quantity`, `of` (estimator or
            group), `value`, `low`, `high` (NaN where there is no interval).
        """
        lines = []
        for sign, leakage in self._leakages():
            for name, bound in leakage.bounds.items():
                lines.append((f"{sign} (nats)", name, bound))
            lines.append((f"{sign} (nats)", "floor", leakage.floor))
            lines.append((f"{sign} (nats)", "ceiling", leakage.ceiling))
            named = f"attribute named, {sign}"
            for name, accuracy in leakage.probe_accuracy.items():
                lines.append((named, name, accuracy))
            lines.append((named, "majority", leakage.majority_accuracy))
        if self.accuracy is not None:
            lines.append(("accuracy", "all rows", self.accuracy))
            for group, accuracy in self.accuracy_per_attribute.items():
                lines.append(("accuracy", f"attribute {group}", accuracy))
            lines.append(("worst-group accuracy", *self.worst_group))
        if self.equal_opportunity is not None:
            lines.append(
                ("equal opportunity difference", "", self.equal_opportunity)
            )
        return pd.DataFrame(
            [
                (quantity, of, number.value, number.low, number.high)
                if isinstance(number, Estimate)
                else (quantity, of, number, math.nan, math.nan)
                for quantity, of, number in lines
            ],
            columns=["quantity", "of", "value", "low", "high"],
        )

    def __str__(self):
        frame = self.to_frame()
        table = tabulate.tabulate(
            frame.astype(object).where(frame.notna(), None),
            headers=["", "", "value", "95 % from", "to"],
            showindex=False,
            floatfmt=".3f",
        )
        verdict = "\n".join(
            f"{sign}: {leakage.information} nats ({leakage.largest}); floor "
            f"{leakage.floor:.3f}, ceiling {leakage.ceiling:.3f}"
            for sign, leakage in self._leakages()
        )
        return f"Audit of {self.rows:,} rows\n{verdict}\n\n{table}"

    def plot(self):
        """Draws the bounds, between floor and ceiling, and the accuracies.

        Returns:
            A `matplotlib.figure.Figure`.
        """
        leakages = self._leakages()
        panels = len(leakages) + (self.accuracy is not None)
        figure = matplotlib.figure.Figure(
            figsize=(3.6 * panels, 2.9), layout="constrained"
        )
        axes = figure.subplots(1, panels, squeeze=False)[0]
        for ax, (sign, leakage) in zip(axes, leakages, strict=False):
            _draw_bars(ax, leakage.bounds)
            ax.axhline(leakage.floor, color="tab:green", label="floor")
            if math.isfinite(leakage.ceiling):
                ax.axhline(leakage.ceiling, color="tab:red", label="ceiling")
            ax.set(title=sign, ylabel="nats")
            ax.legend()
        if self.accuracy is not None:
            _draw_bars(
                axes[-1], {"all": self.accuracy, **self.accuracy_per_attribute}
            )
            axes[-1].axhline(
                self.worst_group[1], color="tab:red", label="worst group"
            )
            axes[-1].set(title="accuracy per attribute value", ylim=(0, 1))
            axes[-1].legend()
        return figure

    def _leakages(self):
        pairs = [("I(Z;C)", self.leakage)]
        if self.conditional_leakage is not None:
            pairs.append(("I(Z;C|Y)", self.conditional_leakage))
        return pairs


def _draw_bars(ax, numbers):
    """A bar for each `Estimate`, with its interval."""
    values = np.array([number.value for number in numbers.values()])
    ends = np.array([(n.low, n.high) for n in numbers.values()])
    spread = np.abs(ends.T - values)
    ax.bar(
        range(len(numbers)), values, yerr=spread, color="lightgray", capsize=3
    )
    ax.set_xticks(range(len(numbers)), numbers, rotation=30, ha="right")
