import json
import statistics

import matplotlib.colors
import pytest

from reproduce.experiment import plots, records


def record(row="MI", variance=0.02, weight=1.0, seed=0, shift=0.0, **changes):
    history = {
        "mutual_information": [2.0 + shift, 1.5 + shift],
        "test_accuracy": [0.5 + shift, 0.8 + shift],
    }
    return records.Record(
        **{
            "config": records.RunConfig(
                dataset="colored_mnist",
                method="mi_backprop",
                row=row,
                profile="fast",
                seed=seed,
                settings={
                    "color_variance": variance,
                    "mi_weight": weight,
                    "conditional": False,
                },
            ),
            "status": "done",
            "metrics": {"test_accuracy": 0.8 + shift},
            "data": {"floor_nats": 1.25},
            "history": history,
            "environment": {},
            "wall_seconds": 1.0,
            **changes,
        }
    )


def draw_curves(records):
    return plots.curves(
        records,
        panel=lambda r: f"{r.config.settings['color_variance']}",
        line=lambda r: f"{r.config.settings['mi_weight']}",
        quantities=["mutual_information", "test_accuracy"],
    )


def test_curves_over_iterations():
    figure, points = plots.curves(
        [record()],
        panel=lambda r: "a",
        line=lambda r: "b",
        quantities=["test_accuracy"],
        steps=lambda r: 83,
    )
    assert points[0]["iteration"] == [83, 166] and "epoch" not in points[0]
    assert figure.axes[0].get_xlabel() == "iteration"
    line = figure.axes[0].lines[0]
    assert line.get_xdata().tolist() == [83, 166]


def test_curves_are_means_over_seeds_with_the_floor():
    records = [
        record(shift=0.0),
        record(seed=1, shift=0.1),
        record(weight=0.0),
        record(variance=0.05, data={"floor_nats": 0.75}),
    ]
    figure, points = draw_curves(records)
    assert len(figure.axes) == 4
    first = points[0]
    assert (first["panel"], first["line"]) == ("0.02", "1.0")
    assert first["epoch"] == [1, 2]
    assert first["mean"] == [2.05, 1.55]
    deviation = statistics.stdev([2.0, 2.1])
    assert first["standard_deviation"] == pytest.approx([deviation] * 2, 1e-3)
    assert first["runs"] == [r.config.run_id for r in records[:2]]
    floors = [p for p in points if p["line"] == "floor"]
    assert [p["mean"] for p in floors] == [1.25, 0.75]
    # One legend for all panels, though the second has no lambda = 0.
    (legend,) = figure.legends
    shown = [text.get_text() for text in legend.get_texts()]
    assert shown == ["1.0", "0.0", "floor I(Y;C)"]
    # What is drawn is what the points say.
    information, accuracy, *_ = figure.axes
    assert information.get_ylabel() == "bound of I(Z;C) (nats)"
    drawn = information.get_lines()[0].get_ydata()
    assert drawn == pytest.approx(first["mean"])
    assert len(information.get_lines()) == 3
    assert len(accuracy.get_lines()) == 2


def test_a_line_has_one_color_over_all_panels():
    records = [record(weight=w) for w in (0.0, 0.5, 1.0)]
    figure, _ = draw_curves([*records, record(weight=1.0, variance=0.05)])
    lines = {line.get_label(): line for line in figure.axes[0].get_lines()}
    assert len({lines[w].get_color() for w in ("0.0", "0.5", "1.0")}) == 3
    alone = figure.axes[2].get_lines()[0]
    assert alone.get_label() == "1.0"
    assert alone.get_color() == lines["1.0"].get_color()
    (band,) = figure.axes[2].collections
    drawn = matplotlib.colors.to_hex(band.get_facecolor()[0])
    assert drawn == matplotlib.colors.to_hex(alone.get_color())


def test_curves_leave_out_what_diverged_and_what_has_no_floor():
    conditional = record(weight=0.5)
    conditional.config.settings["conditional"] = True
    records = [
        conditional,
        record(
            weight=4.0, status="diverged", history={"test_accuracy": [None]}
        ),
    ]
    figure, points = draw_curves(records)
    assert {point["line"] for point in points} == {"0.5"}
    assert figure.axes[0].get_ylabel() == "bound of I(Z;C|Y) (nats)"


