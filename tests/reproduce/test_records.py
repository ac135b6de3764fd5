"""Records: written in one step, and checked when they are read."""

import json
import math
import os
import pathlib
import tempfile

import pytest
from damaged import RECORD, SETTINGS, WRONG, of

from reproduce.experiment import groups, records
from reproduce.experiment.settings import change, to_json


def own_path(record, output_dir):
    data = record.settings.data.name
    return pathlib.Path(output_dir, data, record.id, "record.json")


def test_a_record_survives_writing_and_reading(tmp_path):
    path = own_path(RECORD, tmp_path)
    records.write(RECORD, path)
    assert records.read(path) == RECORD
    content = json.loads(path.read_text())
    assert content["schema"] == records.SCHEMA
    assert content["id"] == SETTINGS.id
    assert content["settings"] == to_json(SETTINGS)


def test_nan_and_infinity_are_written_as_null(tmp_path):
    path = tmp_path / "facts.json"
    values = {"a": math.nan, "b": [1.5, -math.inf], "c": {"d": (math.inf,)}}
    records.write_json(path, values)
    expected = {"a": None, "b": [1.5, None], "c": {"d": [None]}}
    assert records.read_json(path) == expected
    assert records.finite(values) == expected


def test_runs_and_released_records_are_found(tmp_path):
    runs = [
        of(change(SETTINGS, seed=3)),
        of(change(SETTINGS, seed=4, data=groups.GermanCredit())),
    ]
    for record in runs:
        records.write(record, own_path(record, tmp_path))
    # Files of a run that are no records.
    directory = own_path(runs[0], tmp_path).parent
    records.write_json(directory / "settings.json", {})
    (tmp_path / "colored_mnist" / "unfinished").mkdir()
    released = [of(change(SETTINGS, seed=seed)) for seed in (1, 2)]
    records.release(released, tmp_path)
    found = records.read_all(tmp_path)
    assert found == sorted(
        [*runs, *released], key=lambda r: (r.settings.data.name, r.id)
    )
    german = records.read_all(tmp_path, dataset="german_credit")
    assert german == runs[1:]


def test_a_directory_without_records(tmp_path):
    assert records.read_all(tmp_path) == []
    with pytest.raises(FileNotFoundError, match="Expected: the output"):
        records.read_all(tmp_path / "absent")


def test_two_records_of_one_run_are_refused(tmp_path):
    path = own_path(RECORD, tmp_path)
    records.write(RECORD, path)
    records.release([RECORD], tmp_path)
    message = f"{RECORD.id} in .*colored_mnist.jsonl, line 1 and in {path}"
    with pytest.raises(ValueError, match=message):
        records.read_all(tmp_path)
    path.unlink()
    released = tmp_path / "colored_mnist.jsonl"
    released.write_text(2 * released.read_text())
    with pytest.raises(ValueError, match=r"line 1 and in .*line 2\. Move"):
        records.read_all(tmp_path)


def test_released_records_are_sorted_lines(tmp_path):
    made = [of(change(SETTINGS, seed=seed)) for seed in range(6)]
    other = of(change(SETTINGS, data=groups.GermanCredit()))
    assert records.release(made[:4], tmp_path) == made[:4]
    assert records.release([*made[2:], other], tmp_path) == [*made[4:], other]
    lines = (tmp_path / "colored_mnist.jsonl").read_text().splitlines()
    ids = [json.loads(line)["id"] for line in lines]
    assert ids == sorted(record.id for record in made)
    assert (tmp_path / "german_credit.jsonl").exists()
    assert len(records.read_all(tmp_path)) == 7


def test_a_released_record_stays_unless_it_is_said(tmp_path):
    records.release([RECORD], tmp_path)
    again = of(SETTINGS, metrics={"test_accuracy": 0.5})
    assert records.release([again], tmp_path) == []
    assert records.read_all(tmp_path) == [RECORD]
    assert records.release([again], tmp_path, replace=True) == [again]
    assert records.read_all(tmp_path) == [again]


def test_the_released_records_are_valid():
    assert records.read_all(records.RELEASED)


@pytest.mark.parametrize("failing", ["write_bytes", "replace"])
def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch, failing):
    path = own_path(RECORD, tmp_path)
    records.write(RECORD, path)

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
        records.write(of(SETTINGS, wall_seconds=4.0), path)
    assert records.read(path) == RECORD
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(("content", "message"), WRONG)
def test_a_wrong_record_is_refused_with_its_file(content, message, tmp_path):
    path = own_path(RECORD, tmp_path)
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(content))
    for read in (
        lambda: records.read(path),
        lambda: records.read_all(tmp_path),
    ):
        with pytest.raises(ValueError, match=f"^{path} .*{message}"):
            read()


