"""What figures are made of: groups of records, averages, axes and lines."""

import collections
import statistics
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reproduce.experiment.records import Record
from reproduce.experiment.results import Cell, Results
from reproduce.experiment.settings import value

SIZE = (3.6, 2.7)  # inches
# No fewer than Table 1 has rows; each dark enough to be told from the others.
COLORS = (*matplotlib.colormaps["tab10"].colors, "black", "darkblue")

Groups = dict[Any, list[Record]]


def group(
    results: Results,
    key: Callable[[Cell, Record], Any],
    choose: Callable[[Record], bool] = lambda record: True,
) -> Groups:
    """Groups the finished records.

    Args:
        results: the cells and their records.
        key: function from a cell and its record to the name of the group.
        choose: function from a record to whether it belongs to the figure.
            Defaults to all.

    Returns:
        Lists of records by the name of the group.

    Raises:
        ValueError: if there are no such records.
    """
    groups = collections.defaultdict(list)
    for cell, record in results.found:
        if record.status == "done" and choose(record):
            groups[key(cell, record)].append(record)
    if not groups:
        raise ValueError(
            "A figure needs records. Expected: at least one that belongs to "
            "it. Received: none. Run the cells first."
        )
    return dict(groups)


def by_column(
    results: Results, width: int, key: Callable[[Cell, Record], Any]
) -> tuple[Figure, list[tuple[str, Sequence[Axes], Groups]]]:
    """Makes a row of panels for each column of the results.

    Args:
        results: the cells and their records.
        width: panels of a row.
        key: function from a cell and its record to the name of their group.

    Returns:
        The figure, and for each row of panels the label of the column, the
        panels, and the groups.
    """
    groups = group(results, lambda c, r: (c.column, key(c, r)))
    shown = {column for column, _ in groups}
    columns = [column for column in results.columns if column in shown]
    figure, axes = grid(len(columns), width)
    return figure, [
        (column, row, {k: v for (name, k), v in groups.items() if name == column})
        for column, row in zip(columns, axes, strict=True)
    ]


def grid(rows: int, columns: int, scale: float = 1) -> tuple[Figure, np.ndarray]:
    """Makes a figure with an array of panels."""
    size = (SIZE[0] * columns * scale, SIZE[1] * rows * scale)
    figure = Figure(figsize=size, layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False)


def colors(results: Results) -> dict[str, Any]:
    """Returns a color by row, the same whichever records are missing."""
    return {row: COLORS[n % len(COLORS)] for n, row in enumerate(results.rows)}


def places(
    members: Sequence[Record], quantities: Collection[str], iterations: bool
) -> list[int]:
    """Returns the epochs after which the values of a line were reported.

    Args:
        members: the records of the line.
        quantities: names in `Record.history`.
        iterations: whether steps are returned instead of epochs.

    Raises:
        ValueError: if the histories differ in length.
    """
    lengths = {len(r.history[name]) for r in members for name in quantities}
    if len(lengths) > 1:
        raise ValueError(
            "The runs of one line cannot be averaged. Expected: as many "
            f"epochs in each. Received: {sorted(lengths)} epochs in "
            f"{[record.id for record in members]}. Leave out those of another "
            "recipe."
        )
    training = members[0].settings.training
    step = training.epochs_per_report
    if iterations:
        step *= members[0].data["train_size"] // training.batch_size
    return [step * report for report in range(1, 1 + lengths.pop())]


def summarize(groups: Iterable[Iterable[float]]) -> dict[str, list]:
    """Returns mean and standard deviation of groups of values.

    The deviation of a single value is not known: it is `None`.
    """
    groups = [list(group) for group in groups]
    return {
        "mean": [round(statistics.fmean(group), 5) for group in groups],
        "standard_deviation": [
            round(statistics.stdev(group), 5) if len(group) > 1 else None
            for group in groups
        ],
    }


def draw_band(
    ax: Axes, at: Sequence[float], summary: dict[str, list], **style: Any
) -> None:
    """Draws means as a line, and their deviations as a band around it."""
    means = np.array(summary["mean"])
    half = np.array(summary["standard_deviation"], float)
    (line,) = ax.plot(at, means, **style)
    band = {"alpha": 0.2, "linewidth": 0, "color": line.get_color()}
    ax.fill_between(at, means - half, means + half, **band)


def draw_bars(
    ax: Axes, at: Sequence[float], summary: dict[str, list], **style: Any
) -> None:
    """Draws means as a line of points, and their deviations as bars."""
    half = np.array(summary["standard_deviation"], float)
    style |= {"marker": "o", "markersize": 3, "capsize": 2}
    ax.errorbar(at, summary["mean"], half, **style)


def draw_legend(figure: Figure, columns: int) -> None:
    """Draws one legend for all panels, whose lines have the same colors."""
    labeled = {
        label: handle
        for ax in figure.axes
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)
    }
    figure.legend(
        labeled.values(),
        labeled.keys(),
        fontsize="small",
        loc="outside lower center",
        ncols=columns,
    )


def information(members: Iterable[Record]) -> str:
    """Returns what runs minimize, as words on an axis."""
    kinds = dict.fromkeys(
        "I(Z;C|Y)" if value(record.settings, "conditional") else "I(Z;C)"
        for record in members
    )
    return " or ".join(kinds)


def floor(members: Iterable[Record]) -> float | None:
    """Returns the mean floor in nats of the runs that have one.

    Only runs that minimize I(Z;C) have one, the information I(Y;C).
    """
    floors = [
        record.data["floor_nats"]
        for record in members
        if not value(record.settings, "conditional")
    ]
    return round(statistics.fmean(floors), 5) if floors else None
