"""The settings of a run: typed, checked when made, and hashed to its id.

A run is described by one `Settings` value. It has a seed and five groups:
`data`, `network`, `training`, `estimator` and `method`. The name of a field is
unique among all groups, so that `change(settings, epochs=3)` and the flag
`--set epochs=3` need no path.

This module needs no TensorFlow.
"""

import collections
import dataclasses
import functools
import hashlib
import json
import reprlib
from collections.abc import Callable
from typing import Any

import pydantic

from reproduce.experiment.groups import (
    CountOrZero,
    Data,
    Estimator,
    Method,
    MutualInformation,
    Network,
    Training,
    checked,
)

GROUPS = ("data", "network", "training", "estimator", "method")

# What a file or a flag holds may be long, or nested without end.
_short = reprlib.Repr()
_short.maxstring = _short.maxother = _short.maxlong = 200
shorten = _short.repr


@checked
class Settings:
    """Everything that changes the result of a run.

    A group that the method or the data do not use is set to its defaults:
    what does not change the result is no part of the identity.

    Args:
        data: the data set.
        method: the training method, or a baseline.
        network: the backbone, for data that have one.
        training: the training of the network.
        estimator: the estimator of the mutual information.
        seed: seed of the data, the weights and all random orders.

    Raises:
        ValueError: if a value is of the wrong type or out of range, or if two
            values contradict each other.

    Example:
    >>> from reproduce.experiment.groups import Erm, GermanCredit
    >>> settings = Settings(data=GermanCredit(), method=Erm())
    >>> change(settings, epochs=3).training.epochs
    3
    >>> to_json(change(settings, epochs=10))
    {'data': {'name': 'german_credit'}, 'method': {'name': 'erm'}, 'seed': 1}
    """

    data: pydantic.InstanceOf[Data]
    method: pydantic.InstanceOf[Method] = MutualInformation()
    network: pydantic.InstanceOf[Network] = Network()
    training: pydantic.InstanceOf[Training] = Training()
    estimator: pydantic.InstanceOf[Estimator] = Estimator()
    seed: CountOrZero = 1

    def __post_init__(self) -> None:
        unused = {"network", "training", "estimator"} - set(self.groups)
        for group in unused:
            default = self.__dataclass_fields__[group].default
            object.__setattr__(self, group, default)
        _check_divides(self.training, "epochs_per_report", "epochs")
        _check_divides(self.estimator, "estimator_accumulate", "estimator_batches")
        if getattr(self.method, "released_order", False) and not (
            self.method.own_optimizer
        ):
            raise ValueError(
                "The released order takes a step for each gradient. Expected: "
                "own_optimizer=true or released_order=false. Received: "
                "own_optimizer=false, released_order=true. Change one of the two."
            )
        if getattr(self.data, "attribute", "bins") == "bits" and getattr(
            self.method, "prior_strength", 0
        ):
            raise ValueError(
                "A label prior is counted per value of the attribute, and "
                "bits have too many. Expected: attribute='bins' or "
                "prior_strength=0. Received: attribute='bits', prior_strength="
                f"{self.method.prior_strength}. Change one of the two."
            )

    @functools.cached_property
    def groups(self) -> tuple[str, ...]:
        """The names of the groups that change the result of this run."""
        used = {
            "data": True,
            "method": True,
            "training": self.method.trains_network,
            "network": self.method.trains_network and self.data.has_backbone,
            "estimator": self.method.has_estimator,
        }
        return tuple(group for group in GROUPS if used[group])

    @functools.cached_property
    def id(self) -> str:
        """Identity of the run: a hash of what changes its result."""
        text = json.dumps(to_json(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def change(settings: Settings, /, **changes: Any) -> Settings:
    """Returns settings with other values, whichever group they are in.

    Args:
        settings: the `Settings` to begin with.
        **changes: new values by the name of their field, e.g. `epochs=3`;
            or whole groups, e.g. `method=Erm()`, which are set first.

    Returns:
        The new `Settings`.

    Raises:
        ValueError: if the settings have no such field, or a value is wrong.
    """
    whole = {name: changes.pop(name) for name in GROUPS if name in changes}
    if whole:
        settings = construct(dataclasses.replace, settings, **whole)
    homes = _homes(settings)
    unknown = sorted(changes.keys() - homes.keys())
    if unknown:
        raise ValueError(
            f"There is no such setting of a {settings.method.name} run on "
            f"{settings.data.name}. Expected: some of {sorted(homes)}. "
            f"Received: {unknown}. Correct the name."
        )
    new = collections.defaultdict(dict)
    for name, value in changes.items():
        new[homes[name]][name] = value
    own = new.pop("", {})
    for group, values in new.items():
        own[group] = construct(dataclasses.replace, getattr(settings, group), **values)
    return construct(dataclasses.replace, settings, **own)


def names(settings: Settings) -> set[str]:
    """The names of all settings that change the result of a run."""
    return set(_homes(settings))


def value(settings: Settings, name: str, default: Any = None) -> Any:
    """Returns one setting of a run, or `default` where it has none."""
    homes = _homes(settings)
    if name not in homes:
        return default
    home = homes[name]
    return getattr(getattr(settings, home) if home else settings, name)


def to_json(settings: Settings) -> dict[str, Any]:
    """Returns settings as JSON values, without what is a default.

    A new setting with a default therefore renames no old run.
    """
    groups = {}
    for group in settings.groups:
        part = getattr(settings, group)
        values = _adapter(type(part)).dump_python(
            part, mode="json", exclude_defaults=True
        )
        if group in ("data", "method"):
            values = {"name": part.name, **values}
        if values:
            groups[group] = values
    return {**groups, "seed": settings.seed}


def from_json(content: Any) -> Settings:
    """Makes settings of JSON values, as `to_json` returns them.

    Raises:
        ValueError: if a group, a name or a setting is unknown, or a value is
            of the wrong type or out of range.
    """
    if not isinstance(content, dict) or not content.keys() <= {*GROUPS, "seed"}:
        raise ValueError(
            f"Settings consist of groups. Expected: some of {GROUPS} and "
            f"'seed'. Received: {shorten(content)}."
        )
    kinds = {"network": Network, "training": Training, "estimator": Estimator}
    groups = dict(content)
    seed = groups.pop("seed", None)
    for group, values in groups.items():
        if not isinstance(values, dict):
            raise ValueError(
                f"A group of settings holds values by name. Expected: an "
                f"object for '{group}'. Received: {shorten(values)}."
            )
        values = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in values.items()
        }
        kind = kinds.get(group) or _kind(group, values)
        groups[group] = construct(kind, **values)
    return construct(Settings, **groups, seed=seed)


def parse(text: str) -> tuple[str, Any]:
    """Reads one `name=value` of the flag `--set`.

    The value is JSON (`0.5`, `true`, `[64, 64]`, `null`), else a string.

    Raises:
        ValueError: if there is no `=`.
    """
    name, found, literal = text.partition("=")
    if not found or not name.strip():
        raise ValueError(
            "A setting has a name and a value. Expected: name=value, e.g. "
            f"epochs=3. Received: {shorten(text)}."
        )
    words = {"True": True, "False": False, "None": None}
    try:
        parsed = words.get(literal) if literal in words else json.loads(literal)
    # No JSON, or nested without end.
    except (ValueError, RecursionError):
        parsed = literal
    return name.strip(), tuple(parsed) if isinstance(parsed, list) else parsed


def construct(make: Callable[..., Any], /, *given: Any, **values: Any) -> Any:
    """Calls `make`; errors of pydantic become errors in the package's form.

    Raises:
        ValueError: if a value is of the wrong type or out of range.
    """
    try:
        return make(*given, **values)
    except pydantic.ValidationError as error:
        raise ValueError(" ".join(map(_explained, error.errors()))) from error


_adapter = functools.cache(pydantic.TypeAdapter)


def _explained(problem):
    if problem["type"] == "value_error":
        # A check of ours, whose message says everything.
        return problem["msg"].removeprefix("Value error, ")
    place = ".".join(map(str, problem["loc"]))
    expected = problem["msg"].removeprefix("Input should be ")
    return (
        f"The value of `{place}` is wrong. Expected: {expected}. "
        f"Received: {shorten(problem['input'])}. Correct it."
    )


def _kind(group, values):
    """The class of a group that a name chooses; takes the name out."""
    known = {"data": Data, "method": Method}[group].known
    name = values.pop("name", None)
    if not isinstance(name, str) or name not in known:
        raise ValueError(
            f"Unknown {group}. Expected: one of {sorted(known)}. Received: "
            f"name={shorten(name)}. Correct the name."
        )
    return known[name]


def _homes(settings):
    """Dict from the names of settings to their groups; "" for the seed."""
    return {"seed": ""} | {
        name: group
        for group in settings.groups
        for name in vars(getattr(settings, group))
    }


def _check_divides(group, part, whole):
    divisor, total = getattr(group, part), getattr(group, whole)
    # Without mini-batches of its own the estimator has one, the task's.
    total = total or 1
    if total % divisor:
        raise ValueError(
            f"`{part}` must divide `{whole}`. Expected: a divisor of {total}. "
            f"Received: {part}={divisor}, {whole}={getattr(group, whole)}. Set "
            "both of them."
        )
