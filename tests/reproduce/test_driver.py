"""The driver: what is gathered, run and told."""

import dataclasses
import re

import pytest
from toy_experiments import (
    PROFILES,
    Trainer,
    cells,
    few,
    figure,
    ids,
    lines,
    listed,
    made,
    release,
    shared,
    table,
)

from reproduce.experiment import (
    driver,
    records,
    run_files,
    sweep,
)
from reproduce.experiment.results import Cell
from reproduce.experiment.settings import change
from reproduce.experiment.sources import Source

# Runs.


def test_a_dry_run_lists_cells_and_trains_none(call, tmp_path):
    experiment = table()
    wanted = cells("quick", digits="mnist-5000")
    first = wanted[0].settings
    path = run_files.open_directory(first, tmp_path / "runs") / "record.json"
    records.write(made(first), path)
    answer = call(experiment, "--dry-run")
    assert listed(answer) == ids(wanted)
    *shown, total = answer.out.splitlines()
    assert shown[0] == f"done    ERM at 0.020, seed 1: {first.id}"
    assert shown[1].startswith("missing ERM at 0.020, seed 2: ")
    # `plain` shares the record.
    assert total == f"{len(wanted)} cells: 2 done, {len(wanted) - 2} missing"
    assert not experiment.train.trained
    assert len(list((tmp_path / "runs").rglob("settings.json"))) == 1


def test_what_is_missing_is_run_once_and_shown(call):
    experiment = table()
    answer = call(experiment)
    assert answer.code == 0
    assert "Toys, profile quick: mean ± standard deviation" in answer.out
    assert lines(answer)["ERM"] == ["0.500 ± 0.354"] * 2
    assert lines(answer)["plain"] == lines(answer)["ERM"]
    assert "missing" not in answer.out
    # Rows that ask for the same settings share their runs.
    distinct = {*ids(cells("quick", digits="mnist-5000"))}
    assert sorted(experiment.train.trained) == sorted(distinct)
    assert len(distinct) == 8
    experiment.train.trained.clear()
    assert call(experiment).out == answer.out
    assert not experiment.train.trained


def test_two_tables_share_a_run(call):
    first, second = table(), table(name="others")
    call(first, "--methods", "ERM")
    call(second, "--methods", "plain", "bias-balanced")
    assert len(first.train.trained) == len(second.train.trained) == 4
    assert not {*first.train.trained} & {*second.train.trained}


def test_a_cell_that_fails_is_named_and_stops_no_other(call):
    bad = few()[0].settings
    experiment = table(train=Trainer(bad))
    answer = call(experiment, "--methods", "ERM", "bias-balanced")
    assert answer.code == 1
    assert "1 runs failed, 7 are done" in answer.err
    assert f"{bad.id}: ArithmeticError: it went wrong" in answer.err
    assert lines(answer)["ERM"] == ["0.750 (n=1)", "0.500 ± 0.354"]
    assert lines(answer)["bias-balanced"] == ["0.500 ± 0.354"] * 2
    assert "1 of 8 cells are missing" in answer.out
    # The same command tries it again, and nothing else.
    mended = table(train=Trainer())
    answer = call(mended, "--methods", "ERM", "bias-balanced")
    assert answer.code == 0
    assert mended.train.trained == [bad.id]
    assert lines(answer)["ERM"] == ["0.500 ± 0.354"] * 2


def test_flags_come_to_the_sweep(tmp_path, monkeypatch):
    received = {}

    def run(settings, **given):
        received.update(given, settings=list(settings))
        return []

    monkeypatch.setattr(sweep, "run", run)
    prepared = []

    def prepare(settings, options):
        prepared.append((list(settings), options.data_dir))
        return "prepared"

    source = Source(find=lambda options: {"digits": "mnist"}, prepare=prepare)
    experiment = table(source=source)
    flags = ["--backend", "dask", "--address", "tcp://10.0.0.1:8786"]
    flags += ["--jobs", "3", "--devices", "2", "--data-dir", "data", "--methods", "ERM"]
    driver.main(experiment, [*flags, "--output-dir", str(tmp_path)])
    wanted = [cell.settings for cell in few(digits="mnist")]
    assert prepared == [(wanted, "data")]
    assert received == {
        "settings": wanted,
        "output_dir": str(tmp_path),
        "data_dir": "prepared",
        "jobs": 3,
        "devices": 2,
        "backend": "dask",
        "address": "tcp://10.0.0.1:8786",
        "train": experiment.train,
    }


