"""Records: written in one step, and checked when they are read."""

import dataclasses
import json
import math
import os
import pathlib
import pickle
import tempfile

import hypothesis
import pytest
from hypothesis import strategies as st

from reproduce.experiment import groups, records, settings
from reproduce.experiment.records import Record
from reproduce.experiment.settings import Settings, change, to_json

SETTINGS = Settings(
    data=groups.ColoredMnist(),
    method=groups.MutualInformation(mi_weight=2.0),
    training=groups.Training(epochs=2),
    seed=0,
)
RECORD = Record(
    settings=SETTINGS,
    status="done",
    metrics={
        "test_accuracy": 0.9,
        "equal_opportunity": None,
        "positives": {"0": 3, "1": 4},
    },
    data={"source": "idx", "train_size": 60000, "test_size": 10000},
    history={"loss": [1.0, 0.5]},
    environment={"threads": 1},
    wall_seconds=3.0,
)


def of(settings, **changes):
    return dataclasses.replace(RECORD, settings=settings, **changes)


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


def changed_json(*path, **changes):
    """The record's JSON with values changed, or without those that are None."""
    content = json.loads(json.dumps(RECORD.to_json()))
    part = content
    for name in path:
        part = part[name]
    part.update(changes)
    for name in [name for name, value in changes.items() if value is None]:
        del part[name]
    return content


WRONG = [
    (changed_json(schema=None), "not a record of this version.*schema=None"),
    (changed_json(schema=1), "Expected: schema=2. Received: schema=1. Use"),
    (changed_json(schema="2"), "not a record of this version.*schema='2'"),
    ([1, 2], "not a record of this version"),
    ("text", "not a record of this version"),
    (changed_json(metrics=None), "not a valid record.*`metrics`"),
    (changed_json(wall_seconds=None), "not a valid record.*`wall_seconds`"),
    (changed_json(settings=None), "consist of groups.*Received: None"),
    (changed_json("settings", data=None), "`data`.*required"),
    (changed_json(colour="red"), "`colour`.*Unexpected.*'red'"),
    (changed_json(status="running"), "`status`.*Received: 'running'"),
    (changed_json(status="diverged"), "no other, has a reason.*reason=''"),
    (
        changed_json("settings", "method", mi_weight=1e39),
        r"`mi_weight`.*less than.*Received: 1e\+39",
    ),
    (changed_json(wall_seconds=1e300), "`wall_seconds`.*Received: 1e.300"),
    (changed_json(reason="loss is nan"), "no other, has a reason.*'done'"),
    (
        changed_json("metrics", test_accuracy=1.2),
        "metric test_accuracy is out of range.*0..1. Received: 1.2",
    ),
    (
        changed_json("metrics", train_accuracy=-0.1),
        "metric train_accuracy is out of range.*Received: -0.1",
    ),
    (
        changed_json("estimates", probe_auc=7.0),
        "metric probe_auc is out of range.*Received: 7.0",
    ),
    (
        changed_json("metrics", test_accuracy={"0": 0.5}),
        "metric test_accuracy is out of range.*a number",
    ),
    (changed_json("metrics", test_accuracy="0.9"), r"`metrics\.test_accuracy"),
    (changed_json("metrics", test_accuracy=math.nan), "`metrics.*finite.*nan"),
    (changed_json(wall_seconds=-1.0), "`wall_seconds`.*Received: -1.0"),
    (changed_json("history", loss=["1"]), r"`history\.loss\.0.*'1'"),
    (changed_json("history", loss=0.5), r"`history\.loss`.*0.5"),
    (changed_json(data=[1]), r"`data`.*Received: \[1\]"),
    (changed_json(schema=2.0), r"not a record of this version.*schema=2\.0"),
    (changed_json(wall_seconds=True), "`wall_seconds`.*number. Received: True"),
    (changed_json("metrics", test_accuracy=True), "`metrics.*Received: True"),
    (changed_json("metrics", information=1e300), "`metrics.*Received: 1e.300"),
    (
        changed_json("metrics", information={"0": 1.0}),
        r"metric information is out of range.*a number in -inf..inf.*\{'0': 1.0\}",
    ),
    (
        changed_json("metrics", equal_opportunity=1.5),
        "metric equal_opportunity is out of range.*0..1. Received: 1.5",
    ),
    (
        changed_json("metrics", true_positive_rates={"0": 0.5, "1": 2}),
        "metric true_positive_rates is.*numbers by value of the attribute, in 0..1",
    ),
    (changed_json("metrics", positives=7), "metric positives is.*Received: 7"),
    (changed_json("metrics", positives={"0": -1}), "positives is.*in 0..inf"),
    (changed_json("estimates", mutual_information={"0": 1.0}), "`estimates"),
    (changed_json("estimates", mutual_information=math.inf), "`estimates"),
    (changed_json("history", loss=[0.5]), r"not that of the whole run.*2.*'loss': 1"),
    (changed_json("history", loss=[]), "not that of the whole run.*'loss': 0"),
    (changed_json("history", seconds=[1.0]), "whole run.*'loss': 2, 'seconds': 1"),
    (changed_json("history", loss=[1.0, None]), r"has diverged.*null in \['loss'\]"),
    (
        changed_json("history", train_accuracy=[0.5, 1.5]),
        r"metric train_accuracy is out of range.*Received: \[0.5, 1.5\]",
    ),
    (changed_json("history", seconds=[-1.0, 1.0]), "metric seconds is out of range"),
    (changed_json("data", train_size="60000"), r"`data\.train_size`.*'60000'"),
    (changed_json("data", train_size=0), r"`data\.train_size`.*Received: 0"),
    (changed_json("data", test_size=1.5), r"`data\.test_size`.*Received: 1.5"),
    (changed_json("data", source=["idx"]), r"`data\.source`.*\['idx'\]"),
    (changed_json("data", floor_nats="1"), r"`data\.floor_nats`.*'1'"),
    (changed_json("data", left_out={"blurred": -1}), r"`data\.left_out\.blurred`"),
    (changed_json("data", of_a_loader=[math.nan]), "none that a run writes.*float"),
    (changed_json("data", of_a_loader="\ud800"), "none that a run writes.*surrog"),
    (changed_json("environment", threads=True), r"`environment\.threads`.*True"),
    (changed_json("environment", versions=["1"]), r"`environment\.versions`"),
    (changed_json("settings", "method", make=1), "`make`.*Unexpected"),
    (changed_json(make=1), "`make`.*Unexpected"),
    (changed_json("settings", seed=2**31), "`seed`.*less than or equal"),
    (changed_json("settings", seed=True), "`seed`.*integer. Received: True"),
    (changed_json("settings", training={"epochs": [2]}), r"`epochs`.*\(2,\)"),
    (changed_json("settings", data={"name": "../../x"}), r"Unknown data.*'../../x'"),
    (changed_json(id="0" * 12), f"Expected: the id {SETTINGS.id}.*id='000"),
    (changed_json(id=None), f"Expected: the id {SETTINGS.id}.*id=None"),
    # Its results are those of another seed.
    (changed_json("settings", seed=7), "not the record of its settings"),
    (
        changed_json("settings", "method", mi_weight=-1.0),
        "`mi_weight`.*Received: -1.0",
    ),
]


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