@pytest.mark.parametrize(("content", "message"), WRONG)
def test_a_wrong_released_record_is_refused_with_its_line(content, message, tmp_path):
    records.release([of(change(SETTINGS, seed=5))], tmp_path)
    path = tmp_path / "colored_mnist.jsonl"
    with path.open("a") as file:
        file.write(json.dumps(content))
    with pytest.raises(ValueError, match=f"^{path}, line 2 .*{message}"):
        records.read_all(tmp_path)


@pytest.mark.parametrize(
    "damage",
    [
        b'{"schema": 2, "sta',
        b"\xff\xfe\x00",
        b"\0" * 100,
        b"",
        100_000 * b"[",
        b'{"schema": 2, "id": "a", "id": "b"}',
        b'{"schema": ' + 5000 * b"2" + b"}",
    ],
    ids=lambda damage: repr(damage[:20]),
)
def test_a_damaged_record_is_refused_with_its_place(tmp_path, damage):
    path = own_path(RECORD, tmp_path)
    path.parent.mkdir(parents=True)
    path.write_bytes(damage)
    with pytest.raises(ValueError, match=r"record\.json is not JSON"):
        records.read(path)
    path.unlink()
    released = tmp_path / "colored_mnist.jsonl"
    records.release([RECORD], tmp_path)
    released.write_bytes(released.read_bytes() + damage + b"\n")
    with pytest.raises(ValueError, match=r"jsonl, line 2 is not JSON"):
        records.read_all(tmp_path)


def test_a_record_in_the_directory_of_another_run(tmp_path):
    path = own_path(RECORD, tmp_path)
    other = of(change(SETTINGS, seed=7))
    records.write(other, path)
    message = f"record of another run.*{RECORD.id}.*Received: {other.id}. Move"
    with pytest.raises(ValueError, match=message):
        records.read(path)


def test_a_record_in_the_folder_of_other_data(tmp_path):
    path = tmp_path / "german_credit" / RECORD.id / "record.json"
    records.write(RECORD, path)
    message = "another run.*data set german_credit.*Received: colored_mnist. Move"
    for read in (lambda: records.read(path), lambda: records.read_all(tmp_path)):
        with pytest.raises(ValueError, match=message):
            read()


def test_a_record_is_found_from_its_own_directory(tmp_path, monkeypatch):
    path = own_path(RECORD, tmp_path)
    records.write(RECORD, path)
    monkeypatch.chdir(path.parent)
    assert records.read("record.json") == RECORD


@pytest.mark.parametrize("name", ["record.json", "colored_mnist.jsonl"])
@pytest.mark.parametrize("make", [pathlib.Path.mkdir, os.mkfifo])
def test_what_is_no_file_is_not_read(tmp_path, name, make):
    released = tmp_path / "colored_mnist.jsonl"
    path = own_path(RECORD, tmp_path) if name == "record.json" else released
    path.parent.mkdir(parents=True, exist_ok=True)
    make(path)
    with pytest.raises(FileNotFoundError, match=f"Received: {path}, which is none"):
        records.read_all(tmp_path)


def test_a_byte_order_mark_is_no_damage(tmp_path):
    path = own_path(RECORD, tmp_path)
    records.write(RECORD, path)
    text = path.read_text("utf-8")
    for encoding in ("utf-8-sig", "utf-16"):
        path.write_text(text, encoding=encoding)
        assert records.read(path) == RECORD


@pytest.mark.parametrize("name", ["../../x", "/x", "a/b", ".", "", "a b", "x\n"])
def test_the_name_of_a_data_set_is_that_of_a_folder(name):
    with pytest.raises(ValueError, match="name of a data set is a word"):
        type("Elsewhere", (groups.Data,), {"name": name})
    assert name not in groups.Data.known


def test_a_directory_can_be_written_or_it_is_named(tmp_path, monkeypatch):
    records.check_writable(tmp_path / "new" / "deep")
    assert list(tmp_path.iterdir()) == []
    monkeypatch.chdir(tmp_path)
    records.check_writable("runs")
    file = tmp_path / "file"
    file.write_text("")
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "nowhere")
    for path in (file, file / "below", link, tmp_path / (300 * "a")):
        with pytest.raises(PermissionError, match=f"cannot be written.*ved: {path}. C"):
            records.check_writable(path)

    def deny(**given):
        raise PermissionError("read-only file system")

    monkeypatch.setattr(tempfile, "TemporaryFile", deny)
    with pytest.raises(PermissionError, match="written: read-only file system. Exp"):
        records.check_writable(tmp_path)


def test_an_unreadable_directory_is_not_an_empty_one(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(FileNotFoundError, match="or not readable"):
        records.read_all(tmp_path)


def test_a_released_record_in_the_file_of_other_data(tmp_path):
    records.release([RECORD], tmp_path)
    (tmp_path / "colored_mnist.jsonl").rename(tmp_path / "german_credit.jsonl")
    message = "line 1 is a record of other data.*german_credit.*colored_mnist"
    with pytest.raises(ValueError, match=message):
        records.read_all(tmp_path)
