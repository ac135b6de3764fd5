import dataclasses
import json
import os
import pathlib
import tempfile

import pytest

from reproduce.experiment import records

CONFIG = records.RunConfig(
    dataset="colored_mnist",
    method="mi_backprop",
    row="conditional MI",
    profile="fast",
    seed=0,
    settings={"color_variance": 0.02, "mi_weight": 2.0},
)
RECORD = records.Record(
    config=CONFIG,
    status="done",
    metrics={"test_accuracy": 0.9},
    data={"source": "idx", "train_size": 60000, "test_size": 10000},
    history={"loss": [1.0, 0.5]},
    environment={"threads": 1},
    wall_seconds=3.0,
)


def changed(**changes):
    return dataclasses.replace(CONFIG, **changes)


def test_run_id_never_changes_between_versions():
    assert CONFIG.run_id == "fast-conditional-mi-seed0-5c9fbdfbc0"


def test_run_id_does_not_depend_on_the_order_of_settings():
    turned = dict(reversed(CONFIG.settings.items()))
    assert list(turned) != list(CONFIG.settings)
    assert changed(settings=turned).run_id == CONFIG.run_id


@pytest.mark.parametrize(
    "changes",
    [
        {"dataset": "german"},
        {"method": "erm"},
        {"seed": 1},
        {"settings": {"color_variance": 0.02, "mi_weight": 1.0}},
        {"settings": {**CONFIG.settings, "clip": True}},
    ],
)
def test_run_id_hash_changes_with_what_changes_the_result(changes):
    assert changed(**changes).run_id[-10:] != CONFIG.run_id[-10:]


def test_run_id_hash_ignores_what_is_for_people():
    other = changed(row="CMI (ours)", profile="paper")
    assert other.run_id[-10:] == CONFIG.run_id[-10:]
    assert other.run_id.startswith("paper-cmi-ours-seed0-")


def test_directory_lies_below_the_output_directory():
    expected = pathlib.Path("o/colored_mnist/mi_backprop") / CONFIG.run_id
    assert CONFIG.directory("o") == expected


def test_record_survives_writing_and_reading(tmp_path):
    path = tmp_path / "new" / "record.json"
    RECORD.write(path)
    assert records.read_record(path) == RECORD
    assert json.loads(path.read_text())["schema"] == records.SCHEMA


def test_read_records_finds_runs_and_released_records_alone(tmp_path):
    directory = records.open_run(CONFIG, tmp_path)
    assert records.read_records(tmp_path) == []
    RECORD.write(directory / "record.json")
    other = dataclasses.replace(RECORD, config=changed(seed=1))
    released = f"colored_mnist/mi_backprop/{other.config.run_id}.json"
    other.write(tmp_path / released)
    assert records.read_records(tmp_path) == [RECORD, other]
    # From any directory above the records, config.json is not one of them.
    assert records.read_records(tmp_path / "colored_mnist") == [RECORD, other]


def test_read_records_of_no_directory(tmp_path):
    with pytest.raises(FileNotFoundError, match="Expected: the output"):
        records.read_records(tmp_path / "absent")


@pytest.mark.parametrize("failing", ["write_bytes", "replace"])
def test_failed_write_leaves_the_old_file(tmp_path, monkeypatch, failing):
    path = tmp_path / "record.json"
    RECORD.write(path)

    def half_of_it(self, content):
        with open(self, "wb") as file:
            file.write(content[: len(content) // 2])
        raise OSError("disk full")

    def fail(source, target):
        raise OSError("disk full")

    if failing == "write_bytes":
        monkeypatch.setattr(pathlib.Path, "write_bytes", half_of_it)
    else:
        monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        dataclasses.replace(RECORD, status="diverged").write(path)
    assert records.read_record(path) == RECORD
    assert list(tmp_path.iterdir()) == [path]


def written(path, **changes):
    value = {"schema": records.SCHEMA, **dataclasses.asdict(RECORD), **changes}
    path.write_text(
        json.dumps({k: v for k, v in value.items() if v is not None})
    )
    return path


@pytest.mark.parametrize(
    "damage", [b'{"schema": 1, "sta', b"\xff\xfe\x00", b""]
)
def test_damaged_record(tmp_path, damage):
    path = tmp_path / "record.json"
    path.write_bytes(damage)
    with pytest.raises(ValueError, match="record.json is not JSON"):
        records.read_record(path)


@pytest.mark.parametrize("schema", [None, 0, 2, "1"])
def test_record_of_another_version(tmp_path, schema):
    path = written(tmp_path / "record.json", schema=schema)
    with pytest.raises(ValueError, match=f"Received: schema={schema}"):
        records.read_record(path)


def test_record_that_is_no_object(tmp_path):
    path = tmp_path / "record.json"
    path.write_text("[1, 2]")
    with pytest.raises(ValueError, match="no record of this version"):
        records.read_record(path)


@pytest.mark.parametrize("key", ["config", "metrics", "wall_seconds"])
def test_record_that_lacks_a_key(tmp_path, key):
    path = written(tmp_path / "record.json", **{key: None})
    with pytest.raises(ValueError, match=f"lacks or exceeds.*{key}"):
        records.read_record(path)


def test_record_whose_config_lacks_a_key(tmp_path):
    path = written(tmp_path / "record.json", config={"dataset": "german"})
    with pytest.raises(ValueError, match="lacks or exceeds.*'method'"):
        records.read_record(path)


def test_record_with_an_unknown_key(tmp_path):
    path = written(tmp_path / "record.json", colour="red")
    with pytest.raises(ValueError, match="lacks or exceeds.*'colour'"):
        records.read_record(path)


def test_record_with_an_unknown_status(tmp_path):
    path = written(tmp_path / "record.json", status="running")
    with pytest.raises(ValueError, match="Received: status='running'"):
        records.read_record(path)


def test_open_run_makes_and_finds_the_same_directory(tmp_path):
    directory = records.open_run(CONFIG, tmp_path)
    assert directory == CONFIG.directory(tmp_path)
    config = json.loads((directory / "config.json").read_text())
    assert records.RunConfig(**config) == CONFIG
    (directory / "history.csv").write_text("epoch\n")
    assert records.open_run(CONFIG, tmp_path) == directory
    assert (directory / "history.csv").exists()


def test_open_run_in_a_directory_of_another_config(tmp_path):
    directory = records.open_run(CONFIG, tmp_path)
    other = dataclasses.asdict(changed(seed=7))
    (directory / "config.json").write_text(json.dumps(other))
    with pytest.raises(ValueError, match="made by another run.*'seed': 7"):
        records.open_run(CONFIG, tmp_path)
    assert json.loads((directory / "config.json").read_text()) == other


def test_open_run_below_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(PermissionError, match="Received: output_dir=.*file"):
        records.open_run(CONFIG, tmp_path / "file")


def test_open_run_without_the_right_to_write(tmp_path, monkeypatch):
    def refuse(dir):
        raise PermissionError(13, "Permission denied", str(dir))

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    with pytest.raises(PermissionError, match=f"output_dir={tmp_path}"):
        records.open_run(CONFIG, tmp_path)