@pytest.mark.parametrize(
    "error", [ValueError, FileNotFoundError, PermissionError, ImportError]
)
def test_what_cannot_be_prepared_is_told(call, error):
    def prepare(settings, options):
        raise error("the dog ate them")

    def find(options):
        raise error("the dog ate them")

    usual = shared()["source"]
    for changes in ({"prepare": prepare}, {"find": find}):
        experiment = table(source=dataclasses.replace(usual, **changes))
        answer = call(experiment)
        assert (answer.code, answer.out) == (2, "")
        assert answer.err.endswith("error: the dog ate them\n")
        assert not experiment.train.trained


# Flags that choose cells.


def test_rows_variances_and_seeds_can_be_chosen(call):
    answer = call(
        table(),
        *("--dry-run", "--profile", "fast", "--methods", "long", "ERM"),
        *("--variances", "0.03", "--seeds", "3"),
    )
    expected = cells("fast", digits="mnist-5000", variances=[0.03], seeds=3)
    rows = [cell for cell in expected if cell.row in ("ERM", "long")]
    assert listed(answer) == ids(rows)
    assert len(rows) == 6


def test_an_experiment_may_have_usual_variances_and_seeds(call):
    experiment = table(usual_variances=(0.03,), usual_seeds=1)
    expected = cells("quick", digits="mnist-5000", variances=[0.03], seeds=1)
    assert listed(call(experiment, "--dry-run")) == ids(expected)
    flags = ["--dry-run", "--variances", "0.02", "0.05", "--seeds", "2"]
    expected = cells("quick", digits="mnist-5000")
    assert listed(call(experiment, *flags)) == ids(expected)


@pytest.mark.parametrize("rows", [["ERN"], ["ERM", "long"]])
def test_a_row_that_the_profile_lacks(call, rows):
    answer = call(table(), "--profile", "quick", "--methods", *rows)
    assert answer.code == 2
    assert re.search(
        r"no such row in toys, profile quick. Expected: some of \['ERM', 'bias-"
        rf"balanced', 'plain'\]. Received: \['{rows[-1]}'\]. Correct --methods",
        answer.err,
    )


def test_settings_can_be_changed(call):
    answer = call(table(), "--dry-run", "--set", "epochs=3", "batch_size=8")
    expected = [
        change(cell.settings, epochs=3, batch_size=8).id
        for cell in cells("quick", digits="mnist-5000")
    ]
    assert listed(answer) == expected
    plain = listed(call(table(), "--dry-run"))
    assert not {*expected} & {*plain}


def test_what_a_profile_must_say_stands_below(call):
    note = "Ours, chosen by an oracle."
    noted = dataclasses.replace(PROFILES["quick"], note=note)
    answer = call(table(cells=lambda *args, seeds, **kwargs: noted.cells(seeds=seeds)))
    assert answer.out.endswith(f"\n\n  {note}\n")
    assert note not in call(table()).out


def test_changes_are_named_in_the_title(call):
    answer = call(table(), "--methods", "ERM", "--set", "epochs=3", "decay=cosine")
    assert "Toys, profile quick with epochs=3, decay=cosine: mean" in answer.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["epochs=2", "epochs=3"], "each setting one value.*different names"),
        (["seed=7", "epochs=3"], "seed with --seeds 1 alone"),
        (["epoch=3"], r"settings \['epoch'\]. Expected: some of.*'epochs'"),
        (["mi_weight=1"], r"None of the chosen cells.*\['mi_weight'\]"),
        (["epochs=three"], "`epochs` is wrong.*Received: 'three'"),
        (["epochs=1.5"], r"`epochs` is wrong.*Received: 1\.5"),
        (["epochs=0"], "`epochs` is wrong.*Received: 0"),
        (["epochs=true"], "`epochs` is wrong.*Received: True"),
        (["epochs=[3]"], r"`epochs` is wrong.*Received: \(3,\)"),
        (["augment=1"], "`augment` is wrong.*Received: 1"),
        (["learning_rate=NaN"], "`learning_rate` is wrong.*Received: nan"),
        (["decay=linear"], "`decay` is wrong.*Received: 'linear'"),
        (["epochs"], "A setting has a name and a value"),
        (["epochs=3", "=3"], "A setting has a name and a value"),
        (["epochs_per_report=4"], "`epochs_per_report` must divide `epochs`"),
        (["attribute=bits"], "A label prior is counted per value"),
    ],
)
def test_wrong_changes_are_refused(call, words, message):
    experiment = table()
    answer = call(experiment, "--set", *words)
    assert (answer.code, answer.out) == (2, "")
    assert re.search(message, " ".join(answer.err.split())), answer.err
    assert not experiment.train.trained


