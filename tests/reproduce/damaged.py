"""A record, and what is no record."""

import dataclasses
import json
import math

from reproduce.experiment import groups
from reproduce.experiment.record import Record
from reproduce.experiment.settings import Settings

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
    (changed_json("data", of_a_loader=[math.nan]), "cannot be written as JSON.*float"),
    (changed_json("data", of_a_loader="\ud800"), "cannot be written as JSON.*surrog"),
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
