import dataclasses
import json
import statistics

import matplotlib.colors
import numpy as np
import pytest
from synthetic import FULL, SMALL, record, results, settings

from reproduce.experiment import plots
from reproduce.experiment.results import Results


def run(row="MI", column="0.020", weight=1.0, shift=0.0, done=True, **changes):
    """A labeled record; `shift` is added to all that is measured."""
    changes = {"epochs": 2, **changes}
    own = {k: changes.pop(k) for k in ("data", "history") if k in changes}
    made = record(
        settings(weight, color_variance=float(column), **changes),
        0.8 + shift if done else None,
        **{
            "data": {**FULL, "floor_nats": 1.25},
            "history": {
                "mutual_information": [2.0 + shift, 1.5 + shift],
                "test_accuracy": [0.5 + shift, 0.8 + shift],
            },
            **own,
        },
    )
    return row, column, made


def draw_curves(*labeled, **options):
    quantities = ["mutual_information", "test_accuracy"]
    return plots.curves(results(*labeled), quantities, **options)


def test_curves_over_iterations():
    # 83 full batches of 24 an epoch.
    data = {"train_size": 2000, "floor_nats": 1.0}
    figure, points = plots.curves(
        results(run(data=data, batch_size=24)),
        ["test_accuracy"],
        along=("iteration",),
    )
    assert points[0]["iteration"] == [83, 166] and "epoch" not in points[0]
    assert figure.axes[0].get_xlabel() == "iteration"
    line = figure.axes[0].lines[0]
    assert line.get_xdata().tolist() == [83, 166]


def test_curves_along_both_axes():
    data = {"train_size": 2000, "floor_nats": 1.0}
    quantities = ["mutual_information", "test_accuracy"]
    figure, points = plots.curves(
        results(run(data=data, batch_size=24)),
        quantities,
        along=("epoch", "iteration"),
    )
    shown = [(ax.get_xlabel(), *ax.lines[0].get_xdata()) for ax in figure.axes]
    assert shown == [("epoch", 1, 2)] * 2 + [("iteration", 83, 166)] * 2
    lines = [point for point in points if point["line"] != "floor"]
    found = [(p["quantity"], p.get("epoch"), p.get("iteration")) for p in lines]
    assert found == [
        *((quantity, [1, 2], None) for quantity in quantities),
        *((quantity, None, [83, 166]) for quantity in quantities),
    ]
    # Both panels of the information show the floor, which is one number.
    assert [len(ax.lines) for ax in figure.axes] == [2, 1, 2, 1]
    assert len(points) == len(lines) + 1


@pytest.mark.parametrize("along", ["epoch", ("iterations",)])
def test_an_axis_is_one_of_two(along):
    with pytest.raises(ValueError, match="Unknown axis.*'epoch', 'iteration'"):
        draw_curves(run(), along=along)


def test_curves_of_reports_of_several_epochs():
    _, points = draw_curves(run(epochs=100, epochs_per_report=50))
    assert points[0]["epoch"] == [50, 100]


def test_curves_are_means_over_seeds_with_the_floor():
    labeled = [
        run(shift=0.0),
        run(seed=2, shift=0.1),
        run("plain", weight=0.0),
        run(column="0.050", data={"floor_nats": 0.75}),
    ]
    figure, points = draw_curves(*labeled, panel="variance {}")
    assert len(figure.axes) == 4
    first = points[0]
    assert (first["panel"], first["line"]) == ("variance 0.020", "MI")
    assert first["epoch"] == [1, 2]
    assert first["mean"] == [2.05, 1.55]
    deviation = statistics.stdev([2.0, 2.1])
    assert first["standard_deviation"] == pytest.approx([deviation] * 2, 1e-3)
    assert first["runs"] == [made.id for *_, made in labeled[:2]]
    assert points[2]["standard_deviation"] == [None, None]
    floors = [p for p in points if p["line"] == "floor"]
    assert [p["mean"] for p in floors] == [1.25, 0.75]
    # One legend for all panels, though the second has no lambda = 0.
    (legend,) = figure.legends
    shown = [text.get_text() for text in legend.get_texts()]
    assert shown == ["MI", "plain", "floor I(Y;C)"]
    # What is drawn is what the points say.
    information, accuracy, *_ = figure.axes
    assert information.get_title() == "variance 0.020"
    assert information.get_ylabel() == "bound of I(Z;C) (nats)"
    drawn = information.get_lines()[0].get_ydata()
    assert drawn == pytest.approx(first["mean"])
    assert len(information.get_lines()) == 3
    assert len(accuracy.get_lines()) == 2


