"""Figures made of records: pure functions of them, no TensorFlow.

Each function of records returns a matplotlib figure and its points as JSON
values, which `write` puts beside each other: a figure without its numbers
cannot be checked.
"""

import collections
import io
import itertools
import math
import statistics

import matplotlib.figure

from keras_unbias import runs

AXES = {
    "loss": "training loss (nats)",
    "train_accuracy": "training accuracy",
    "test_accuracy": "test accuracy",
    "mutual_information": "bound of {information} (nats)",
}
PANEL = (3.6, 2.7)  # inches
# No fewer than Table 1 has rows; each dark enough to be told from the others.
COLORS = (*matplotlib.colormaps["tab10"].colors, "black", "darkblue")
ACCURACIES = (0.4, 0.6, 0.8, 0.9, 0.95, 0.97, 0.98, 0.99)


def curves(records, *, panel, line, quantities, log_scale=(), steps=None):
    """Histories over epochs or steps, averaged over seeds.

    A row of panels for each value of `panel`, a column for each quantity,
    a line for each value of `line` with the standard deviation as a band, in
    one color over all panels, for which there is one legend.
    Where `quantities` has `mutual_information`, the floor I(label; attribute)
    of the data is drawn in for runs that minimise I(Z;C). Diverged runs are
    left out.

    Args:
        records: list of `keras_unbias.runs.Record`.
        panel: function from a record to the name of its row of panels.
        line: function from a record to the name of its line.
        quantities: list of names in `Record.history`, keys of `AXES`.
        log_scale: those of them on a logarithmic axis. Defaults to none.
        steps: function from a record to its steps an epoch, for an axis of
            iterations. Defaults to `None`, an axis of epochs.

    Returns:
        A `matplotlib.figure.Figure`, and a list of dicts, one for each line
        of each panel.

    Raises:
        ValueError: If there are no finished records, or the histories of one
            line differ in length.
    """
    records = [record for record in records if record.status == "done"]
    lines = _grouped(records, lambda record: (panel(record), line(record)))
    axis = "iteration" if steps else "epoch"
    panels = list(dict.fromkeys(name for name, _ in lines))
    labels = dict.fromkeys(label for _, label in lines)
    colors = dict(zip(labels, itertools.cycle(COLORS)))
    figure, axes = _panels(len(panels), len(quantities))
    points = []
    for (name, label), members in lines.items():
        for column, quantity in enumerate(quantities):
            places, means, deviations = _draw_band(
                axes[panels.index(name)][column],
                _aligned(members, quantity),
                label,
                colors[label],
                steps(members[0]) if steps else 1,
            )
            points.append(
                {
                    "panel": name,
                    "line": label,
                    "quantity": quantity,
                    axis: places,
                    "mean": _rounded(means),
                    "standard_deviation": _rounded(deviations),
                    "runs": [m.config.run_id for m in members],
                }
            )
    for name, row in zip(panels, axes, strict=True):
        for quantity, ax in zip(quantities, row, strict=True):
            shown = [r for r in records if panel(r) == name]
            ax.set(title=name, xlabel=axis, ylabel=_axis(quantity, shown))
            if quantity in log_scale:
                ax.set_yscale("log")
            floor = None
            if quantity == "mutual_information":
                floor = _floor(shown)
            if floor is not None:
                points.append(
                    {"panel": name, "line": "floor", "mean": round(floor, 5)}
                )
                ax.axhline(
                    floor, color="black", linestyle=":", label="floor I(Y;C)"
                )
    _draw_legend(figure, 2 * len(quantities))
    return figure, points


