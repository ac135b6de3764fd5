"""Damaged records and hostile flags: a script names them, and trains nothing."""

import json
import os

import matplotlib.figure
import pytest

from reproduce import release
from reproduce.experiment import driver, flags, records, sweep
from reproduce.experiment.settings import change
from reproduce.figure5 import FIGURE5
from reproduce.figure_table2 import FIGURE_TABLE2
from reproduce.figure_variances import FIGURE_VARIANCES
from reproduce.peers import PEERS
from reproduce.table1 import TABLE1
from reproduce.table2 import TABLE2
from reproduce.table3 import TABLE3

# Scripts that have released records, and flags that choose few of them.
SCRIPTS = {
    script.name: (script, ["--profile", profile, "--seeds", "2"])
    for script, profile in (
        (TABLE1, "quick"),
        (TABLE2, "quick"),
        (TABLE3, "fast"),
        (FIGURE5, "fast"),
        (FIGURE_TABLE2, "quick"),
        (FIGURE_VARIANCES, "quick"),
        (PEERS, "fast"),
    )
}
# These look for no data on the machine before they read what was run.
RUNS = ("peers", "table3", "figure5")


def nested(depth):
    value = 0.5
    for _ in range(depth):
        value = [value]
    return value


def set_to(value, *path):
    """Damages a record: sets one of its values."""

    def damage(content):
        *parents, name = path
        for parent in parents:
            content = content.setdefault(parent, {})
        content[name] = value

    return damage


def without(*path):
    def damage(content):
        *parents, name = path
        for parent in parents:
            content = content[parent]
        del content[name]

    return damage


def shortened(content):
    # A run without epochs gets one.
    for column in content["history"].values():
        column.pop()
    content["history"].setdefault("loss", [0.5])