def test_a_line_has_one_color_over_all_panels():
    rows = {"0.0": 0.0, "0.5": 0.5, "1.0": 1.0}
    labeled = [run(row, weight=weight) for row, weight in rows.items()]
    figure, _ = draw_curves(*labeled, run("1.0", "0.050"))
    lines = {line.get_label(): line for line in figure.axes[0].get_lines()}
    assert len({lines[row].get_color() for row in rows}) == 3
    alone = figure.axes[2].get_lines()[0]
    assert alone.get_label() == "1.0"
    assert alone.get_color() == lines["1.0"].get_color()
    (band,) = figure.axes[2].collections
    drawn = matplotlib.colors.to_hex(band.get_facecolor()[0])
    assert drawn == matplotlib.colors.to_hex(alone.get_color())


def test_panels_are_in_order_of_the_columns_whatever_is_missing():
    found = results(run("λ = 0", "0.050"), run("λ = 1", "0.020"))
    cells = [
        dataclasses.replace(
            cell, column=column, settings=settings(seed=9, epochs=epochs)
        )
        for epochs, cell in enumerate(found.cells, 1)
        for column in ("0.020", "0.050")
    ]
    _, points = plots.curves(
        Results([*cells, *found.cells], found.records), ["test_accuracy"]
    )
    assert [point["panel"] for point in points] == ["0.020", "0.050"]


def test_curves_leave_out_what_diverged_and_what_has_no_floor():
    figure, points = draw_curves(
        run("0.5", conditional=True),
        run("4.0", weight=4.0, done=False, history={"test_accuracy": [None]}),
    )
    assert {point["line"] for point in points} == {"0.5"}
    assert figure.axes[0].get_ylabel() == "bound of I(Z;C|Y) (nats)"


def test_curves_on_a_logarithmic_axis():
    figure, _ = draw_curves(run(), log_scale=["mutual_information"])
    assert [ax.get_yscale() for ax in figure.axes] == ["log", "linear"]


def test_curves_of_a_method_without_an_estimator():
    _, points = plots.curves(results(run(weight=None)), ["test_accuracy"])
    assert [point["quantity"] for point in points] == ["test_accuracy"]


def test_curves_of_different_lengths_are_refused():
    history = {"mutual_information": [1.0], "test_accuracy": [1.0]}
    with pytest.raises(ValueError, match=r"Received: \[1, 2\] epochs"):
        draw_curves(run(), run(seed=2, epochs=1, history=history))


def test_nothing_to_draw():
    for found in (results(), results(run(done=False))):
        with pytest.raises(ValueError, match="A figure needs records"):
            plots.curves(found, ["test_accuracy"])
        with pytest.raises(ValueError, match="A figure needs records"):
            plots.accuracy_by_variance(found)


def test_accuracy_by_variance():
    figure, (ours, published) = plots.accuracy_by_variance(
        results(
            run(column="0.050"),
            run(column="0.020", shift=-0.2),
            run(column="0.020", seed=2, shift=-0.4),
            run(column="0.030", done=False),
        ),
        published={"Plain": {"0.040": (0.7,), "0.030": (0.6, 0.1)}},
        same_method={"Plain": "MI"},
    )
    assert (ours["line"], ours["color_variance"]) == ("MI", [0.02, 0.05])
    assert ours["mean"] == [0.5, 0.8]
    assert ours["standard_deviation"] == [
        pytest.approx(statistics.stdev([0.6, 0.4]), abs=1e-5),
        None,
    ]
    assert ours["runs"] == [2, 1]
    assert published == {
        "line": "Plain (published)",
        "color_variance": [0.03, 0.04],
        "mean": [0.6, 0.7],
        "standard_deviation": [0.1, None],
    }
    (ax,) = figure.axes
    assert len(ax.get_legend().get_texts()) == 2
    drawn = [line.get_ydata().tolist() for line in ax.get_lines()]
    assert [0.5, 0.8] in drawn and [0.6, 0.7] in drawn
    # The published line of a method has the color of ours.
    assert len({line.get_color() for line in ax.get_lines()}) == 1


def test_every_row_has_a_color_of_its_own():
    labeled = [run(f"row {n}", batch_size=n) for n in range(1, 13)]
    figure, _ = plots.accuracy_by_variance(results(*labeled))
    assert len({line.get_color() for line in figure.axes[0].get_lines()}) == 12


def test_choices_are_marked_at_their_weights():
    figure, (point,) = plots.by_mi_weight(
        results(
            run("a", weight=0.0),
            run("b", weight=4.0, shift=0.1),
            run("c", weight=0.5, shift=-0.1),
            run("d", weight=2.0, done=False),
        ),
        ["test_accuracy"],
        marks={"0.020": {"rule": 0.5, "oracle": 4.0}},
        panel="variance {}",
    )
    assert point["panel"] == "variance 0.020"
    assert point["mi_weight"] == [0.0, 0.5, 4.0]
    assert point["mean"] == [0.8, 0.7, 0.9]
    assert point["standard_deviation"] == [None] * 3
    assert point["runs"] == [1, 1, 1]
    assert point["choices"] == {"rule": 0.5, "oracle": 4.0}
    (ax,) = figure.axes
    marks = {
        line.get_label(): line.get_xdata()[0]
        for line in ax.get_lines()
        if line.get_label() in point["choices"]
    }
    assert marks == {"rule": 1, "oracle": 2}


