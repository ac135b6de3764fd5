"""Settings: what they refuse, what their identity depends on, their JSON."""

import dataclasses
import doctest
import json
import math
import pickle
import subprocess
import sys
import typing

import pytest

from reproduce.experiment import groups, settings
from reproduce.experiment.results import Cell
from reproduce.experiment.settings import Settings, change, from_json, to_json

PLAIN = Settings(data=groups.GermanCredit())
FACES = Settings(data=groups.ImdbFaces())
# What must be changed together with a setting.
TOGETHER = {
    "estimator_accumulate": {"estimator_batches": 2},
    "attribute": {"prior_strength": 0.0},
}


def test_the_example_of_the_docstring():
    failed, tried = doctest.testmod(settings)
    assert tried > 0
    assert failed == 0


def test_an_identity_never_changes_between_versions():
    assert PLAIN.id == "338c2222f50e"
    changed = change(
        Settings(
            data=groups.ColoredMnist(color_variance=0.03),
            method=groups.AttributeConfusion(attribute_hidden=(8,)),
        ),
        epochs=3,
        seed=2,
    )
    assert changed.id == "9b2842a7901d"


def test_an_identity_does_not_depend_on_the_order_of_settings():
    one = change(change(PLAIN, epochs=3), clip=False)
    other = change(change(PLAIN, clip=False), epochs=3)
    assert one == other
    assert one.id == other.id
    content = to_json(one)
    turned = dict(reversed(content.items()))
    assert list(turned) != list(content)
    assert from_json(turned).id == one.id


def test_an_integer_is_the_number_of_the_same_value():
    assert change(PLAIN, mi_weight=2) == change(PLAIN, mi_weight=2.0)
    assert change(PLAIN, mi_weight=2).id == change(PLAIN, mi_weight=2.0).id


def test_a_new_setting_with_a_default_renames_no_run(monkeypatch):
    monkeypatch.setattr(groups.Data, "known", dict(groups.Data.known))

    @groups.checked
    class Before(groups.Data):
        name = "fruit"
        rows: groups.Count = 9

    @groups.checked
    class After(groups.Data):
        name = "fruit"
        rows: groups.Count = 9
        color: str = "red"

    before = Settings(data=Before(rows=3))
    after = Settings(data=After(rows=3))
    assert before.id == after.id
    assert from_json(to_json(before)) == after
    assert change(after, color="green").id != after.id


def test_labels_are_no_part_of_a_run():
    fields = {field.name for field in dataclasses.fields(Settings)}
    assert fields == {*settings.GROUPS, "seed"}
    one, other = (Cell(label, label, PLAIN) for label in ("ERM", "ours"))
    assert one.settings.id == other.settings.id


def another(kind, name):
    """A value of a setting that is not its default."""
    (field,) = (f for f in dataclasses.fields(kind) if f.name == name)
    choices = typing.get_args(field.type)
    is_literal = typing.get_origin(field.type) is typing.Literal
    if isinstance(field.default, bool):
        return not field.default
    if isinstance(field.default, str) and is_literal:
        return choices[-1]
    if isinstance(field.default, str):
        return "other"
    if isinstance(field.default, int):
        return field.default + 1
    if isinstance(field.default, float):
        return field.default / 2 or 0.5
    if field.default is None and groups.Text in choices:
        return "other"
    if field.default is None:
        return True if bool in choices else 3
    return field.default[1:] or (5,)


# Other tests add a data set of their own.
DATA = [d for d in groups.Data.known.values() if d.__module__ == groups.__name__]
EVERY_KIND = [
    *(
        Settings(data=groups.ImdbFaces(), method=method())
        for method in groups.Method.known.values()
    ),
    *(Settings(data=data(), method=groups.Erm()) for data in DATA),
]


@pytest.mark.parametrize(
    "plain", EVERY_KIND, ids=lambda s: f"{s.data.name}-{s.method.name}"
)
def test_every_setting_is_part_of_the_identity_and_survives_json(plain):
    seen = {plain.id}
    changes = {"seed": 7}
    for group in plain.groups:
        kind = type(getattr(plain, group))
        for field in dataclasses.fields(kind):
            changes[field.name] = another(kind, field.name)
    assert changes.keys() == settings.names(plain)
    for name, value in changes.items():
        together = {
            k: v
            for k, v in TOGETHER.get(name, {}).items()
            if k in settings.names(plain)
        }
        base = change(plain, **together)
        changed = change(base, **{name: value})
        assert settings.value(changed, name) == value
        assert changed.id != base.id, name
        seen.add(changed.id)
        text = json.dumps(to_json(changed))
        assert from_json(json.loads(text)) == changed
        assert pickle.loads(pickle.dumps(changed)) == changed
    assert len(seen) == 1 + len(changes)


