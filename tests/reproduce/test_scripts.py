"""All scripts have the same flags and behave alike."""

import ast
import importlib
import json
import re
import shlex
import subprocess
import sys

import pytest
import utk
from scripts import (
    EXPERIMENTS,
    OTHERS,
    RECORDS,
    ROOT,
    SCRIPTS,
    cells_of,
    data_flags,
    ids,
    listed,
    publish,
)

from reproduce.experiment import driver, peer_rows, records, sweep
from reproduce.experiment.settings import change

each = pytest.mark.parametrize("name", EXPERIMENTS)


@pytest.fixture
def forbidden(monkeypatch):
    """No run is allowed."""

    def run(*args, **kwargs):
        raise AssertionError("Something was run.")

    monkeypatch.setattr(sweep, "run", run)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_is_short_and_leaves_the_path_alone(path):
    text = path.read_text()
    # Others measure or draw something of their own.
    assert len(text.splitlines()) <= (130 if path.stem in OTHERS else 100)
    assert "sys.path" not in text
    tree = ast.parse(text)
    assert ast.get_docstring(tree)
    called = "main()" if path.stem in OTHERS else "driver.main("
    assert f"sys.exit({called}" in text


def test_every_script_is_a_table_or_a_figure():
    assert {*EXPERIMENTS} | OTHERS == {path.stem for path in SCRIPTS}
    for name, experiment in EXPERIMENTS.items():
        module = importlib.import_module(f"reproduce.{name}")
        assert experiment in vars(module).values()
        assert experiment.description == module.__doc__


@each
def test_all_scripts_refuse_the_same_flags(name, call, forbidden):
    for words, message in {
        ("--profile", "slow"): "--profile: Expected: one of",
        ("--seeds", "0"): "--seeds: Expected: an integer in 1..1000",
        ("--seeds", "10000000"): "--seeds: Expected: an integer in 1..1000",
        ("--jobs", "0"): "--jobs: Expected: an integer in 1..1000",
        ("--backend", "smoke"): "--backend: Expected: one of",
        ("--address", "tcp://h:1"): "--address: Only a cluster has an address",
        ("--from-records", ""): "--from-records: Expected: the path of",
        ("--output-dir", ""): "--output-dir: Expected: the path of",
        ("--data-dir", ""): "--data-dir: Expected: the path of",
        ("--set", "epochs"): "--set: A setting has a name and a value",
        ("--set",): "--set: expected at least one argument",
    }.items():
        code, out, err = call(EXPERIMENTS[name], *words)
        assert (code, out) == (2, ""), words
        assert message in err
    code, _, err = call(EXPERIMENTS[name], "--variances", "0.5")
    assert code == 2
    if EXPERIMENTS[name].variances:
        assert "--variances: Expected: one of [0.0" in err
    else:
        assert "unrecognized arguments: --variances" in err


@each
def test_all_scripts_refuse_what_their_cells_do_not_have(
    name, call, forbidden, tmp_path
):
    data = data_flags(EXPERIMENTS[name], tmp_path)
    for words, message in {
        ("--methods", "ERN"): rf"no such row in {name}, profile .*\['ERN'\]",
        ("--set", "epoch=3"): r"settings \['epoch'\]. Expected: some of",
        ("--set", "seed=one"): "`seed` is wrong.*Received: 'one'",
        ("--set", "seed=-1"): "`seed` is wrong.*Received: -1",
    }.items():
        code, out, err = call(EXPERIMENTS[name], "--seeds", "1", *words, *data)
        assert (code, out) == (2, ""), words
        assert re.search(message, " ".join(err.split())), err


@each
def test_a_dry_run_lists_all_cells_and_runs_none(name, call, forbidden, tmp_path):
    experiment = EXPERIMENTS[name]
    # The first is what a script takes by itself.
    default = next(p for p in ("quick", "fast", "paper") if p in experiment.profiles)
    data = data_flags(experiment, tmp_path)
    # Real faces are not at hand.
    faces = {"peers": False}.get(name, "utk" if data else "drawn")
    wanted = (
        experiment.cells(default, seeds=experiment.usual_seeds, faces=faces)
        if "faces" in experiment.source.choices[0]
        else cells_of(experiment, "--profile", default)
    )
    before = list(tmp_path.iterdir())
    answer = call(experiment, "--dry-run", *data)
    assert listed(answer) == [("missing", id) for id in ids(wanted)]
    total = f"{len(wanted)} cells: 0 done, {len(wanted)} missing\n"
    assert answer[1].endswith(total)
    assert list(tmp_path.iterdir()) == before


@each
@pytest.mark.parametrize("profile", [[], ["--profile"]])
def test_an_empty_directory_of_records(name, profile, call, tmp_path):
    experiment = EXPERIMENTS[name]
    if profile:
        profile = [*profile, next(iter(experiment.profiles))]
    code, out, err = call(experiment, "--from-records", str(tmp_path), *profile)
    assert (code, out) == (2, "")
    assert f"error: No records of {name}, profile " in err
    assert list(tmp_path.iterdir()) == []


