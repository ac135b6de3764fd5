"""Figures made of records: pure functions of them, no TensorFlow.

Each function returns a matplotlib figure and its points as JSON values, which
`write` puts beside each other: a figure without its numbers cannot be checked.
"""

import collections
import math
import pathlib
import statistics

import matplotlib.figure

from keras_unbias import runs

AXES = {
    "loss": "training loss (nats)",
    "train_accuracy": "training accuracy",
    "test_accuracy": "test accuracy",
    "mutual_information": "mutual information (nats)",
}
PANEL = (3.6, 2.7)  # inches


def curves(records, *, panel, line, quantities, log_scale=(), steps=None):
    """Histories over epochs or steps, averaged over seeds.

    A row of panels for each value of `panel`, a column for each quantity,
    a line for each value of `line` with the standard deviation as a band.
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
    figure, axes = _panels(len(panels), len(quantities))
    points = []
    for (name, label), members in lines.items():
        for column, quantity in enumerate(quantities):
            places, means, deviations = _draw_band(
                axes[panels.index(name)][column],
                _aligned(members, quantity),
                label,
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
            ax.set(title=name, xlabel=axis, ylabel=AXES[quantity])
            if quantity in log_scale:
                ax.set_yscale("log")
            floor = _floor([r for r in records if panel(r) == name])
            if quantity == "mutual_information" and floor is not None:
                points.append(
                    {"panel": name, "line": "floor", "mean": round(floor, 5)}
                )
                ax.axhline(
                    floor, color="black", linestyle=":", label="floor I(Y;C)"
                )
            ax.legend(fontsize="small")
    return figure, points


def accuracy_by_variance(records, *, rows, published=None):
    """Test accuracy over color variance, a line for each row of the table.

    Args:
        records: list of `keras_unbias.runs.Record`. Diverged runs are left
            out.
        rows: list of row names, in order.
        published: dict from names to dicts from variances to `(mean,)` or
            `(mean, standard deviation)`, drawn as broken lines. Defaults to
            none.

    Returns:
        A `matplotlib.figure.Figure`, and a list of dicts, one for each line.

    Raises:
        ValueError: If there are no finished records of these rows.
    """
    cells = _grouped(
        [r for r in records if r.status == "done" and r.config.row in rows],
        lambda r: (r.config.row, r.config.settings["color_variance"]),
    )
    lines = {row: {} for row in rows}
    for (row, variance), members in cells.items():
        values = [record.metrics["test_accuracy"] for record in members]
        lines[row][variance] = statistics.fmean(values), _deviation(values)
    figure, ((ax,),) = _panels(1, 1, scale=2)
    # There are more rows than colours in matplotlib's own cycle.
    ax.set_prop_cycle(color=matplotlib.colormaps["tab20"].colors)
    points = []
    for row, values in lines.items():
        if values:
            point = _draw_line(ax, row, values, "-")
            runs = [len(cells[row, v]) for v in point["color_variance"]]
            points.append({**point, "runs": runs})
    for name, values in (published or {}).items():
        points.append(_draw_line(ax, f"{name} (published)", values, "--"))
    ax.set(xlabel="color variance", ylabel=AXES["test_accuracy"])
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
        [record for record in records if record.status == "done"],
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
            ax.set(title=name, xlabel="λ", ylabel=AXES[quantity])
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
    groups = _grouped([r for r in records if r.status == "done"], bar)
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


def training_against_audit(records):
    """What the training's estimator read last, against the audit's bound.

    The audit (`keras_unbias.fresh_estimators`) fits fresh estimators to the
    finished features and reads them on held-out rows. Runs without an
    estimator, an audit or an end are left out. A point below the diagonal: the training
    read more than can be found again.

    Args:
        records: list of `keras_unbias.runs.Record`.

    Returns:
        A `matplotlib.figure.Figure`, and a list of dicts, one for each row.

    Raises:
        ValueError: If no record is left.
    """
    rows = _grouped(
        [
            record
            for record in records
            if record.status == "done"
            and record.audit
            and "mutual_information" in record.metrics
        ],
        lambda record: record.config.row,
    )
    figure, ((ax,),) = _panels(1, 1, scale=1.5)
    points = []
    for row, members in rows.items():
        bounded = (
            "conditional_mutual_information"
            if members[0].config.settings["conditional"]
            else "mutual_information"
        )
        training = [r.metrics["mutual_information"] for r in members]
        audited = [r.audit[bounded] for r in members]
        ax.scatter(training, audited, label=row, s=16)
        points.append(
            {
                "row": row,
                "training": _rounded(training),
                "audit": _rounded(audited),
                "runs": [r.config.run_id for r in members],
            }
        )
    ax.axline((0, 0), slope=1, color="black", linewidth=0.8, linestyle=":")
    ax.set(
        xlabel="training estimator (nats)",
        ylabel="fresh estimator, held-out rows (nats)",
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
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # A name may hold a number with a point: a suffix is added, not changed.
    png, pdf, json = (f"{path}.{kind}" for kind in ("png", "pdf", "json"))
    figure.savefig(png, dpi=150)
    # Without the date in it the same points give the same file.
    figure.savefig(pdf, metadata={"CreationDate": None})
    runs.write_json(pathlib.Path(json), points)


def _draw_band(ax, values, label, steps):
    """Draws mean and deviation of each epoch; returns where, and both."""
    means = [statistics.fmean(v) for v in values]
    deviations = [_deviation(v) for v in values]
    places = [steps * epoch for epoch in range(1, len(values) + 1)]
    (line,) = ax.plot(places, means, label=label)
    ax.fill_between(
        places,
        [m - d for m, d in zip(means, deviations, strict=True)],
        [m + d for m, d in zip(means, deviations, strict=True)],
        alpha=0.2,
        color=line.get_color(),
        linewidth=0,
    )
    return places, means, deviations


def _floor(records):
    """The floor in nats of the runs that have one, or None."""
    floors = [
        record.data["floor_nats"]
        for record in records
        if not record.config.settings["conditional"]
    ]
    return statistics.fmean(floors) if floors else None


def _draw_line(ax, name, values, style):
    variances = sorted(values)
    means = [values[variance][0] for variance in variances]
    deviations = [(*values[v], math.nan)[1] for v in variances]
    ax.errorbar(
        variances,
        means,
        deviations,
        label=name,
        linestyle=style,
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