def test_what_a_run_does_not_use_is_no_part_of_it():
    erm = Settings(data=groups.GermanCredit(), method=groups.Erm())
    for group in (
        {"estimator": groups.Estimator(estimator_steps=9)},
        {"network": groups.Network(backbone="small")},
    ):
        assert change(erm, **group) == erm
        assert change(erm, **group).id == erm.id
    constant = change(erm, method=groups.Constant())
    assert constant.groups == ("data", "method")
    shorter = change(constant, training=groups.Training(epochs=1))
    assert shorter.id == constant.id
    with pytest.raises(ValueError, match=r"constant run.*\['epochs'\]"):
        change(constant, epochs=1)
    assert settings.value(constant, "epochs") is None
    assert settings.value(constant, "epochs", 5) == 5


def test_whole_groups_are_changed_before_their_settings():
    changed = change(PLAIN, method=groups.BiasBalanced(), prior_strength=0.5, seed=9)
    assert changed.method == groups.BiasBalanced(prior_strength=0.5)
    assert changed.seed == 9


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 0}, "`epochs`.*greater than or equal to 1. Received: 0"),
        ({"epochs": 2.0}, "`epochs`.*valid integer. Received: 2.0"),
        ({"epochs": True}, "`epochs`.*valid integer. Received: True"),
        ({"batch_size": "8"}, "`batch_size`.*valid integer. Received: '8'"),
        ({"seed": -1}, "`seed`.*greater than or equal to 0. Received: -1"),
        ({"learning_rate": 0.0}, "`learning_rate`.*than 0. Received: 0.0"),
        ({"learning_rate": math.inf}, "`learning_rate`.*finite.*: inf"),
        ({"epsilon": 0}, "`epsilon`.*greater than 0. Received: 0"),
        ({"weight_averaging": 1.0}, "`weight_averaging`.*less than 1.*: 1.0"),
        ({"weight_averaging": None}, "`weight_averaging`.*number.*: None"),
        ({"decay": "linear"}, "`decay`.*'constant' or 'cosine'.*'linear'"),
        ({"precision": "half"}, "`precision`.*'float32'.*Received: 'half'"),
        ({"jit_compile": "no"}, "`jit_compile`.*boolean. Received: 'no'"),
        ({"mi_weight": -1.0}, "`mi_weight`.*equal to 0. Received: -1.0"),
        ({"mi_weight": "1"}, "`mi_weight`.*valid number. Received: '1'"),
        ({"mi_weight": math.nan}, "`mi_weight`.*finite.* Received: nan"),
        ({"conditional": "false"}, "`conditional`.*boolean.*: 'false'"),
        ({"prior_strength": -0.5}, "`prior_strength`.*0. Received: -0.5"),
        (
            {"method": groups.BiasBalanced(), "prior_strength": 0.0},
            "`prior_strength`.*greater than 0. Received: 0.0",
        ),
        ({"critic": "deep"}, "`critic`.*'separable'.*Received: 'deep'"),
        ({"critic_hidden": 64}, "`critic_hidden`.*tuple. Received: 64"),
        ({"critic_hidden": (0,)}, r"`critic_hidden\.0`.*1. Received: 0"),
        ({"estimator_batches": -1}, "`estimator_batches`.*: -1"),
        ({"estimator_optimizer": "lion"}, "`estimator_optimizer`.*'lion'"),
        ({"age_input": 1}, "`age_input`.*boolean. Received: 1"),
        ({"epochs": 2**31}, "`epochs`.*equal to 2147483647. Received: 2147483648"),
        ({"seed": 10**30}, "`seed`.*equal to 2147483647. Received: 10000"),
        ({"learning_rate": 1e39}, r"`learning_rate`.*less than.*: 1e\+39"),
        ({"method": groups.Svm(), "C": ()}, r"`C`.*at least 1 item.*Received: \(\)"),
        (
            {"estimator_accumulate": 3, "estimator_batches": 2},
            "must divide `estimator_batches`.*of 2. Rec.*accumulate=3",
        ),
        ({"estimator_accumulate": 2}, "divisor of 1. Rec.*accumulate=2"),
        (
            {"epochs": 3, "epochs_per_report": 2},
            "must divide `epochs`.*divisor of 3. Received.*report=2",
        ),
        (
            {
                "data": groups.ColoredMnist(attribute="bits"),
                "prior_strength": 1,
            },
            "bits have too many.*attribute='bits', prior_strength=1.0",
        ),
        (
            {"own_optimizer": False, "released_order": True},
            "own_optimizer=true or released_order=false",
        ),
        ({"data": groups.Erm()}, "`data`.*instance of Data.*Erm"),
        ({"colour": 1}, r"mi_backprop run on german_credit.*: \['colour'\]"),
        ({"backbone": "small"}, r"Expected: some of .*: \['backbone'\]"),
        ({"epochs": 0, "batch_size": 0}, "`batch_size`.*`epochs`"),
    ],
)
def test_wrong_values_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        change(PLAIN, **changes)