def test_curves_of_a_method_without_an_estimator():
    erm = record("ERM")
    for name in ("mi_weight", "conditional"):
        del erm.config.settings[name]
    figure, points = plots.curves(
        [erm],
        panel=lambda r: "a",
        line=lambda r: "b",
        quantities=["test_accuracy"],
    )
    assert [point["quantity"] for point in points] == ["test_accuracy"]


def test_curves_of_different_lengths_are_refused():
    short = record(seed=1, history={"mutual_information": [1.0]})
    with pytest.raises(ValueError, match=r"Received: \[1, 2\] epochs"):
        draw_curves([record(), short])
    with pytest.raises(ValueError, match="A figure needs records"):
        draw_curves([])


def test_accuracy_by_variance():
    records = [
        record(variance=0.05),
        record(variance=0.02, shift=-0.2),
        record(variance=0.02, seed=1, shift=-0.4),
        record(variance=0.03, status="diverged"),
        record(row="other"),
    ]
    figure, (ours, published) = plots.accuracy_by_variance(
        records,
        rows=["MI"],
        published={"Plain": {0.03: (0.6, 0.1)}},
        pairs={"Plain": "MI"},
    )
    assert ours["color_variance"] == [0.02, 0.05]
    assert ours["mean"] == [0.5, 0.8]
    assert ours["standard_deviation"] == [
        pytest.approx(statistics.stdev([0.6, 0.4]), abs=1e-5),
        None,
    ]
    assert ours["runs"] == [2, 1]
    assert published["line"] == "Plain (published)"
    assert (published["mean"], published["standard_deviation"]) == (
        [0.6],
        [0.1],
    )
    assert len(figure.axes[0].get_legend().get_texts()) == 2
    # The published line of a method has the color of ours.
    assert len({line.get_color() for line in figure.axes[0].get_lines()}) == 1


def test_every_row_has_a_color_of_its_own():
    rows = [f"row {number}" for number in range(12)]
    figure, _ = plots.accuracy_by_variance(
        [record(row=row) for row in rows], rows=rows
    )
    assert len({line.get_color() for line in figure.axes[0].get_lines()}) == 12


def test_choices_are_marked_at_their_weights():
    records = [
        record(weight=0.0),
        record(weight=4.0, shift=0.1),
        record(weight=0.5, shift=-0.1),
        record(weight=2.0, status="diverged"),
    ]
    figure, (point,) = plots.by_mi_weight(
        records,
        panel=lambda record: "all",
        quantities=["test_accuracy"],
        marks={"all": {"rule": 0.5, "oracle": 4.0}},
    )
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
        plots.write(*draw_curves([record()]), tmp_path / "new" / name)
    folder = tmp_path / "new"
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        f"{name}.{end}" for name in names for end in ("png", "pdf", "json")
    )
    for end in ("png", "pdf", "json"):
        first = (folder / f"a.{end}").read_bytes()
        assert first == (folder / f"b_0.045_c.{end}").read_bytes()
    assert json.loads((folder / "a.json").read_text())[0]["line"] == "1.0"


def test_bars_are_means_over_seeds_with_a_line_across():
    records = [record(shift=shift, seed=n) for n, shift in enumerate((0, 0.1))]
    records += [record(row="ERM", status="diverged"), record(row="ERM", seed=3)]
    figure, points = plots.bars(
        records,
        bar=lambda r: r.config.row,
        quantities={
            "accuracy": lambda r: r.metrics["test_accuracy"],
            "other": lambda r: r.metrics.get("other", 0.5),
        },
        marks={"accuracy": lambda r: 0.25 if r.config.seed != 1 else None},
    )
    first, last = points[0], points[-1]
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
    top = figure.axes[0]
    assert [bar.get_height() for bar in top.patches] == [0.85, 0.8]
    assert [t.get_text() for t in top.get_xticklabels()] == ["MI", "ERM"]
