"""A record: its values are of their types and ranges, whatever was read."""

import dataclasses
import json
import pickle

import hypothesis
import pytest
from damaged import RECORD, SETTINGS, of
from hypothesis import strategies as st

from reproduce.experiment import groups, records, settings
from reproduce.experiment.settings import change, to_json


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"wall_seconds": "3"}, "wall_seconds"),
        ({"settings": to_json(SETTINGS)}, "instance of Settings"),
        ({"metrics": {"test_accuracy": 2.0}}, "test_accuracy is out of range"),
        ({"history": {"loss": [1.0, -5.0]}}, "loss is out of range"),
        ({"reason": "loss is nan"}, "no other, has a reason"),
    ],
)
def test_a_record_is_checked_when_it_is_made(changes, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(RECORD, **changes)


@pytest.mark.parametrize(
    ("rows", "accuracies"),
    [
        ({"0, 0": 3.0}, {}),
        ({"0, 0": 3.0}, {"0, 1": 0.5}),
        ({"0, 0": 0.0}, {"0, 0": 0.5}),
        ({"0, 0": None}, {"0, 0": 0.5}),
    ],
)
def test_groups_have_rows_and_an_accuracy(rows, accuracies):
    metrics = {"test_accuracy": 0.5, "rows_by_group": {"0, 0": 3.0}}
    metrics["accuracy_by_group"] = {"0, 0": 0.5}
    assert dataclasses.replace(RECORD, metrics=metrics).metrics == metrics
    metrics |= {"rows_by_group": rows, "accuracy_by_group": accuracies}
    with pytest.raises(ValueError, match="Groups have rows and an accuracy"):
        dataclasses.replace(RECORD, metrics=metrics)


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