def test_files_are_the_same_for_the_same_points(tmp_path):
    names = ("a", "b_0.045_c")
    for name in names:
        plots.write(*draw_curves(run()), tmp_path / "new" / name)
    folder = tmp_path / "new"
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        f"{name}.{end}" for name in names for end in ("png", "pdf", "json")
    )
    for end in ("png", "pdf", "json"):
        first = (folder / f"a.{end}").read_bytes()
        assert first == (folder / f"b_0.045_c.{end}").read_bytes()
    assert json.loads((folder / "a.json").read_text())[0]["line"] == "MI"


def test_bars_are_means_over_seeds_with_a_line_across():
    labeled = [run(seed=n, shift=shift) for n, shift in enumerate((0, 0.1))]
    labeled += [run("ERM", weight=0.0, done=False)]
    labeled += [run("ERM", weight=0.0, seed=3)]
    figure, points = plots.bars(
        results(*labeled),
        {
            "accuracy": lambda r: r.metrics["test_accuracy"],
            "other": lambda r: r.metrics.get("other", 0.5),
            "undefined": lambda r: 0.25 if r.settings.seed == 0 else None,
        },
        marks={"accuracy": lambda r: 0.25 if r.settings.seed != 1 else None},
    )
    first, last, undefined = points[0], points[3], points[4:]
    assert first == {
        "panel": "accuracy",
        "bar": "MI",
        "mean": 0.85,
        "standard_deviation": pytest.approx(statistics.stdev([0.8, 0.9]), 1e-3),
        "runs": 2,
        "mark": 0.25,
    }
    assert (last["panel"], last["bar"], last["runs"]) == ("other", "ERM", 1)
    assert last["standard_deviation"] is None
    assert "mark" not in last
    assert [(p["bar"], p["runs"]) for p in undefined] == [("MI", 1)]
    top = figure.axes[0]
    assert [bar.get_height() for bar in top.patches] == [0.85, 0.8]
    assert [t.get_text() for t in top.get_xticklabels()] == ["MI", "ERM"]


def with_bounds(row, fresh, training=0.5, **changes):
    row, column, made = run(row, **changes)
    return (
        row,
        column,
        dataclasses.replace(
            made,
            metrics={**made.metrics, "mutual_information": training},
            estimates={
                "mutual_information": fresh,
                "conditional_mutual_information": fresh / 10,
            },
        ),
    )


def test_bounds_are_compared_with_those_of_the_same_information():
    labeled = [
        with_bounds("MI", 2.0, 0.25),
        with_bounds("MI", 1.0, 0.75, seed=2),
        with_bounds("conditional MI", 3.0, conditional=True),
        # Without an estimator in training, or a fresh one.
        run("ERM", weight=None),
        run("not estimated", weight=2.0),
    ]
    figure, points = plots.training_against_fresh(results(*labeled))
    assert points == [
        {
            "panel": "I(Z;C)",
            "row": "MI",
            "training": [0.25, 0.75],
            "fresh": [2.0, 1.0],
            "runs": [made.id for *_, made in labeled[:2]],
        },
        {
            "panel": "I(Z;C|Y)",
            "row": "conditional MI",
            "training": [0.5],
            "fresh": [0.3],
            "runs": [labeled[2][2].id],
        },
    ]
    assert [ax.get_title() for ax in figure.axes] == ["I(Z;C)", "I(Z;C|Y)"]
    drawn = figure.axes[0].get_lines()[0]
    assert drawn.get_xdata().tolist() == [0.25, 0.75]
    assert drawn.get_ydata().tolist() == [2.0, 1.0]


def test_bounds_without_any():
    with pytest.raises(ValueError, match="A figure needs records"):
        plots.training_against_fresh(results(run()))


def test_samples_are_pictures_in_rows():
    pictures = np.arange(4 * 2 * 2 * 3, dtype=np.uint8).reshape(2, 2, 2, 2, 3)
    figure = plots.samples(pictures, titles=["training", "test"])
    shown = [ax.get_images()[0].get_array() for ax in figure.axes]
    np.testing.assert_array_equal(shown, pictures.reshape(4, 2, 2, 3))
    labels = [ax.get_ylabel() for ax in figure.axes]
    assert labels == ["training", "", "test", ""]


def test_a_picture_says_what_it_is_made_of():
    labeled = [run(), run(seed=2)]
    assert plots.about(results(*labeled), "fast") == (
        "profile fast, 60,000 training rows, seeds 1, 2"
    )
    labeled[1] = run(seed=2, data=SMALL)
    missing = [("MI", "0.020", 3)]
    assert plots.about(results(*labeled, missing=missing), "fast") == (
        "profile fast, 60,000 training rows and 5,000 digits, seeds 1, 2, 1 "
        "of 3 cells missing"
    )