def test_a_long_value_is_shown_in_part():
    for junk in (100_000 * "9", {str(n): n for n in range(1000)}, tuple(range(9999))):
        with pytest.raises(ValueError, match="`epochs`.*Received: ") as refused:
            change(PLAIN, epochs=junk)
        assert len(str(refused.value)) < 500


def test_a_name_of_a_file_is_not_empty():
    with pytest.raises(ValueError, match="`weights`.*at least 1 char.*Received: ''"):
        change(FACES, weights="")


@pytest.mark.parametrize("name", ["batch_norm", "preprocessing"])
def test_wrong_settings_of_the_face_encoder_are_refused(name):
    with pytest.raises(ValueError, match=f"{name}.*Received: 'traning'"):
        change(FACES, **{name: "traning"})


def test_groups_cannot_be_changed_in_place():
    with pytest.raises(dataclasses.FrozenInstanceError):
        PLAIN.training.epochs = 3
    with pytest.raises(dataclasses.FrozenInstanceError):
        PLAIN.seed = 3


GERMAN = {"data": {"name": "german_credit"}, "seed": 1}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "consist of groups. Expected: .*'data'.* Received: None"),
        ([GERMAN], "consist of groups"),
        ({**GERMAN, "row": "ERM"}, "consist of groups.*'row': 'ERM'"),
        ({"seed": 1}, "`data`.*required"),
        ({"data": {"name": "german_credit"}}, "`seed`.*integer.*: None"),
        ({**GERMAN, "data": 3}, "an object for 'data'. Received: 3"),
        ({**GERMAN, "data": {}}, "Unknown data.*'imdb_faces'.*name=None"),
        ({**GERMAN, "data": {"name": "cats"}}, "Unknown data.*name='cats'"),
        ({**GERMAN, "data": {"name": {}}}, "Unknown data.*name={}"),
        ({**GERMAN, "method": {"name": "magic"}}, "Unknown method.*'magic'"),
        (
            {**GERMAN, "method": {"name": "erm", "mi_weight": 1.0}},
            "`mi_weight`.*Unexpected",
        ),
        ({**GERMAN, "training": {"epoch": 3}}, "`epoch`.*Unexpected"),
        ({**GERMAN, "training": {"epochs": "3"}}, "`epochs`.*: '3'"),
        ({**GERMAN, "seed": 1.0}, "`seed`.*integer. Received: 1.0"),
    ],
)
def test_wrong_json_is_refused(content, message):
    with pytest.raises(ValueError, match=message):
        from_json(content)


def test_json_holds_no_defaults():
    assert to_json(PLAIN) == {
        "data": {"name": "german_credit"},
        "method": {"name": "mi_backprop"},
        "seed": 1,
    }
    assert to_json(change(PLAIN, critic_hidden=(5,), epochs=3)) == {
        "data": {"name": "german_credit"},
        "training": {"epochs": 3},
        "estimator": {"critic_hidden": [5]},
        "method": {"name": "mi_backprop"},
        "seed": 1,
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mi_weight=0.5", ("mi_weight", 0.5)),
        (" epochs = 3", ("epochs", 3)),
        ("clip=true", ("clip", True)),
        ("clip=False", ("clip", False)),
        ("jit_compile=null", ("jit_compile", None)),
        ("jit_compile=None", ("jit_compile", None)),
        ("critic_hidden=[64, 32]", ("critic_hidden", (64, 32))),
        ("attribute=bits", ("attribute", "bits")),
        ("weights=a=b.h5", ("weights", "a=b.h5")),
        ('weights="3"', ("weights", "3")),
    ],
)
def test_a_setting_is_read_from_a_flag(text, expected):
    name, value = settings.parse(text)
    assert (name, value) == expected
    assert type(value) is type(expected[1])


def test_a_value_that_is_no_json_is_a_string():
    for literal in (100_000 * "[", 5000 * "9", "1e", "{"):
        assert settings.parse(f"epochs={literal}") == ("epochs", literal)


@pytest.mark.parametrize("text", ["epochs", "=3", ""])
def test_a_flag_without_a_name_or_a_value(text):
    with pytest.raises(ValueError, match=f"name=value.*Received: '{text}'"):
        settings.parse(text)


def test_what_is_read_from_a_flag_is_checked():
    name, value = settings.parse("mi_weight=NaN")
    with pytest.raises(ValueError, match=r"`mi_weight`.*finite"):
        change(PLAIN, **{name: value})


def test_settings_and_records_need_no_tensorflow():
    code = (
        "import sys\n"
        "from reproduce.experiment import records, results, run_files, sweep\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