def test_the_end_of_a_diverged_run():
    diverged = {"status": "diverged", "reason": "loss is nan"}
    found = of(SETTINGS, history={"loss": [None]}, **diverged)
    assert found.history == {"loss": [None]}
    with pytest.raises(ValueError, match=r"Expected: columns of 1\.\.2 values"):
        of(SETTINGS, history={"loss": [1.0, None, None]}, **diverged)


def test_a_record_of_several_epochs_a_report():
    reported = change(SETTINGS, epochs=4, epochs_per_report=2)
    assert of(reported).history == RECORD.history
    with pytest.raises(ValueError, match=r"Expected: columns of 2\.\.2 values"):
        of(change(SETTINGS, epochs=4, epochs_per_report=2), history={"loss": [1.0]})
    with pytest.raises(ValueError, match=r"none, constant has no epochs.*'loss': 2"):
        of(change(SETTINGS, method=groups.Constant()))


def test_what_a_record_lacks_is_named():
    with pytest.raises(ValueError, match=f"'train_accuracy'.*metrics of {RECORD.id}"):
        RECORD.metrics["train_accuracy"]
    assert RECORD.metrics.get("train_accuracy") is None
    copied = pickle.loads(pickle.dumps(RECORD))
    assert copied == RECORD
    with pytest.raises(ValueError, match=f"'floor_nats'.*the data of {RECORD.id}"):
        copied.data["floor_nats"]


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


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"wall_seconds": "3"}, "wall_seconds"),
        ({"settings": to_json(SETTINGS)}, "instance of Settings"),
        ({"metrics": {"test_accuracy": 2.0}}, "test_accuracy is out of range"),
        ({"reason": "loss is nan"}, "no other, has a reason"),
    ],
)
def test_a_record_is_checked_when_it_is_made(changes, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(RECORD, **changes)


# Any JSON in, a record or a named error out.

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from([10**400, -1, "nan", "2", "\ud800"])
)
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)


def places(content, *path):
    """The places of all values in JSON, as tuples of names and numbers."""
    yield path
    inner = content.items() if isinstance(content, dict) else ()
    if isinstance(content, list):
        inner = enumerate(content)
    for name, value in inner:
        yield from places(value, *path, name)


def with_value(content, path, value):
    if not path:
        return value
    name, *rest = path
    changed = content.copy()
    changed[name] = with_value(content[name], rest, value)
    return changed


few_examples = hypothesis.settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)


@few_examples
@hypothesis.given(st.sampled_from([*places(RECORD.to_json())]), JSON)
def test_any_json_is_a_record_or_a_named_error(path, value):
    content = with_value(RECORD.to_json(), path, value)
    try:
        found = records.parse(content, "here")
    except ValueError as error:
        assert str(error).startswith("here is not ")
        assert "Received: " in str(error) and len(str(error)) < 3000
    else:
        assert records.parse(json.loads(json.dumps(found.to_json())), "") == found
        assert found.id == SETTINGS.id


@few_examples
@hypothesis.given(JSON)
def test_any_json_is_settings_or_a_named_error(content):
    for group in (*settings.GROUPS, None):
        value = {**to_json(SETTINGS), group: content} if group else content
        try:
            settings.from_json(value)
        except ValueError as error:
            assert "Expected: " in str(error)