def accuracy_by_variance(records, *, rows, published=None, pairs=None):
    """Test accuracy over color variance, a line for each row of the table.

    The scale is that of the logit: most of the rows are above 0.95.

    Args:
        records: list of `keras_unbias.runs.Record`. Diverged runs are left
            out.
        rows: list of row names, in order.
        published: dict from names to dicts from variances to `(mean,)` or
            `(mean, standard deviation)`, drawn as broken lines. Defaults to
            none.
        pairs: dict from published names to the rows of the same method,
            whose color they get. Defaults to none, and lime.

    Returns:
        A `matplotlib.figure.Figure`, and a list of dicts, one for each line.

    Raises:
        ValueError: If there are no finished records of these rows.
    """
    cells = _grouped(
        [record for record in records if record.config.row in rows],
        lambda r: (r.config.row, r.config.settings["color_variance"]),
    )
    lines = {row: {} for row in rows}
    for (row, variance), members in cells.items():
        values = [record.metrics["test_accuracy"] for record in members]
        lines[row][variance] = statistics.fmean(values), _deviation(values)
    figure, ((ax,),) = _panels(1, 1, scale=2)
    colors = dict(zip(rows, itertools.cycle(COLORS)))
    points = []
    for row, values in lines.items():
        if values:
            point = _draw_line(ax, row, values, "-", colors[row])
            counts = [len(cells[row, v]) for v in point["color_variance"]]
            points.append({**point, "runs": counts})
    for name, values in (published or {}).items():
        color = colors.get((pairs or {}).get(name), "lime")
        label = f"{name} (published)"
        points.append(_draw_line(ax, label, values, "--", color))
    ax.set(xlabel="color variance", ylabel=AXES["test_accuracy"])
    # A bar that reaches 0 or 1 is drawn to the edge.
    ax.set_yscale("logit", nonpositive="clip")
    ax.set_yticks(ACCURACIES, [f"{tick:g}" for tick in ACCURACIES])
    ax.yaxis.set_minor_formatter("")
    ax.grid(axis="y", alpha=0.3)
    # Beside the lines: there are many.
    ax.legend(fontsize="small", loc="upper left", bbox_to_anchor=(1, 1))
    return figure, points


def by_mi_weight(records, *, panel, quantities, marks):
    """Final values over lambda, with the choices between them marked.

    A row of panels for each value of `panel`, a column for each quantity.
    Diverged runs are left out.

    Args:
        records: list of `keras_unbias.runs.Record`.
        panel: function from a record to the name of its row of panels.
        quantities: list of names in `Record.history`, keys of `AXES`; their
            last values are drawn.
        marks: dict from names of panels to dicts from names of choices to
            weights, drawn as vertical lines.

    Returns:
        A `matplotlib.figure.Figure`, and a list of dicts, one for each panel
        and quantity.

    Raises:
        ValueError: If there are no finished records.
    """
    cells = _grouped(
        records,
        lambda r: (panel(r), r.config.settings["mi_weight"]),
    )
    panels = list(dict.fromkeys(name for name, _ in cells))
    figure, axes = _panels(len(panels), len(quantities))
    points = []
    for name, row in zip(panels, axes, strict=True):
        weights = sorted(weight for other, weight in cells if other == name)
        for quantity, ax in zip(quantities, row, strict=True):
            values = [
                [r.history[quantity][-1] for r in cells[name, weight]]
                for weight in weights
            ]
            means = [statistics.fmean(v) for v in values]
            deviations = [_deviation(v) for v in values]
            # Evenly spaced: 0 has no place on a logarithmic axis.
            places = range(len(weights))
            ax.errorbar(places, means, deviations, marker="o", capsize=2)
            ax.set_xticks(places, [f"{weight:g}" for weight in weights])
            for number, (choice, weight) in enumerate(marks[name].items()):
                ax.axvline(
                    weights.index(weight),
                    color=f"C{number + 1}",
                    # Choices may fall on the same weight.
                    linestyle=(3 * number, (3, 3)),
                    label=choice,
                )
            members = [r for weight in weights for r in cells[name, weight]]
            ax.set(title=name, xlabel="λ", ylabel=_axis(quantity, members))
            ax.legend(fontsize="small")
            points.append(
                {
                    "panel": name,
                    "quantity": quantity,
                    "mi_weight": weights,
                    "mean": _rounded(means),
                    "standard_deviation": _rounded(deviations),
                    "runs": [len(v) for v in values],
                    "choices": marks[name],
                }
            )
    return figure, points


