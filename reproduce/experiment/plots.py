"""Figures made of records. No TensorFlow is needed.

A function of `Results` returns a matplotlib figure and its points: what is
drawn, as JSON values. `write` puts them beside each other, for a figure
without its numbers cannot be checked. Diverged runs are left out. Without any
finished run there is nothing to draw, and a ValueError says so.
"""

import io
import itertools
import os
import statistics
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure, SubFigure

from keras_unbias.checks import check_choice
from reproduce.experiment import panels, records
from reproduce.experiment.records import Record
from reproduce.experiment.results import Results
from reproduce.experiment.settings import value
from reproduce.experiment.tables import accuracy, seeds_in_words

AXES = {
    "loss": "training loss (nats)",
    "train_accuracy": "training accuracy",
    "test_accuracy": "test accuracy",
    "mutual_information": "bound of {information} (nats)",
}
ACCURACIES = (0.4, 0.6, 0.8, 0.9, 0.95, 0.97, 0.98, 0.99)

Number = Callable[[Record], float | None]
Drawn = tuple[Figure, list[dict[str, Any]]]


def curves(
    results: Results,
    quantities: Sequence[str],
    *,
    panel: str = "{}",
    log_scale: Collection[str] = (),
    along: Sequence[str] = ("epoch",),
) -> Drawn:
    """Draws histories as lines, averaged over seeds.

    There is a row of panels for each column of the results, and in it a panel
    for each quantity, along one axis and then along the next. A row of the
    results is a line in one color, with the standard deviation as a band. A
    dotted line is the floor, the information I(Y;C) of the data, of runs that
    minimize I(Z;C).

    Args:
        results: the cells and their records.
        quantities: names in `Record.history`, keys of `AXES`.
        panel: title of a panel; `{}` is the label of the column.
        log_scale: quantities on a logarithmic axis. Defaults to none.
        along: the axes, `"epoch"`, `"iteration"` or both. Defaults to the
            epoch.

    Raises:
        ValueError: if the histories of one line differ in length, or if an axis
            is unknown.
    """
    for axis in along:
        check_choice("axis", axis, ("epoch", "iteration"))
    shown = [(axis, quantity) for axis in along for quantity in quantities]
    figure, columns = panels.by_column(
        results, len(shown), lambda cell, record: cell.row
    )
    colors, points = panels.colors(results), []
    for column, row_of_panels, lines in columns:
        title = panel.format(column)
        for row, members in lines.items():
            runs = [record.id for record in members]
            for (axis, quantity), ax in zip(shown, row_of_panels, strict=True):
                places = panels.places(members, quantities, axis == "iteration")
                summary = panels.summarize(
                    zip(*(r.history[quantity] for r in members), strict=True)
                )
                style = {"label": row, "color": colors[row]}
                panels.draw_band(ax, places, summary, **style)
                point = {"panel": title, "line": row, "quantity": quantity}
                points.append({**point, axis: places, **summary, "runs": runs})
        everyone = list(itertools.chain(*lines.values()))
        floor = panels.floor(everyone)
        for (axis, quantity), ax in zip(shown, row_of_panels, strict=True):
            label = _axis(quantity, everyone)
            ax.set(title=title, xlabel=axis, ylabel=label)
            if quantity in log_scale:
                ax.set_yscale("log")
            if quantity == "mutual_information" and floor is not None:
                ax.axhline(floor, color="k", ls=":", label="floor I(Y;C)")
                if axis == along[0]:
                    points.append({"panel": title, "line": "floor", "mean": floor})
    panels.draw_legend(figure, 2 * len(shown))
    return figure, points


