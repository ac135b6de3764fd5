"""A record: the result of one run, whose values are all checked.

No TensorFlow is needed.
"""

import dataclasses
import math
from typing import Annotated, Any, Literal

import pydantic
import pydantic_core
import typing_extensions

from reproduce.experiment import settings as _settings
from reproduce.experiment.groups import (
    LARGEST_FLOAT,
    Count,
    CountOrZero,
    Weight,
    checked,
)
from reproduce.experiment.settings import Settings

SCHEMA = 2

# By the end of its name, the range of a metric, of an estimate and of a column
# of a history. An estimate of information may be below 0.
SHARE, AMOUNT, INFORMATION = (0, 1), (0, math.inf), (-math.inf, math.inf)
RANGES = {
    "accuracy": SHARE,
    "auc": SHARE,
    "equal_opportunity": SHARE,
    "share_predicted_positive": SHARE,
    "true_positive_rates": SHARE,
    "positives": AMOUNT,
    "accuracy_by_group": SHARE,
    "rows_by_group": AMOUNT,
    "seconds": AMOUNT,
    "loss": AMOUNT,
    "truth": AMOUNT,
    "information": INFORMATION,
}
# These have a number for each value of the attribute, or for each label and value.
BY_GROUP = (
    "true_positive_rates",
    "positives",
    "accuracy_by_group",
    "rows_by_group",
)
# Columns of a history that are finite unless the run diverged.
FINITE = ("loss", "mutual_information", "test_accuracy", "test_loss", "train_accuracy")

Finite = Annotated[
    float, pydantic.Field(allow_inf_nan=False, ge=-LARGEST_FLOAT, le=LARGEST_FLOAT)
]
# None is what is not defined.
Number = Finite | None


@pydantic.with_config(strict=True, extra="allow")
class Facts(typing_extensions.TypedDict, total=False):
    """What a record says of its data. A loader may add other facts."""

    source: str
    checksum: str
    weights_checksum: str
    note: str
    train_size: Count
    test_size: Count
    floor_nats: Finite
    attribute_entropy_nats: Finite
    attribute_only_accuracy: Annotated[float, pydantic.Field(ge=0, le=1)]
    split_sizes: dict[str, CountOrZero]
    left_out: dict[str, CountOrZero]


@pydantic.with_config(strict=True, extra="allow")
class Environment(typing_extensions.TypedDict, total=False):
    """What a record says of the machine."""

    versions: dict[str, str]
    device: str
    devices: Count
    precision: str
    threads: Count
    commit: str


class Values(dict):
    """Values of a record by name. The error of a missing one names the record."""

    def __init__(self, values: dict[str, Any], place: str):
        super().__init__(values)
        self.place = place

    def __missing__(self, name: str) -> Any:
        raise ValueError(
            f"A record lacks what is to be shown. Expected: {name!r}. Received: "
            f"{sorted(self)} in {self.place}. Run it again, or leave it out."
        )


@checked
class Record:
    """The result of one run.

    Args:
        settings: the `Settings` of the run.
        status: `"done"`, or `"diverged"` with a `reason`.
        metrics: final values; accuracies in 0..1, information in nats.
        data: facts of the data set: source, checksum, sizes, floor, H(C).
        history: lists of values, one per report (`epochs_per_report` epochs).
        estimates: what fresh estimators found after the training, in nats,
            and areas under a probe's ROC curve.
        environment: versions, device and number of devices, precision,
            threads and commit.
        wall_seconds: time of all epochs and of the last attempt's rest.
        reason: why the run diverged; empty otherwise.

    Raises:
        ValueError: if a value is of the wrong type or out of range, or if the
            history is not that of the whole run.
    """

    settings: pydantic.InstanceOf[Settings]
    status: Literal["done", "diverged"]
    metrics: dict[str, Number | dict[str, Number]]
    data: Facts
    history: dict[str, list[Number]]
    environment: Environment
    wall_seconds: Weight
    estimates: dict[str, Number] = dataclasses.field(default_factory=dict)
    reason: str = ""

    def __post_init__(self) -> None:
        for part in (self.metrics, self.estimates, self.history):
            for name, value in part.items():
                _check_range(name, value)
        self._check_history()
        self._check_groups()
        if bool(self.reason) != (self.status == "diverged"):
            raise ValueError(
                "A diverged run, and no other, has a reason. Expected: both or "
                f"none. Received: status={self.status!r}, reason={self.reason!r}."
            )
        for part in ("metrics", "data", "history", "environment", "estimates"):
            values = Values(getattr(self, part), f"the {part} of {self.id}")
            object.__setattr__(self, part, values)

    @property
    def id(self) -> str:
        """Identity of the run, that of its settings."""
        return self.settings.id

    def to_json(self) -> dict[str, Any]:
        """Returns the record as JSON values. NaN and infinity become null."""
        values = {**vars(self), "settings": _settings.to_json(self.settings)}
        return {"schema": SCHEMA, "id": self.id, **finite(values)}

    def _check_groups(self) -> None:
        """Checks that every group with rows has an accuracy, and no other."""
        rows = self.metrics.get("rows_by_group") or {}
        accuracies = self.metrics.get("accuracy_by_group") or {}
        counts = [count is not None and count >= 1 for count in rows.values()]
        if rows.keys() != accuracies.keys() or not all(counts):
            raise ValueError(
                "Groups have rows and an accuracy. Expected: the same groups in "
                "rows_by_group and accuracy_by_group, of 1 row or more. Received: "
                f"{_settings.shorten(rows)} and {_settings.shorten(accuracies)}."
            )

    def _check_history(self) -> None:
        training = self.settings.training
        reports = training.epochs // training.epochs_per_report
        done = self.status == "done"
        # A run may diverge in any epoch. A baseline has none.
        possible = range(reports if done else 1, reports + 1)
        expected = f"columns of {possible[0]}..{reports} values, one per report"
        if not self.settings.method.trains_network:
            possible, expected = (), f"none, {self.settings.method.name} has no epochs"
        lengths = {name: len(column) for name, column in self.history.items()}
        if len({*lengths.values()}) > 1 or not {*lengths.values()} <= {*possible}:
            raise ValueError(
                f"The history is not that of the whole run. Expected: {expected}. "
                f"Received: {lengths}."
            )
        gaps = [name for name in FINITE if None in self.history.get(name, [])]
        if done and gaps:
            raise ValueError(
                "A run that is not finite has diverged. Expected: numbers in the "
                f"history, or status='diverged'. Received: null in {gaps}."
            )


def finite(value: Any) -> Any:
    """Returns JSON values with null in place of NaN and infinity.

    Args:
        value: JSON values, NaN and infinity among them.
    """
    return pydantic_core.to_jsonable_python(value, inf_nan_mode="null")


def _check_range(name, value):
    """Checks a metric, an estimate or a column of a history."""
    ranges = [limits for end, limits in RANGES.items() if name.endswith(end)]
    for low, high in ranges:
        by_group = name in BY_GROUP
        column = value if isinstance(value, list) else [value]
        numbers = value.values() if isinstance(value, dict) else column
        if isinstance(value, dict) != by_group or not all(
            number is None or low <= number <= high for number in numbers
        ):
            kind = "numbers by value of the attribute," if by_group else "a number"
            raise ValueError(
                f"The metric {name} is out of range. Expected: {kind} in "
                f"{low}..{high}. Received: {_settings.shorten(value)}."
            )