def bars(records, *, bar, quantities, marks=None):
    """Final numbers as bars, with the standard deviation over seeds.

    Diverged runs are left out, and seeds where a number is not defined.

    Args:
        records: list of `keras_unbias.runs.Record`.
        bar: function from a record to the name of its bar.
        quantities: dict from names of panels, top to bottom, to functions
            from a record to a float or `None`.
        marks: dict from names of panels to functions from a record to a
            float or `None`, whose mean is drawn as a line across each bar.
            Defaults to none.

    Returns:
        A `matplotlib.figure.Figure`, and a list of dicts, one for each bar of
        each panel.

    Raises:
        ValueError: If there are no finished records.
    """
    groups = _grouped(records, bar)
    figure, axes = _panels(len(quantities), 1, scale=1.3)
    points = []
    for (panel, quantity), (ax,) in zip(quantities.items(), axes, strict=True):
        mark = (marks or {}).get(panel)
        for place, (name, members) in enumerate(groups.items()):
            values = [v for v in map(quantity, members) if v is not None]
            if not values:
                continue
            deviation = _deviation(values)
            point = {
                "panel": panel,
                "bar": name,
                "mean": round(statistics.fmean(values), 5),
                "standard_deviation": _rounded([deviation])[0],
                "runs": len(values),
            }
            ax.bar(
                place,
                point["mean"],
                yerr=deviation,
                color="tab:blue",
                capsize=3,
            )
            marked = [mark(member) for member in members] if mark else []
            marked = [v for v in marked if v is not None]
            if marked:
                point["mark"] = round(statistics.fmean(marked), 5)
                ax.hlines(point["mark"], place - 0.4, place + 0.4, "black")
            points.append(point)
        ax.set_xticks(range(len(groups)), list(groups))
        ax.set(ylabel=panel)
        ax.set_ylim(bottom=0)
    return figure, points


def audited(records):
    """Those of the records that hold a bound of the training and an audit."""
    return [
        record
        for record in records
        if record.status == "done"
        and record.audit
        and "mutual_information" in record.metrics
    ]


def training_against_audit(records):
    """What the training's estimator read last, against the audit's bound.

    The audit (`keras_unbias.fresh_estimators`) fits fresh estimators to the
    finished features and reads them on training rows that they were not
    fitted to. A panel for the rows that minimise I(Z;C), one for those of
    I(Z;C|Y). A point below the diagonal: the training read more than can be
    found again, in the mean over its last epoch, before weights are averaged.

    Args:
        records: list of `keras_unbias.runs.Record`, as `audited` returns.

    Returns:
        A `matplotlib.figure.Figure`, and a list of dicts, one for each row.

    Raises:
        ValueError: If there are no records.
    """
    rows = _grouped(records, lambda record: record.config.row)
    panels = sorted({_information(members) for members in rows.values()})
    figure, (axes,) = _panels(1, len(panels), scale=1.3)
    points = []
    for row, members in rows.items():
        information = _information(members)
        bounded = (
            "mutual_information"
            if information == "I(Z;C)"
            else "conditional_mutual_information"
        )
        training = [r.metrics["mutual_information"] for r in members]
        fresh = [r.audit[bounded] for r in members]
        axes[panels.index(information)].plot(
            training,
            fresh,
            linestyle="none",
            marker="o",
            # Hollow: points of several rows fall on each other.
            fillstyle="none",
            label=row,
        )
        points.append(
            {
                "panel": information,
                "row": row,
                "training": _rounded(training),
                "audit": _rounded(fresh),
                "runs": [r.config.run_id for r in members],
            }
        )
    for information, ax in zip(panels, axes, strict=True):
        # A point on the line, and not the origin, which may be far away.
        place = max(ax.get_xlim()[0], ax.get_ylim()[0])
        ax.axline(
            (place, place), slope=1, color="black", linewidth=0.8, linestyle=":"
        )
        ax.set(
            title=information,
            xlabel="training estimator (nats)",
            ylabel="fresh estimator (nats)",
        )
        ax.legend(fontsize="small")
    return figure, points


def samples(images, *, titles):
    """Pictures in rows.

    Args:
        images: list of lists of uint8 arrays `(height, width, 3)`, a list
            for each row of pictures, of one length.
        titles: list of strings, one for each row.

    Returns:
        A `matplotlib.figure.Figure`.
    """
    columns = len(images[0])
    figure = matplotlib.figure.Figure(
        figsize=(0.5 * columns + 1, 0.5 * len(images)), layout="compressed"
    )
    axes = figure.subplots(len(images), columns, squeeze=False)
    for row, title, pictures in zip(axes, titles, images, strict=True):
        for ax, picture in zip(row, pictures, strict=True):
            ax.imshow(picture)
            ax.set(xticks=[], yticks=[])
        row[0].set_ylabel(
            title, rotation=0, ha="right", va="center", fontsize="small"
        )
    return figure


