import json
import re

import pytest
from faces import people, write

from keras_unbias.data import drawn_faces
from reproduce import arguments, figure_table2, pages, table2
from reproduce.experiment import records
from reproduce.settings import imdb_faces


def record(row, train_split, seed, other, test, profile="quick"):
    (config,) = [
        c
        for c in imdb_faces.table2(profile, seeds=3)
        if (c.row, c.settings["train_split"], c.seed)
        == (row, train_split, seed)
    ]
    name = table2.OTHER[train_split]
    return records.Record(
        config=config,
        status="done",
        metrics={"test_accuracy": test, f"{name}_accuracy": other},
        data={
            "source": "imdb.mat",
            "train_size": 2000,
            "test_size": 500,
            "note": "synthetic miniature, not IMDB",
            "split_sizes": {"eb1": 4000, "eb2": 3000, "test": 2000},
            "left_out": {"unknown gender": 7},
        },
        history={},
        environment={},
        wall_seconds=1.0,
    )


def save(directory, records):
    for one in records:
        one.write(one.config.directory(directory).with_suffix(".json"))
    return str(directory)


def test_a_table_of_records(tmp_path, capsys):
    records = [
        record("ERM", "eb1", 1, 0.5, 0.7),
        record("ERM", "eb1", 2, 0.6, 0.8),
        record("ERM", "eb2", 1, 0.25, 0.75),
    ]
    directory = save(tmp_path, records)
    assert table2.main(["--seeds", "2", "--from-records", directory]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("synthetic miniature, not IMDB (2,000 to train")
    header = next(line for line in lines if "method" in line)
    columns = ["on EB1: EB2", "on EB1: test", "on EB2: EB1", "on EB2: test"]
    assert [header.find(name) for name in columns] == sorted(
        header.find(name) for name in columns
    )
    erm = next(line for line in lines if line.startswith("ERM  "))
    # Standard deviation of two numbers 0.1 apart: 0.1 / sqrt(2).
    expected = ["0.550 ± 0.071", "0.750 ± 0.071", "0.250 (n=1)", "0.750 (n=1)"]
    assert [cell.strip() for cell in erm.split("  ") if cell][1:] == expected
    text = "\n".join(lines)
    published = next(
        li for li in lines if li.startswith("MI backpropagation, ")
    )
    assert "0.684 ± 0.010" in published and "0.745 ± 0.022" in published
    assert "EB1 4,000 (published 36,003)" in text
    assert "Left out: 7 unknown gender" in text
    assert "To fill what is missing: python reproduce/table2.py" in text


def test_the_papers_settings():
    configs = imdb_faces.table2("paper", rows=["MI backpropagation"])
    assert len(configs) == 2 * 3
    for config in configs:
        s = config.settings
        weight = {"eb1": 0.5, "eb2": 0.9}[s["train_split"]]
        assert s["mi_weight"] == weight
        # 10 mini-batches of 24 make one of K = 20 steps.
        assert (s["batch_size"], s["estimator_accumulate"]) == (24, 10)
        assert (s["estimator_steps"], s["epochs"]) == (20, 6)
        assert (s["learning_rate"], s["estimator_learning_rate"]) == (1e-5, 0.1)
        assert (s["estimator_optimizer"], s["train_size"]) == ("sgd", 2000)
        assert (s["backbone"], s["weights"]) == ("ResNet50", "imagenet")


@pytest.mark.parametrize("script", [table2, figure_table2])
def test_without_a_profile_faces_are_drawn(script, tmp_path, capsys):
    flags = ["--dry-run", "--output-dir", str(tmp_path)]
    assert script.main(flags) == 0
    assert ": quick-" in capsys.readouterr().out


@pytest.mark.parametrize("script", [table2, figure_table2])
def test_without_the_data_the_page_is_named(script, capsys):
    with pytest.raises(SystemExit):
        script.main(["--profile", "paper"])
    error = capsys.readouterr().err
    assert "--data-dir" in error and "reproduce/IMDB.md" in error


def test_other_weights_are_another_table():
    parser = arguments.make_parser("", profiles=imdb_faces.PROFILES)
    arguments.add_faces(parser)
    flags = "--profile paper --weights a/body.h5 --skip-bad-images"
    options = arguments.parse(parser, flags.split())
    assert pages.asked(options, **table2.usual(options)) == [
        "paper",
        "weights_a-body.h5",
        "skip_bad_images_True",
    ]


@pytest.mark.parametrize("flag", ["--data-dir", "--weights"])
def test_drawn_faces_need_no_files(flag, capsys):
    with pytest.raises(SystemExit):
        table2.main(["--profile", "quick", flag, "somewhere"])
    message = f"{flag}: the profile quick draws its faces.*Received: somewhere"
    assert re.search(message, capsys.readouterr().err)


def test_flags_become_settings(tmp_path, capsys):
    faces = write(tmp_path / "faces", people(), images=False)
    flags = ["--profile", "paper", "--data-dir", str(faces), "--dry-run"]
    assert table2.main(flags) == 0
    plain = capsys.readouterr().out
    assert plain.endswith("36 cells: 0 done, 36 missing\n")
    flags += ["--weights", "body.h5", "--skip-bad-images"]
    assert table2.main(flags) == 0
    assert not set(plain.split()) & {
        word
        for word in capsys.readouterr().out.split()
        if word.startswith("paper-")
    }


@pytest.mark.slow
def test_the_whole_path_on_a_miniature(tmp_path, monkeypatch, capsys):
    small = {
        **imdb_faces.PROFILES["quick"],
        "seeds": 1,
        "rows": {"ERM": {}, "MI backpropagation": {}},
    }
    small["shared"] = {**small["shared"], "train_size": 96, "epochs": 1}
    monkeypatch.setitem(imdb_faces.PROFILES, "quick", small)
    flags = ["--output-dir", str(tmp_path), "--jobs", "2"]
    # The faces are drawn once, here fewer.
    drawn_faces.write(tmp_path / "faces", rows=600)
    assert table2.main(flags) == 0
    assert "synthetic miniature, not IMDB" in capsys.readouterr().out
    flags += ["--profile", "quick", "--figures-dir", str(tmp_path)]
    assert figure_table2.main(flags) == 0
    points = json.loads(
        (tmp_path / "figure_table2_quick_drawn.json").read_text()
    )
    lines = {(p["panel"], p["line"]) for p in points["points"]}
    assert ("trained on EB2", "λ = 0.9") in lines
    assert ("trained on EB1", "λ = 0") in lines
    accuracy = [p for p in points["points"] if p.get("quantity")]
    assert accuracy[0]["iteration"] == [96 // small["shared"]["batch_size"]]