JUNK = {
    "null": None,
    "a string": "0.5",
    "true": True,
    "a list": [0.5],
    "an object": {"value": {"value": 0.5}},
    "NaN": float("nan"),
    "infinity": float("inf"),
    "a huge integer": 10**300,
    "a huge float": 1e300,
    "deep nesting": nested(300),
    "a surrogate": "\ud800",
}
# What no record may hold there.
PLACES = {
    "schema": (("schema",), JUNK),
    "id": (("id",), JUNK),
    "status": (("status",), JUNK),
    "seed": (("settings", "seed"), JUNK),
    "method": (("settings", "method"), JUNK),
    "data set": (("settings", "data", "name"), JUNK),
    "test accuracy": (("metrics", "test_accuracy"), {**JUNK, "two": 2, "-1": -1}),
    "wall seconds": (("wall_seconds",), {**JUNK, "-1": -1}),
    "training rows": (("data", "train_size"), {**JUNK, "zero": 0, "half": 0.5}),
    "history": (("history", "loss"), JUNK),
    "a fact": (
        ("data", "of_a_loader"),
        {name: JUNK[name] for name in ("NaN", "infinity", "a surrogate")},
    ),
    "estimates": (
        ("estimates", "probe_auc"),
        {
            **{name: value for name, value in JUNK.items() if name != "null"},
            "two": 2,
        },
    ),
    "threads": (("environment", "threads"), {**JUNK, "zero": 0}),
    "versions": (("environment", "versions"), JUNK),
}
DAMAGES = {
    f"{place}: {name}": set_to(value, *path)
    for place, (path, values) in PLACES.items()
    for name, value in values.items()
    # What was not measured is null.
    if (place, name) != ("test accuracy", "null")
} | {
    "another seed": set_to(99, "settings", "seed"),
    "another method": set_to({"name": "chi_squared"}, "settings", "method"),
    "a setting that is none": set_to(1, "settings", "method", "make"),
    "settings that are none": set_to(1, "settings", "row"),
    "a data set elsewhere": set_to("../../x", "settings", "data", "name"),
    "no settings": without("settings"),
    "no id": without("id"),
    "no schema": without("schema"),
    "no metrics": without("metrics"),
    "no environment": without("environment"),
    "a new field": set_to(1, "make"),
    "an epoch less": shortened,
    "diverged without a reason": set_to("diverged", "status"),
    "a reason": set_to("loss is nan", "reason"),
}
TEXTS = {
    "empty": lambda text: b"\n",
    "half": lambda text: text[: len(text) // 2],
    "NUL bytes": lambda text: b"\0" * 64,
    "no UTF-8": lambda text: b"\xff\xfe\xfd" + text,
    "two records": lambda text: text + b" " + text,
    "a name twice": lambda text: b'{"id": "0", ' + text[1:],
    "brackets": lambda text: 200_000 * b"[",
    "digits": lambda text: 10_000 * b"9",
    "a list": lambda text: b"[" + text + b"]",
    "a pickle": lambda text: b"cos\nsystem\n(S'true'\ntR.",
}


@pytest.fixture
def attempt(count, capsys, monkeypatch, tmp_path):
    """Calls a script, and counts whether it ends as it has to."""
    trained = []
    monkeypatch.setattr(sweep, "run", lambda *a, **k: trained.append(1) or [])
    monkeypatch.setattr(matplotlib.figure.Figure, "savefig", lambda *a, **k: None)
    monkeypatch.chdir(tmp_path)

    def attempt(what, script, words, wanted=2, form="Expected"):
        if isinstance(script, driver.Figure) and "--figures-dir" not in words:
            words = ["--figures-dir", str(tmp_path / "figures"), *words]
        main = script.main if script is release else None
        try:
            code = main(words) if main else driver.main(script, words)
        except SystemExit as stopped:
            code = stopped.code
        except BaseException as error:
            count("raw", f"{what}: {type(error).__name__}: {error}"[:300])
            return
        err = capsys.readouterr().err
        if trained:
            trained.clear()
            count("lost", f"{what}: a training was started")
        elif code != wanted:
            count("unequal", f"{what}: exit code {code}: {err[-200:]}")
        elif wanted and form not in err:
            count("raw", f"{what}: {err[-300:]}")
        else:
            count()

    return attempt


def held(name):
    """Released records of a script's cells, and those of their lines."""
    script, words = SCRIPTS[name]
    parser = flags.make_parser("", script.profiles, script.variances)
    script.add_flags(parser)
    options = flags.parse(parser, words)
    released = {r.id: r for r in ALL}
    for choice in script.source.choices:
        cells = script.make_cells(options, choice)
        found = [released[i] for c in cells if (i := c.settings.id) in released]
        if found:
            return list({r.id: r for r in found}.values())
    raise AssertionError(name)


ALL = records.read_all(records.RELEASED)


def damaged_text(record, damage):
    content = json.loads(json.dumps(record.to_json()))
    damage(content)
    return json.dumps(content).encode()


def each_damage(record):
    for name, damage in DAMAGES.items():
        yield name, damaged_text(record, damage)
    text = json.dumps(record.to_json()).encode()
    for name, change_text in TEXTS.items():
        yield name, change_text(text)


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_damaged_released_record(name, attempt, tmp_path):
    script, words = SCRIPTS[name]
    found = held(name)
    directory = tmp_path / "records"
    directory.mkdir()
    records.release(found, directory)
    path = directory / f"{found[0].settings.data.name}.jsonl"
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    words = [*words, "--from-records", str(directory)]
    attempt("undamaged", script, words, wanted=0)
    record = records.parse(json.loads(lines[0]), path)
    for what, text in each_damage(record):
        path.write_bytes(text + b"\n" + b"".join(lines[1:]))
        attempt(f"{name}, {what}", script, words)
        attempt(f"{name}, dry run, {what}", script, [*words, "--dry-run"])
    for what, content in {
        "a record twice": lines[0] + whole,
        "an empty line": whole + b"\n\n",
        "UTF-16": whole.decode().encode("utf-16"),
    }.items():
        path.write_bytes(content)
        attempt(f"{name}, {what}", script, words)
    path.rename(directory / "other.jsonl")
    attempt(f"{name}, the file of other data", script, words)
    (directory / "other.jsonl").unlink()
    for make in (path.mkdir, lambda: os.mkfifo(path)):
        make()
        attempt(f"{name}, no file", script, words)
        path.rmdir() if path.is_dir() else path.unlink()
    attempt(f"{name}, no records", script, words)


@pytest.mark.parametrize("name", RUNS)
def test_a_damaged_record_of_a_run(name, attempt, tmp_path):
    script, words = SCRIPTS[name]
    record = held(name)[0]
    path = tmp_path / "runs" / record.settings.data.name / record.id / "record.json"
    path.parent.mkdir(parents=True)
    words = [*words, "--output-dir", str(tmp_path / "runs")]
    for what, text in each_damage(record):
        path.write_bytes(text)
        attempt(f"{name}, {what}", script, words)
        shown = ["--from-records", str(tmp_path / "runs")]
        attempt(f"{name}, shown, {what}", script, [*words, *shown])
        attempt(f"release, {what}", release, ["--records", str(tmp_path / "out")])
    other = records.Record(
        **{**vars(record), "settings": change(record.settings, seed=99)}
    )
    records.write(other, path)
    attempt(f"{name}, another seed's whole record", script, words)
    path.unlink()
    for make in (path.mkdir, lambda: os.mkfifo(path)):
        make()
        attempt(f"{name}, no file", script, words)
        path.rmdir() if path.is_dir() else path.unlink()
    assert not (tmp_path / "out").exists()


HOSTILE = [
    *(
        [flag, value]
        for flag in ("--from-records", "--output-dir", "--data-dir", "--address")
        for value in ("", "  ", "a\0b")
    ),
    *(
        [flag, value]
        for flag in ("--seeds", "--jobs")
        for value in ("", "0", "-1", "1e3", "nan", "inf", "1.5", "10000000", 9999 * "9")
    ),
    *(
        ["--set", f"{name}={value}"]
        for name in ("seed", "epochs", "batch_size", "learning_rate", "C", "rows")
        for value in (
            *("", "nan", "inf", "-1", "1e300", "1e9999", '"3"', "[[1]]", "{}"),
            *("true", str(10**40), 100_000 * "[", "\ud800", 5000 * "9"),
        )
    ),
    ["--set", "epochs=1e9"],
    ["--set", "epochs=3", "epochs=3"],
    ["--set", "settings=3"],
    ["--set", "data=3"],
    ["--set", "=3"],
    ["--methods", ""],
    ["--methods", "\ud800"],
    ["--profile", ""],
    ["--backend", ""],
    ["--from-records", "nowhere"],
    ["--from-records", 5000 * "a"],
    ["--from-records", "/dev/null"],
    ["--output-dir", "/dev/null"],
    ["--output-dir", "/proc/runs"],
    ["--output-dir", 5000 * "a"],
]


@pytest.mark.parametrize("name", RUNS)
def test_hostile_flags(name, attempt):
    script, words = SCRIPTS[name]
    for hostile in HOSTILE:
        attempt(f"{name} {hostile}"[:200], script, [*words, *hostile], form="xpected")