def write(figure, points, path):
    """Writes a figure as PNG and PDF, and its points as JSON.

    Args:
        figure: a `matplotlib.figure.Figure`.
        points: JSON value.
        path: the path of the files without their suffixes.
    """
    # Without the date in it the same points give the same file.
    for kind, how in (
        ("png", {"dpi": 150}),
        ("pdf", {"metadata": {"CreationDate": None}}),
    ):
        drawn = io.BytesIO()
        figure.savefig(drawn, format=kind, **how)
        runs.write_bytes(f"{path}.{kind}", drawn.getvalue())
    runs.write_json(f"{path}.json", points)


def _draw_band(ax, values, label, color, steps):
    """Draws mean and deviation of each epoch; returns where, and both."""
    means = [statistics.fmean(v) for v in values]
    deviations = [_deviation(v) for v in values]
    places = [steps * epoch for epoch in range(1, len(values) + 1)]
    ax.plot(places, means, label=label, color=color)
    ax.fill_between(
        places,
        [m - d for m, d in zip(means, deviations, strict=True)],
        [m + d for m, d in zip(means, deviations, strict=True)],
        alpha=0.2,
        color=color,
        linewidth=0,
    )
    return places, means, deviations


def _information(records):
    """What the runs minimise, as a word on an axis."""
    kinds = dict.fromkeys(
        "I(Z;C|Y)" if record.config.settings["conditional"] else "I(Z;C)"
        for record in records
    )
    return " or ".join(kinds)


def _axis(quantity, records):
    if "{" not in AXES[quantity]:
        return AXES[quantity]
    return AXES[quantity].format(information=_information(records))


def _floor(records):
    """The floor in nats of the runs that have one, or None."""
    floors = [
        record.data["floor_nats"]
        for record in records
        if not record.config.settings["conditional"]
    ]
    return statistics.fmean(floors) if floors else None


def _draw_line(ax, name, values, style, color):
    variances = sorted(values)
    means = [values[variance][0] for variance in variances]
    deviations = [(*values[v], math.nan)[1] for v in variances]
    ax.errorbar(
        variances,
        means,
        deviations,
        label=name,
        linestyle=style,
        color=color,
        marker="o",
        markersize=3,
        capsize=2,
    )
    return {
        "line": name,
        "color_variance": variances,
        "mean": _rounded(means),
        "standard_deviation": _rounded(deviations),
    }


def _grouped(records, key):
    groups = collections.defaultdict(list)
    for record in records:
        if record.status == "done":
            groups[key(record)].append(record)
    if not groups:
        raise ValueError(
            "A figure needs records. Expected: at least one that belongs to "
            "it. Received: none. Run the cells first."
        )
    return groups


def _panels(rows, columns, scale=1):
    figure = matplotlib.figure.Figure(
        figsize=(PANEL[0] * columns * scale, PANEL[1] * rows * scale),
        layout="constrained",
    )
    return figure, figure.subplots(rows, columns, squeeze=False)


def _draw_legend(figure, columns):
    """One for all panels, outside of them, of lines colored alike in each."""
    labelled = {}
    for ax in figure.axes:
        for handle, label in zip(*ax.get_legend_handles_labels()):
            labelled.setdefault(label, handle)
    figure.legend(
        labelled.values(),
        labelled.keys(),
        fontsize="small",
        loc="outside lower center",
        ncols=columns,
    )


def _aligned(records, quantity):
    """The values of each epoch, one of each record."""
    histories = [record.history[quantity] for record in records]
    lengths = {len(history) for history in histories}
    if len(lengths) > 1:
        raise ValueError(
            "The runs of one line cannot be averaged. Expected: as many "
            f"epochs in each. Received: {sorted(lengths)} epochs in "
            f"{[record.config.run_id for record in records]}. Leave out those "
            "of another recipe."
        )
    return list(zip(*histories, strict=True))


def _deviation(values):
    """That of one value is not known: none is drawn, and none written."""
    return statistics.stdev(values) if len(values) > 1 else math.nan


def _rounded(values):
    return [round(v, 5) if math.isfinite(v) else None for v in values]