# Profiles and data.


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        (["paper", "fast", "quick"], "quick"),
        (["paper", "fast"], "fast"),
        (["paper"], "paper"),
    ],
)
def test_without_a_profile_a_machine_is_quick(call, known, expected):
    profiles = {name: PROFILES[name] for name in known}
    answer = call(table(profiles=profiles), "--dry-run")
    assert listed(answer) == ids(cells(expected, digits="mnist-5000"))


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        (["fast", "paper", "quick"], "fast"),
        (["paper", "quick"], "paper"),
        (["quick"], "quick"),
    ],
)
def test_without_a_profile_records_show_their_best(call, tmp_path, held, expected):
    # One record is enough.
    shown = release(tmp_path / "records", [few(name)[0] for name in held])
    answer = call(table(), *shown)
    assert answer.code == 0
    assert f"Toys, profile {expected}: " in answer.out


def test_records_are_shown_as_far_as_they_go(call, tmp_path):
    shown = release(
        tmp_path / "records",
        [
            *few("fast", "ERM")[:2],
            few("fast", "bias-balanced")[2],
            few("quick", "bias-balanced")[0],
        ],
    )
    experiment = table()
    answer = call(experiment, *shown)
    assert answer.code == 0
    found = lines(answer)
    assert found["method"] == ["0.020", "0.050"]
    assert found["ERM"] == found["plain"] == ["0.500 ± 0.354", "-"]
    assert found["bias-balanced"] == ["-", "0.250 (n=1)"]
    assert found["long"] == ["-", "-"]
    assert "11 of 16 cells are missing" in answer.out
    # Of a profile that is named all cells are shown, too.
    assert call(table(), *shown, "--profile", "fast").out == answer.out
    assert not experiment.train.trained


def test_records_of_other_settings_are_not_shown(call, tmp_path):
    today = few("fast")[0]
    old = Cell("ERM", "0.020", change(today.settings, epochs=99))
    shown = release(tmp_path / "records", [old])
    answer = call(table(), *shown, "--profile", "fast")
    assert answer.code == 2
    assert "Received: 1 records of other runs" in answer.err
    release(tmp_path / "records", [today])
    assert lines(call(table(), *shown))["ERM"] == ["0.250 (n=1)", "-"]


def test_better_digits_win(call, tmp_path):
    shown = release(
        tmp_path / "records",
        [few()[0], few(digits="kim")[0], few(digits="mnist")[1]],
    )
    assert lines(call(table(), *shown))["ERM"] == ["0.750 (n=1)", "-"]


def test_digits_of_most_cells_win(call, tmp_path):
    shown = release(tmp_path / "records", [few(digits="mnist")[0], few()[1], few()[3]])
    assert lines(call(table(), *shown))["ERM"] == ["0.750 (n=1)"] * 2


@pytest.mark.parametrize("make", [table, figure])
@pytest.mark.parametrize("flags", [[], ["--profile", "paper"]])
def test_no_records_to_show(call, tmp_path, make, flags):
    (tmp_path / "records").mkdir()
    shown = ["--from-records", str(tmp_path / "records"), *flags]
    answer = call(make(), *shown)
    assert (answer.code, answer.out) == (2, "")
    names = "paper" if flags else "fast or paper or quick"
    assert f"No records of toys, profile {names}, in {tmp_path}" in answer.err
    assert not list(tmp_path.glob("figures/*"))
    # What is missing can be listed all the same.
    assert len(listed(call(make(), *shown, "--dry-run"))) > 0


def test_no_directory_of_records(call, tmp_path):
    answer = call(table(), "--from-records", str(tmp_path / "absent"))
    assert answer.code == 2
    assert "absent, which is not a directory" in answer.err


def test_damaged_records_are_told(call, tmp_path):
    shown = release(tmp_path / "records", few())
    (tmp_path / "records" / "colored_mnist.jsonl").write_text("{\n")
    answer = call(table(), *shown)
    assert answer.code == 2
    assert "colored_mnist.jsonl, line 1 is not JSON" in answer.err
    run = run_files.open_directory(few()[0].settings, tmp_path / "runs")
    (run / "record.json").write_text("{")
    answer = call(table())
    assert answer.code == 2
    assert "record.json is not JSON" in answer.err
