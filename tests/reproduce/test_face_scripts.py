"""Table 2 and its curves."""

import dataclasses

import pytest
from faces import people, write
from scripts import EXPERIMENTS, cells_of, drawn, listed, publish, record, rows

from keras_unbias.data import drawn_faces
from reproduce.experiment import records
from reproduce.experiment.settings import change
from reproduce.recipes import faces


def faces_record(row, column, seed, other, test):
    (cell,) = [
        cell
        for cell in faces.cells("quick", seeds=3)
        if (cell.row, cell.column, cell.settings.seed) == (row, column, seed)
    ]
    name = {"EB1": "eb2", "EB2": "eb1"}[column]
    plain = record(cell.settings)
    data = {"note": "synthetic miniature, not IMDB", "train_size": 2000}
    return dataclasses.replace(
        plain,
        metrics={"test_accuracy": test, f"{name}_accuracy": other},
        data={**plain.data, **data, "test_size": 500},
    )


def test_table2(call, tmp_path):
    released = [
        faces_record("ERM", "EB1", 1, 0.5, 0.7),
        faces_record("ERM", "EB1", 2, 0.6, 0.8),
        faces_record("ERM", "EB2", 1, 0.25, 0.75),
    ]
    records.release(released, tmp_path)
    words = ["--seeds", "2", "--from-records", str(tmp_path)]
    code, out, _ = call(EXPERIMENTS["table2"], *words)
    assert code == 0
    assert out.startswith("synthetic miniature, not IMDB (2,000 to train")
    found = rows(out)
    assert found["method"] == [
        *("on EB1: EB2", "on EB1: test", "on EB2: EB1", "on EB2: test")
    ]
    # Standard deviation of two numbers 0.1 apart: 0.1 / sqrt(2).
    assert found["ERM"] == [
        *("0.550 ± 0.071", "0.750 ± 0.071", "0.250 (n=1)", "0.750 (n=1)")
    ]
    row = "MI backpropagation, lambda = 0.5, 0.9 (published)"
    assert found[row][0] == "0.684 ± 0.010"
    assert found[row][3] == "0.745 ± 0.022"
    assert "EB1 4,000 (published 36,003)" in out
    assert "test 2,000 (published 22,468)" in out
    assert "Left out: 7 unknown gender" in out
    assert "no comparison with drawn ones" in out
    assert "To run them, and others of these rows" in out


@pytest.mark.parametrize("name", ["table2", "figure_table2"])
def test_without_the_faces_the_guide_is_named(name, call):
    code, _, err = call(EXPERIMENTS[name], "--profile", "paper")
    assert code == 2
    assert "--data-dir" in err and "reproduce/IMDB.md" in err


@pytest.mark.parametrize("name", ["table2", "figure_table2"])
def test_drawn_faces_need_no_files(name, call):
    code, _, err = call(
        EXPERIMENTS[name], "--profile", "quick", "--data-dir", "somewhere"
    )
    assert code == 2
    assert "The profile quick draws its faces" in err
    assert "Received: somewhere" in err


def test_weights_of_ones_own_are_other_runs(call, tmp_path):
    directory = write(tmp_path / "faces", people(), images=False)
    words = ["--profile", "paper", "--data-dir", str(directory), "--dry-run"]
    plain = listed(call(EXPERIMENTS["table2"], *words))
    assert len(plain) == 36
    words += ["--set", "weights=body.h5", "skip_bad_images=true"]
    other = listed(call(EXPERIMENTS["table2"], *words))
    assert len(other) == 36
    assert not {*other} & {*plain}


def test_curves_beside_table2(call, tmp_path):
    experiment = EXPERIMENTS["figure_table2"]
    made = cells_of(experiment, "--profile", "quick", "--seeds", "2")
    shown = publish(tmp_path / "records", made)
    assert call(experiment, *shown, "--seeds", "2")[0] == 0
    found = drawn(tmp_path, "figure_table2_quick_seeds_2")
    lines = {(p["panel"], p["line"]) for p in found["points"] if "runs" in p}
    assert lines == {
        (f"trained on {split}", f"λ = {weight}")
        for split in ("EB1", "EB2")
        for weight in ("0", "0.5")
    }
    # 60,000 rows in batches of 24.
    assert found["points"][0]["iteration"] == [*range(2500, 25001, 2500)]


@pytest.mark.slow
def test_table2_and_its_curves_on_a_miniature(tmp_path, monkeypatch, call):
    quick = faces.PROFILES["quick"]
    small = dataclasses.replace(
        quick,
        base=change(quick.base, train_size=96, epochs=1),
        rows={"ERM": quick.rows["ERM"], faces.MI: quick.rows[faces.MI]},
        seeds=1,
    )
    monkeypatch.setitem(faces.PROFILES, "quick", small)
    # The faces are drawn once, here fewer.
    drawn_faces.write(tmp_path / "runs" / "faces", rows=600)
    code, out, err = call(EXPERIMENTS["table2"], "--jobs", "2")
    assert code == 0, err
    assert "synthetic miniature, not IMDB" in out
    code, _, err = call(EXPERIMENTS["figure_table2"], "--jobs", "2")
    assert code == 0, err
    found = drawn(tmp_path, "figure_table2_quick")
    lines = {(p["panel"], p["line"]) for p in found["points"]}
    assert ("trained on EB2", "λ = 0.5") in lines
    assert ("trained on EB1", "λ = 0") in lines
    assert found["points"][0]["iteration"] == [96 // 24]