@each
def test_changed_settings_are_other_runs_and_named_in_the_title(name, call, tmp_path):
    experiment = EXPERIMENTS[name]
    profile = next(p for p in ("fast", "quick", "paper") if p in experiment.profiles)
    chosen = ["--profile", profile, "--seeds", "1"]
    if experiment.variances:
        chosen += ["--variances", "0.02"]
    plain = cells_of(experiment, *chosen)
    changed = cells_of(experiment, *chosen, "--set", "seed=7")
    assert not {*ids(plain)} & {*ids(changed)}
    assert ids(changed) == [change(c.settings, seed=7).id for c in plain]
    shown = publish(tmp_path / "records", changed)
    code, out, err = call(experiment, *shown, *chosen, "--set", "seed=7")
    assert code == 0, err
    words = f"profile {profile} with seed=7"
    if isinstance(experiment, driver.Table):
        assert words in out
    else:
        (path,) = (tmp_path / "figures").glob(f"{name}_*set_seed=7*.json")
        assert json.loads(path.read_text())["about"].startswith(words)
    assert "missing" not in out + err


@each
def test_the_command_fills_what_is_missing(name, call, tmp_path):
    experiment = EXPERIMENTS[name]
    profile = next(p for p in ("quick", "fast", "paper") if p in experiment.profiles)
    wanted = cells_of(experiment, "--profile", profile)
    shown = publish(tmp_path / "records", wanted[:1])
    words = ["--profile", profile, *shown]
    _, out, err = call(experiment, *words)
    statuses = listed(call(experiment, *words, "--dry-run"))
    missing = {id for status, id in statuses if status == "missing"}
    said = f"{len(missing)} of {len(wanted)} cells are missing. To run them"
    assert said in out + err
    (command,) = re.findall(r"To run them[^:]*: (python .*)", out + err)
    python, script, *words = shlex.split(command)
    assert (python, script) == ("python", f"reproduce/{name}.py")
    # The faces of these cells are in a directory.
    if "faces" in experiment.source.choices[0]:
        faces = utk.write(tmp_path / "utk", rows=3)
        (faces / peer_rows.BACKBONE["weights"]).touch()
        words += ["--data-dir", str(faces)]
    again = listed(call(experiment, *words, "--dry-run"))
    assert {id for _, id in again} >= missing
    assert {id for _, id in again} <= {*ids(wanted)}


# Numbers that may not be defined.
UNKNOWN = {"0": None, "1": None}
NULLS = {
    "metrics": {
        **dict.fromkeys(("test_accuracy", "train_accuracy", "equal_opportunity")),
        **dict.fromkeys(("truth", "information", "mutual_information")),
        "true_positive_rates": UNKNOWN,
        "positives": UNKNOWN,
    },
    "estimates": dict.fromkeys(("mutual_information", "probe_auc")),
}


@pytest.mark.slow
@each
def test_what_a_record_lacks_is_no_crash(name, call, tmp_path):
    experiment = EXPERIMENTS[name]
    profile = next(p for p in ("fast", "quick", "paper") if p in experiment.profiles)
    chosen = ["--profile", profile, "--seeds", "1"]
    if experiment.variances:
        chosen += ["--variances", "0.02"]
    cells = cells_of(experiment, *chosen)
    parts = ("metrics", "data", "history", "estimates", "environment")
    for number, changes in enumerate([{part: {} for part in parts}, NULLS]):
        for part, value in changes.items():
            directory = tmp_path / f"{number} {part}"
            shown = publish(directory, cells, **{part: value})
            code, out, err = call(experiment, *shown, *chosen)
            assert code in (0, 2)
            assert bool(out) == (code == 0)
            assert code == 0 or "Received: " in err, err


@each
def test_pages_are_written_of_released_records_alone(name, call, tmp_path):
    experiment = EXPERIMENTS[name]
    words = ["--from-records", str(tmp_path), "--update-docs"]
    code, out, err = call(experiment, *words)
    assert (code, out) == (2, "")
    if isinstance(experiment, driver.Figure):
        assert "unrecognized arguments: --update-docs" in err
        return
    assert "--update-docs: the pages show released records" in err
    released = ["--from-records", str(records.RELEASED), "--update-docs"]
    code, _, err = call(experiment, *released, "--set", "seed=7")
    assert code == 2
    assert "the pages show whole tables. Expected: no --set" in err


def test_a_script_runs_from_anywhere_and_without_tensorflow(tmp_path):
    done = subprocess.run(
        [
            *(sys.executable, "-X", "importtime"),
            *(ROOT / "reproduce" / "table3.py", "--from-records", RECORDS),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Table 3. German credit, profile fast")
    imported = {line.split("|")[-1].strip() for line in done.stderr.split("\n")}
    assert "reproduce.experiment.driver" in imported
    assert "tensorflow" not in imported


@pytest.mark.slow
def test_the_output_of_a_script_may_be_cut_short(tmp_path):
    script = [sys.executable, str(ROOT / "reproduce" / "table3.py"), "--dry-run"]
    # More than a pipe holds.
    script += ["--seeds", "500", "--output-dir", str(tmp_path)]
    with subprocess.Popen(
        script, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline().startswith("missing ")
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 1


def test_what_runs_experiments_knows_no_recipe():
    for path in ROOT.glob("reproduce/experiment/*.py"):
        assert "reproduce.recipes" not in path.read_text(), path
