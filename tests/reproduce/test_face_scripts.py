"""Table 2 and its curves."""

import dataclasses
import functools

import numpy as np
import pytest
import utk
from faces import people, write
from scripts import EXPERIMENTS, drawn, listed, publish, record, rows

from keras_unbias import RepresentationClassifier
from keras_unbias.data import drawn_faces, imdb_faces, utk_faces
from keras_unbias.encoders import face_encoder
from reproduce import figure_faces, figure_features
from reproduce.experiment import records, run_files
from reproduce.experiment.settings import change
from reproduce.recipes import face_studies, faces


def faces_record(row, column, seed, other, test):
    (cell,) = [
        cell
        for cell in faces.cells("quick", faces="drawn", seeds=3)
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
    assert "EB1 4,000, " in out and "(published" not in out
    assert "Left out: 7 unknown gender" in out
    assert "do not stand beside these faces" in out
    assert "To run them, and others of these rows" in out


@pytest.mark.parametrize("name", ["table2", "figure_table2"])
def test_without_the_faces_the_guide_is_named(name, call):
    code, _, err = call(EXPERIMENTS[name], "--profile", "paper")
    assert code == 2
    assert "--data-dir" in err and "reproduce/IMDB.md" in err


@pytest.mark.parametrize(
    ("profile", "count"), [("quick", 3), ("fast", 54), ("paper", 36)]
)
def test_a_directory_of_utkface_is_enough(profile, count, call, tmp_path):
    words = ["--data-dir", str(utk.write(tmp_path / "faces", rows=3)), "--dry-run"]
    code, out, _ = call(EXPERIMENTS["table2"], "--profile", profile, *words)
    assert code == 0
    assert f"{count} cells: 0 done, {count} missing" in out


def test_the_published_numbers_stand_beside_imdb_alone(call, tmp_path):
    released = [
        record(faces.cells(profile, faces=kind)[0].settings)
        for profile, kind in (
            ("paper", "imdb"),
            ("paper", "utk"),
            ("fast", "utk"),
            ("quick", "utk"),
        )
    ]
    places = [tmp_path / str(number) for number in range(4)]
    for place, one in zip(places, released, strict=True):
        records.release([one], place)
    titles = (
        "IMDB faces, ResNet50 at 224 x 224, profile paper",
        "UTKFace, MobileNet 0.25 at 96 x 96, profile paper",
        "UTKFace, MobileNet 0.25 at 96 x 96, profile fast",
        "UTKFace, MobileNet 0.25 at 96 x 96, profile quick",
    )
    for place, title in zip(places, titles, strict=True):
        profile = title.split()[-1]
        words = ["--profile", profile, "--from-records", str(place)]
        code, out, _ = call(EXPERIMENTS["table2"], *words)
        assert code == 0
        assert f"Table 2. Gender of {title}" in out
        real = title.startswith("IMDB")
        assert ("(published)" in out) == ("(published 36,003)" in out) == real
        assert ("do not stand beside these faces" in out) != real
        assert ("oracle: our settings" in out) == (profile != "paper")
        assert ("on EB1" in out) == (profile != "quick") and "on EB2" in out


def test_groups_of_age_and_gender(call, tmp_path):
    (cell,) = faces.cells("fast", faces="utk", rows=["ERM"], seeds=1)[:1]
    one = record(cell.settings)
    groups = {
        "rows_by_group": {"0, 0": 10, "0, 1": 30, "0, 2": 10, "1, 11": 4},
        "accuracy_by_group": {"0, 0": 0.3, "0, 1": 0.5, "0, 2": 0.9, "1, 11": 0.75},
    }
    estimates = {"probe_accuracy": 0.4, "majority_accuracy": 0.25}
    one = dataclasses.replace(
        one,
        metrics={**one.metrics, **groups},
        estimates={**one.estimates, **estimates},
    )
    records.release([one], tmp_path)
    words = ["--profile", "fast", "--seeds", "1", "--from-records", str(tmp_path)]
    code, out, _ = call(EXPERIMENTS["table2_groups"], *words)
    assert code == 0
    by_group, by_age, *_ = out.split(", trained on EB")[1:]
    assert rows(by_group)["ERM"] == [
        # The worst group, women and men. (30 x 0.5 + 10 x 0.9) / 40 = 0.6.
        *("0.300", "0.300", "0.600", "-", "-", "-", "-", "-", "0.750")
    ]
    assert rows(by_age)["ERM"][2:] == ["0.400", "0.250"]


def test_studies_beside_table2(call, tmp_path):
    place = str(utk.write(tmp_path / "faces", rows=3))
    for name in ("search_faces", "ablation_faces"):
        words = ["--profile", "fast", "--data-dir", place, "--dry-run"]
        cells = listed(call(EXPERIMENTS[name], *words))
        assert len(cells) == len(set(cells))
    held = face_studies.search("fast", faces="utk")
    assert {c.settings.seed for c in held} == {0}
    more = face_studies.search("fast", faces="utk", seeds=2)
    assert {c.settings.seed for c in more} == {0, 1} and len(more) == 2 * len(held)
    assert all(c.settings.data.held_out for c in held)
    changed = face_studies.ablation("fast", faces="utk", seeds=1)
    table = faces.cells("fast", faces="utk", seeds=1)
    assert changed[0].settings in [cell.settings for cell in table]
    assert {c.settings.data.train_split for c in changed} == {"eb2"}


def test_faces_of_the_splits_are_drawn(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(figure_faces, "PICTURES", 3)
    drawn_faces.write(tmp_path / "runs" / "faces", rows=600)
    words = [
        "--figures-dir",
        str(tmp_path / "figures"),
        "--output-dir",
        str(tmp_path / "runs"),
    ]
    monkeypatch.setattr(
        imdb_faces, "load", functools.partial(imdb_faces.load, train_size=60)
    )
    assert figure_faces.main(words) == 0
    found = drawn(tmp_path, "figure_faces")
    young = [[bin < 4 for bin in p["age_bin"]] for p in found["points"]]
    women = [[label == 0 for label in p["label"]] for p in found["points"]]
    assert young[0] == women[0]
    assert young[1] == [not woman for woman in women[1]]
    assert len(young[2]) == 3
    place = utk.write(tmp_path / "utk")
    monkeypatch.setattr(
        utk_faces,
        "load",
        functools.partial(utk_faces.load, train_size=20, test_size=60),
    )
    assert figure_faces.main([*words, "--data-dir", str(place)]) == 0
    assert drawn(tmp_path, "figure_faces_utk")["about"] == "UTKFace, seed 1"


def test_features_are_those_of_finished_runs(tmp_path, monkeypatch, capsys):
    place = utk.write(tmp_path / "faces")
    fast = faces.PROFILES_OF["utk"]["fast"]
    tiny = {"backbone": "small", "alpha": 1.0, "weights": "none", "image_size": 32}
    base = change(fast.base, train_size=20, test_size=60, held_out=0, **tiny)
    small = dataclasses.replace(fast, base=base)
    monkeypatch.setitem(faces.PROFILES_OF["utk"], "fast", small)
    monkeypatch.setattr(figure_features, "FACES", 40)
    words = ["--data-dir", str(place), "--output-dir", str(tmp_path / "runs")]
    words += ["--figures-dir", str(tmp_path / "figures")]
    with pytest.raises(SystemExit):
        figure_features.main(words)
    assert "has no model" in capsys.readouterr().err
    encoders = {}
    for cell in small.cells(figure_features.ROWS, None, 1):
        encoder = face_encoder(shape=(32, 32, 3), backbone="small", weights="none")
        path = run_files.directory(cell.settings, tmp_path / "runs")
        path.mkdir(parents=True)
        model = RepresentationClassifier(encoder, 2)
        model.build(encoder.input_shape)
        model.save(path / "model.keras")
        encoders[cell.settings.id] = encoder
    assert figure_features.main(words) == 0
    found = drawn(tmp_path, "figure_features")["points"]
    assert [(p["row"], p["column"]) for p in found] == [
        (row, column) for row in figure_features.ROWS for column in ("EB1", "EB2")
    ]
    test = utk_faces.load(
        seed=1, train_size=20, test_size=60, image_size=32, data_dir=place
    )
    images, targets = next(iter(test.batches("test", 40)))
    for point in found:
        z = encoders[point["run"]](images).numpy()
        left, scales, _ = np.linalg.svd(z - z.mean(0), full_matrices=False)
        plane = left[:, :2] * scales[:2]
        # The sign of a component means nothing.
        np.testing.assert_allclose(
            np.abs(point["place"]), np.abs(plane) / np.abs(plane).max(), atol=2e-3
        )
        assert point["label"] == targets["label"].numpy().tolist()
        assert point["age_bin"] == targets["attribute"].numpy().argmax(1).tolist()


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
    made = faces.curves("quick", faces="drawn", seeds=2)
    shown = publish(tmp_path / "records", made)
    shown += ["--profile", "quick", "--seeds", "2"]
    assert call(experiment, *shown)[0] == 0
    found = drawn(tmp_path, "figure_table2_quick_seeds_2_faces_drawn")
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