def accuracy_by_variance(
    results: Results,
    *,
    published: Mapping[str, Mapping[str, Sequence[float]]] | None = None,
    same_method: Mapping[str, str] | None = None,
) -> Drawn:
    """Draws the test accuracy over the color variance, a line for each row.

    Most accuracies are above 0.95, so the scale is that of the logit.

    Args:
        results: the cells and their records.
        published: `(mean,)` or `(mean, standard deviation)` by row name and
            color variance, drawn as broken lines. Defaults to `None`, none.
        same_method: by published row, ours of the same method, whose color it
            gets. Defaults to `None`: all are lime.
    """
    groups = panels.group(
        results, lambda c, r: (c.row, value(r.settings, "color_variance"))
    )
    figure, ((ax,),) = panels.grid(1, 1, scale=2)
    points, colors = [], panels.colors(results)
    for row in results.rows:
        variances = sorted(v for name, v in groups if name == row)
        values = [[*map(accuracy, groups[row, v])] for v in variances]
        point = {"line": row, "color_variance": variances, **panels.summarize(values)}
        if values:
            panels.draw_bars(ax, variances, point, label=row, color=colors[row])
            points.append({**point, "runs": [*map(len, values)]})
    for name, cells in (published or {}).items():
        label, method = f"{name} (published)", (same_method or {}).get(name)
        known = sorted((float(at), *v, None) for at, v in cells.items())
        variances, means, deviations = ([k[n] for k in known] for n in range(3))
        point = {"line": label, "color_variance": variances}
        point |= {"mean": means, "standard_deviation": deviations}
        style = {"color": colors.get(method, "lime"), "linestyle": "--"}
        panels.draw_bars(ax, variances, point, label=label, **style)
        points.append(point)
    ax.set(xlabel="color variance", ylabel=AXES["test_accuracy"])
    # A bar that reaches 0 or 1 is drawn to the edge.
    ax.set_yscale("logit", nonpositive="clip")
    ax.set_yticks(ACCURACIES, [f"{tick:g}" for tick in ACCURACIES])
    ax.yaxis.set_minor_formatter("")
    ax.grid(axis="y", alpha=0.3)
    # Beside the lines: there are many.
    ax.legend(fontsize="small", loc="upper left", bbox_to_anchor=(1, 1))
    return figure, points


def by_mi_weight(
    results: Results,
    quantities: Sequence[str],
    *,
    marks: Mapping[str, Mapping[str, float]],
    panel: str = "{}",
) -> Drawn:
    """Draws the last values of histories over lambda, and choices of it.

    Args:
        results: the cells and their records.
        quantities: as in `curves`.
        marks: by label of the column, weights by name of the choice.
        panel: as in `curves`.
    """
    figure, columns = panels.by_column(
        results, len(quantities), lambda c, r: value(r.settings, "mi_weight")
    )
    points = []
    for column, axes, groups in columns:
        title, weights = panel.format(column), sorted(groups)
        # Evenly spaced: 0 has no place on a logarithmic axis.
        places = range(len(weights))
        for quantity, ax in zip(quantities, axes, strict=True):
            summary = panels.summarize(
                [r.history[quantity][-1] for r in groups[w]] for w in weights
            )
            panels.draw_bars(ax, places, summary)
            ax.set_xticks(places, [f"{weight:g}" for weight in weights])
            for number, (choice, weight) in enumerate(marks[column].items()):
                # Broken in turn, for choices may fall on the same weight.
                style = {"color": f"C{number + 1}", "ls": (3 * number, (3, 3))}
                ax.axvline(weights.index(weight), label=choice, **style)
            label = _axis(quantity, itertools.chain(*groups.values()))
            ax.set(title=title, xlabel="λ", ylabel=label)
            ax.legend(fontsize="small")
            points.append(
                {
                    "panel": title,
                    "quantity": quantity,
                    "mi_weight": weights,
                    **summary,
                    "runs": [len(groups[weight]) for weight in weights],
                    "choices": dict(marks[column]),
                }
            )
    return figure, points


def bars(
    results: Results,
    quantities: Mapping[str, Number],
    *,
    marks: Mapping[str, Number] | None = None,
) -> Drawn:
    """Draws numbers of each row as bars, averaged over seeds.

    Args:
        results: the cells and their records.
        quantities: by label of a panel, from top to bottom, a function from a
            record to a number, or to `None` where it is not defined.
        marks: by label of a panel, another such function, whose mean is a
            line across each bar. Defaults to `None`, no lines.
    """
    groups = panels.group(results, lambda cell, record: cell.row)
    figure, axes = panels.grid(len(quantities), 1, scale=1.3)
    points = []
    for (panel, number), (ax,) in zip(quantities.items(), axes, strict=True):
        mark = (marks or {}).get(panel, lambda record: None)
        for place, (row, members) in enumerate(groups.items()):
            values = [v for v in map(number, members) if v is not None]
            marked = [v for v in map(mark, members) if v is not None]
            if not values:
                continue
            summary = {name: v[0] for name, v in panels.summarize([values]).items()}
            mean, deviation = summary.values()
            ax.bar(place, mean, yerr=deviation, capsize=3, color="C0")
            point = {"panel": panel, "bar": row, **summary, "runs": len(values)}
            if marked:
                point["mark"] = round(statistics.fmean(marked), 5)
                ax.hlines(point["mark"], place - 0.4, place + 0.4, "k")
            points.append(point)
        ax.set_xticks(range(len(groups)), list(groups))
        ax.set_ylabel(panel)
        ax.set_ylim(bottom=0)
    return figure, points


