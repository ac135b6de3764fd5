"""The picture of an audit."""

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from keras_unbias.auditing.report import Audit, Leakage
from keras_unbias.dependence import Estimate

if TYPE_CHECKING:
    import matplotlib.figure

# Colors that color-blind people tell apart.
BLUE, GREEN, RED, GRAY = "#0072B2", "#009E73", "#D55E00", "#8C8C8C"
SYMBOLS = {
    "I(Z;C)": "I(Z;C): what the features tell",
    "I(Z;C|Y)": "I(Z;C|Y): and the label does not",
}


def draw(audit: Audit) -> "matplotlib.figure.Figure":
    """Draws an audit.

    Args:
        audit: the `Audit`.

    Returns:
        The matplotlib figure. Its panels are the leakages, and the accuracies if
        there are any, one below the other.

    Raises:
        ImportError: if matplotlib is not installed.

    Example:

    >>> from keras_unbias.dependence import MutualInformation
    >>> bound, accuracy = Estimate(0.5, 0.4, 0.6), Estimate(0.9, 0.8, 1.0)
    >>> information = MutualInformation(
    ...     0.5, 0.4, 0.6, "linear probe", 300, {"linear probe": bound}
    ... )
    >>> leakage = Leakage(
    ...     information, floor=0.0, ceiling=0.693,
    ...     probe_accuracy={"linear probe": accuracy}, majority_accuracy=0.5,
    ... )
    >>> (ax,) = draw(Audit(rows=300, leakage=leakage)).axes
    >>> ax.get_xlabel()
    'nats'
    """
    leakages = {"I(Z;C)": audit.leakage, "I(Z;C|Y)": audit.conditional_leakage}
    leakages = {symbol: found for symbol, found in leakages.items() if found}
    limits = _limits(leakages.values())
    groups = audit.accuracy_per_attribute or {}
    rows = [len(leakage.information.bounds) for leakage in leakages.values()]
    rows += [1 + len(groups)] if audit.accuracy else []
    # Titles and axes take the room of some rows.
    heights = [2.5 + count for count in rows]
    figure = _figure_class()(figsize=(8, 0.3 * sum(heights)), layout="constrained")
    figure.suptitle(f"Audit of {audit.rows:,} rows", x=0.01, ha="left", weight="bold")
    panels = figure.subplots(len(rows), 1, squeeze=False, height_ratios=heights)[:, 0]
    for ax, (symbol, leakage) in zip(panels, leakages.items(), strict=False):
        ax.set_title(SYMBOLS[symbol], loc="left")
        _draw_leakage(ax, leakage, limits)
    if audit.accuracy:
        panels[-1].set_title("accuracy per attribute value", loc="left")
        _draw_accuracies(panels[-1], audit, groups)
    return figure


def _figure_class():
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            "`Audit.plot` draws with matplotlib. Expected: matplotlib. Received: "
            "none that can be imported. Run `pip install matplotlib`."
        ) from error
    return Figure


def _draw_leakage(ax: Any, leakage: Leakage, limits: tuple[float, float]):
    """Draws the bounds on a scale from nothing to all that there is."""
    bounds, best = leakage.information.bounds, leakage.information.estimator
    colors = {name: BLUE if name == best else GRAY for name in bounds}
    _draw_estimates(ax, bounds, colors)
    if leakage.floor > 0:
        _mark(ax, leakage.floor, GREEN, "floor")
    if math.isfinite(leakage.ceiling):
        _mark(ax, leakage.ceiling, RED, "ceiling")
    ax.set(xlim=limits, xlabel="nats")


def _limits(leakages: Iterable[Leakage]) -> tuple[float, float]:
    """Returns the scale that leakages are compared on, with room for a number."""
    ends = [0.0]
    for leakage in leakages:
        ends += [leakage.floor, leakage.ceiling]
        for bound in leakage.information.bounds.values():
            ends += [bound.low, bound.high]
    ends = list(filter(math.isfinite, ends))
    return min(ends), 1.08 * max(ends) or 1.0


def _draw_accuracies(ax: Any, audit: Audit, groups: Mapping[str, Estimate]):
    estimates = {"all rows": audit.accuracy, **groups}
    colors = {name: BLUE if name == "all rows" else GRAY for name in estimates}
    _draw_estimates(ax, estimates, colors)
    group, accuracy = audit.worst_group
    _mark(ax, accuracy, RED, f"worst group: {group}")
    ax.set(xlim=(0, 1.08), xlabel="accuracy")


def _draw_estimates(ax: Any, estimates: Mapping[str, Estimate], colors):
    """Draws a bar with its interval and its value for each estimate."""
    for place, (name, estimate) in enumerate(estimates.items()):
        ax.barh(place, estimate.value, height=0.6, color=colors[name])
        ax.plot([estimate.low, estimate.high], [place, place], color="black", lw=1)
        ax.annotate(
            f"{estimate.value:.2f}",
            (max(estimate.high, 0), place),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
        )
    ax.set_yticks(range(len(estimates)), estimates)
    ax.invert_yaxis()
    ax.spines[["top", "right"]].set_visible(False)


def _mark(ax: Any, value: float, color: str, text: str):
    """Marks a value with a line and a text above the bars."""
    ax.axvline(value, color=color, lw=1.5, ls="--", label=text)
    ax.legend(
        loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False, fontsize=8
    )