def training_against_fresh(results: Results) -> Drawn:
    """Draws the training's last bound against that of fresh estimators.

    Fresh estimators are fitted to the finished features and read on training
    rows that they were not fitted to. Below the diagonal the training read
    more than can be found again: in the mean over its last epoch, before
    weights are averaged. Runs without both bounds are left out.
    """
    groups = panels.group(results, lambda cell, record: cell.row, _has_bounds)
    kinds = {row: panels.information(members) for row, members in groups.items()}
    names = sorted({*kinds.values()})
    figure, (axes,) = panels.grid(1, len(names), scale=1.3)
    points = []
    for row, members in groups.items():
        name = "mutual_information"
        training = [round(r.metrics[name], 5) for r in members]
        name = f"conditional_{name}" if "|" in kinds[row] else name
        fresh = [round(r.estimates[name], 5) for r in members]
        ax = axes[names.index(kinds[row])]
        # Hollow: points of several rows fall on each other.
        ax.plot(training, fresh, "o", fillstyle="none", label=row)
        point = {"panel": kinds[row], "row": row, "training": training}
        runs = [record.id for record in members]
        points.append({**point, "fresh": fresh, "runs": runs})
    for panel, ax in zip(names, axes, strict=True):
        # A point on the line, and not the origin, which may be far away.
        place = max(ax.get_xlim()[0], ax.get_ylim()[0])
        ax.axline((place, place), slope=1, color="k", lw=0.8, ls=":")
        ax.set(title=panel, xlabel="training estimator (nats)")
        ax.set_ylabel("fresh estimator (nats)")
        ax.legend(fontsize="small")
    return figure, points


def samples(
    images: Sequence[Sequence[np.ndarray]],
    *,
    titles: Sequence[str],
    figure: Figure | SubFigure | None = None,
) -> Figure | SubFigure:
    """Draws rows of pictures.

    Args:
        images: rows of one length, of uint8 arrays `(height, width, 3)`.
        titles: a title for each row.
        figure: where to. Defaults to `None`, a figure of its own.
    """
    size = (0.5 * len(images[0]) + 1, 0.5 * len(images))
    figure = figure or Figure(figsize=size, layout="compressed")
    axes = figure.subplots(len(images), len(images[0]), squeeze=False)
    for row, title, pictures in zip(axes, titles, images, strict=True):
        for ax, picture in zip(row, pictures, strict=True):
            ax.imshow(picture)
            ax.set(xticks=[], yticks=[])
        style = {"rotation": 0, "ha": "right", "va": "center"}
        row[0].set_ylabel(title, fontsize="small", **style)
    return figure


def about(results: Results, profile: str) -> str:
    """Returns what a picture must say without its command line.

    Args:
        results: the cells and the records that are drawn.
        profile: name of the profile, and what differs from it.
    """
    found = [record for _, record in results.found]
    kinds = dict.fromkeys(
        r.data.get("note") or f"{r.data['train_size']:,} training rows" for r in found
    )
    seeds = sorted({record.settings.seed for record in found})
    words = [f"profile {profile}", " and ".join(kinds), seeds_in_words(seeds)]
    if results.missing:
        missing, total = len(results.missing), len(results.cells)
        words.append(f"{missing} of {total} cells missing")
    return ", ".join(words)


def write(figure: Figure, points: Any, path: str | os.PathLike) -> None:
    """Writes a figure as PNG and PDF, and its points as JSON.

    Args:
        figure: the figure.
        points: JSON values.
        path: path of the files without their suffixes.
    """
    # Without the date in it the same points give the same file.
    undated = {"metadata": {"CreationDate": None}}
    for kind, options in {"png": {"dpi": 150}, "pdf": undated}.items():
        drawn = io.BytesIO()
        figure.savefig(drawn, format=kind, **options)
        records.write_bytes(f"{path}.{kind}", drawn.getvalue())
    records.write_json(f"{path}.json", points)


def _axis(quantity, members):
    return AXES[quantity].format(information=panels.information(members))


def _has_bounds(record):
    bounds = (record.metrics, record.estimates)
    return all(b.get("mutual_information") is not None for b in bounds)
