"""The driver: what is gathered, run and shown, and what ends with an error."""

import collections
import dataclasses
import json
import re
import shlex

import matplotlib.figure
import pandas as pd
import pytest
import synthetic
import toy_runs

from reproduce.experiment import (
    driver,
    fresh_estimates,
    records,
    run,
    run_files,
    sweep,
)
from reproduce.experiment.groups import BiasBalanced, Constant
from reproduce.experiment.results import Cell
from reproduce.experiment.settings import change
from reproduce.experiment.sources import Source
from reproduce.experiment.tables import Column, accuracy, make_table
from reproduce.recipes.digits import by_variance
from reproduce.recipes.profile import Profile

Answer = collections.namedtuple("Answer", "code out err")

ROWS = {
    "ERM": {},
    "bias-balanced": {"method": BiasBalanced()},
    # A row that shares its runs with the first.
    "plain": {},
    "long": {"epochs": 9},
}
PROFILES = {
    name: Profile(
        base=synthetic.settings(batch_size=batch_size),
        rows={row: ROWS[row] for row in rows},
        columns=by_variance((0.02, 0.05)),
        seeds=2,
    )
    for name, batch_size, rows in (
        ("paper", 16, ROWS),
        ("fast", 64, ROWS),
        ("quick", 32, ["ERM", "bias-balanced", "plain"]),
    )
}
CHOICES = [{"digits": name} for name in ("mnist", "kim", "mnist-5000")]


def cells(profile, *, digits, variances=None, seeds=None):
    columns = variances and by_variance(variances)
    return [
        Cell(cell.row, cell.column, change(cell.settings, digits=digits))
        for cell in PROFILES[profile].cells(None, columns, seeds)
    ]


def few(profile="quick", row="ERM", seeds=2, digits="mnist-5000"):
    """The cells of one row, variance by variance."""
    made = cells(profile, digits=digits, seeds=seeds)
    return [cell for cell in made if cell.row == row]


def made(settings, **changes):
    """A record whose accuracy is 0.25 with odd seeds, 0.75 with even ones."""
    accuracy = 0.25 if settings.seed % 2 else 0.75
    return synthetic.record(settings, accuracy, **changes)


def release(directory, chosen):
    """Releases records of cells; returns the flag that shows them."""
    directory.mkdir(exist_ok=True)
    records.release([made(cell.settings) for cell in chosen], directory)
    return ["--from-records", str(directory)]


class Trainer:
    """Stands in for training."""

    def __init__(self, *failing):
        self.failing = {settings.id for settings in failing}
        self.trained = []

    def __call__(self, settings, *, output_dir, data_dir, threads):
        self.trained.append(settings.id)
        if settings.id in self.failing:
            raise ArithmeticError("it went wrong")
        path = run_files.open_directory(settings, output_dir)
        records.write(made(settings), path / "record.json")


def tables(results, title, notes):
    return [
        make_table(
            results,
            [Column(v, accuracy, v) for v in results.columns],
            title=f"Toys, {title}",
            notes=notes,
        )
    ]


def shared(**changes):
    return {
        "name": "toys",
        "description": "Toys.",
        "cells": cells,
        "profiles": PROFILES,
        "source": Source(
            choices=CHOICES, find=lambda options: {"digits": "mnist-5000"}
        ),
        "variances": (0.02, 0.03, 0.05),
        "train": Trainer(),
        **changes,
    }


def table(**changes):
    return driver.Table(**shared(**{"tables": tables, **changes}))


def draw(results):
    if not results.found:
        raise ValueError("A figure needs records.")
    points = [str(cell) for cell, _ in results.found]
    return matplotlib.figure.Figure(), points


def figure(**changes):
    return driver.Figure(**shared(**{"draw": draw, **changes}))


@pytest.fixture
def call(capsys, tmp_path, monkeypatch):
    """Calls the driver; returns exit code, output and errors."""
    # Nothing here looks at a picture.
    monkeypatch.setattr(
        matplotlib.figure.Figure, "savefig", lambda *args, **kwargs: None
    )

    def call(experiment, *flags):
        words = [*flags, "--output-dir", str(tmp_path / "runs"), "--jobs", "1"]
        if isinstance(experiment, driver.Figure):
            words += ["--figures-dir", str(tmp_path / "figures")]
        try:
            code = driver.main(experiment, words)
        except SystemExit as stopped:
            code = stopped.code
        return Answer(code, *capsys.readouterr())

    return call


def lines(answer):
    """Cells of a printed table by the name of their row."""
    parts = [re.split("  +", line.strip()) for line in answer.out.splitlines() if line]
    return {name: values for name, *values in parts}


def listed(answer):
    """Ids of the cells that a dry run lists."""
    assert answer.code == 0, answer.err
    return [line.split()[-1] for line in answer.out.splitlines()[:-1]]


def ids(chosen):
    return [cell.settings.id for cell in chosen]


def command(text):
    """The words of the command that fills what is missing."""
    (found,) = re.findall("To run them[^:]*: (python .*)", text)
    python, script, *words = shlex.split(found)
    assert (python, script) == ("python", "reproduce/toys.py")
    return words


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
    flags += ["--jobs", "3", "--data-dir", "data", "--methods", "ERM"]
    driver.main(experiment, [*flags, "--output-dir", str(tmp_path)])
    wanted = [cell.settings for cell in few(digits="mnist")]
    assert prepared == [(wanted, "data")]
    assert received == {
        "settings": wanted,
        "output_dir": str(tmp_path),
        "data_dir": "prepared",
        "jobs": 3,
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
    answer = call(table(profiles={"quick": noted}))
    assert answer.out.endswith(f"\n\n  {note}\n")
    assert note not in call(table()).out


def test_changes_are_named_in_the_title(call):
    answer = call(table(), "--methods", "ERM", "--set", "epochs=3", "decay=cosine")
    assert "Toys, profile quick with epochs=3, decay=cosine: mean" in answer.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
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


# The command that fills a `-`.


@pytest.mark.parametrize(
    ("profile", "there", "flags"),
    [
        ("fast", slice(0, 1), []),
        ("fast", slice(4, 9), []),
        ("quick", slice(0, 1), []),
        ("fast", slice(0, 1), ["--methods", "ERM", "long"]),
        # All rows that were asked for, but not all that there are.
        ("fast", slice(1, 2), ["--methods", "ERM"]),
        ("fast", slice(0, 1), ["--seeds", "4", "--variances", "0.03", "0.02"]),
        ("fast", slice(0, 2), ["--set", "epochs=3", "batch_size=8"]),
        # The label of a column is what can be asked for.
        ("fast", slice(0, 1), ["--set", "color_variance=0.3"]),
    ],
)
@pytest.mark.parametrize("make", [table, figure])
def test_the_command_asks_for_what_is_missing(
    call, tmp_path, make, profile, there, flags
):
    shown = ["--profile", profile, *flags]
    wanted = listed(call(make(), *shown, "--dry-run"))
    # Some of them are there.
    asked = argparse_cells(make(), shown)
    held = release(tmp_path / "records", asked[there])
    answer = call(make(), *shown, *held)
    listing = call(make(), *shown, *held, "--dry-run").out
    missing = {
        line.split()[-1] for line in listing.splitlines() if line.startswith("missing ")
    }
    assert missing and missing < {*wanted} | {""}
    text = answer.out + answer.err
    assert re.search(r"\d+ of \d+ cells are missing", text)
    words = command(text)
    # Records that are shown are no finished runs: it says so.
    assert f"and others of these rows that {tmp_path / 'runs'} lacks:" in text
    again = listed(call(make(), *words, "--dry-run"))
    assert missing <= {*again} <= {*wanted}
    if "--methods" in flags:
        rows = words[words.index("--methods") + 1 : words.index("--variances")]
        assert {*rows} <= {*flags[1:]}


def argparse_cells(experiment, flags):
    parser = driver.flags.make_parser("", PROFILES, experiment.variances)
    options = driver.flags.parse(parser, flags)
    return experiment.make_cells(options, {"digits": "mnist-5000"})


def test_the_command_can_be_typed(call, tmp_path):
    bad = [few(row="bias-balanced")[3].settings]
    experiment = table(train=Trainer(*bad))
    flags = ["--data-dir", "my data", "--set", "decay=cosine", "seed=2"]
    bad = [change(settings, decay="cosine") for settings in bad]
    experiment = table(train=Trainer(*bad))
    answer = call(experiment, *flags)
    assert answer.code == 1
    words = command(answer.out)
    assert words == [
        *("--profile", "quick", "--methods", "bias-balanced"),
        *("--variances", "0.05", "--seeds", "1"),
        *("--set", "decay=cosine", "seed=2", "--data-dir", "my data"),
        *("--output-dir", str(tmp_path / "runs")),
    ]
    # It runs these alone: the others are there.
    assert "To run them: python" in answer.out
    mended = table(train=Trainer())
    assert call(mended, *words).code == 0
    assert mended.train.trained == [settings.id for settings in bad]
    assert "missing" not in call(table(), *flags).out


# Pages.


@pytest.fixture
def page(tmp_path, monkeypatch):
    """A page of blocks, and the flags that show the records of two rows."""
    monkeypatch.setattr(driver, "ROOT", tmp_path)
    monkeypatch.setattr(records, "RELEASED", (tmp_path / "records").resolve())
    release(
        tmp_path / "records",
        [*few("fast", digits="mnist"), *few("quick", digits="kim")],
    )
    path = tmp_path / "page.md"
    path.write_text(
        "# T\n<!-- toys fast -->\nold\n<!-- /toys fast -->\n"
        "<!-- toys fast seeds_1 -->\n<!-- /toys fast seeds_1 -->\nend\n"
    )
    return path


def test_a_block_is_rewritten(call, page):
    shown = ["--from-records", str(page.parent / "records"), "--update-docs"]
    answer = call(table(), *shown, "--format", "markdown")
    assert answer.code == 0
    head, tail = "# T\n<!-- toys fast -->\n", "<!-- /toys fast -->\n"
    other = "<!-- toys fast seeds_1 -->\n<!-- /toys fast seeds_1 -->\nend\n"
    assert page.read_text("utf-8") == head + answer.out + tail + other
    # The page has Markdown whatever is printed, and other seeds a block.
    answer = call(table(), *shown, "--seeds", "1")
    assert "\n- " not in answer.out
    one = page.read_text("utf-8").partition("<!-- toys fast seeds_1 -->\n")[2]
    assert one.startswith("**Toys, profile fast: seed 1, one run per cell.**")
    # As many seeds as usual are no choice.
    before = page.read_text("utf-8")
    assert call(table(), *shown, "--seeds", "2").code == 0
    assert page.read_text("utf-8") == before


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--seeds", "3"], "has the block 'toys fast seeds_3'"),
        # Records on other data do not take the place of the usual ones.
        (["--profile", "quick"], "has the block 'toys quick digits_kim'"),
        (["--profile", "paper"], "No records of toys, profile paper"),
        (["--methods", "ERM"], "Expected: no --methods"),
        (["--variances", "0.02"], "Expected: no --variances"),
        (["--set", "epochs=3"], "Expected: no --set"),
        (["--dry-run"], "Expected: no --dry-run"),
        (["--from-records", "runs"], "the pages show released records"),
    ],
)
def test_a_page_is_left_alone(call, page, flags, message):
    before = page.read_text("utf-8")
    shown = ["--from-records", str(page.parent / "records"), "--update-docs"]
    answer = call(table(), *shown, *flags)
    assert answer.code == 2
    assert message in answer.err
    assert page.read_text("utf-8") == before


# Figures.


def drawn(tmp_path, name):
    return json.loads((tmp_path / "figures" / f"{name}.json").read_text())


def test_a_figure_is_drawn_and_says_of_what(call, tmp_path):
    held = release(tmp_path / "records", few("fast", digits="mnist")[:3])
    answer = call(figure(), *held)
    assert answer.code == 0
    path = tmp_path / "figures" / "toys_fast"
    assert answer.out == f"{path}.png, .pdf and .json\n"
    assert {p.name for p in path.parent.iterdir()} == {
        f"toys_fast.{end}" for end in ("png", "pdf", "json")
    }
    found = drawn(tmp_path, "toys_fast")
    assert found["about"] == (
        "profile fast, 60,000 training rows, seeds 1, 2, 10 of 16 cells missing"
    )
    # `plain` shares the runs of the first row.
    assert found["runs"] == 2 * ids(few("fast", digits="mnist")[:3])
    assert found["points"][0] == "ERM at 0.020, seed 1"
    assert "10 of 16 cells are missing. To run them" in answer.err


@pytest.mark.parametrize(
    ("flags", "name", "about"),
    [
        (["--seeds", "1"], "toys_fast_seeds_1", "profile fast, "),
        (["--seeds", "2"], "toys_fast", "profile fast, "),
        (["--variances", "0.02"], "toys_fast_variances_0.02", "profile fast, "),
        (["--methods", "ERM"], "toys_fast_methods_ERM", "profile fast, "),
        (
            ["--set", "epochs=3", "decay=cosine"],
            "toys_fast_set_epochs=3_decay=cosine",
            "profile fast with epochs=3, decay=cosine, ",
        ),
    ],
)
def test_another_choice_has_files_of_its_own(call, tmp_path, flags, name, about):
    chosen = argparse_cells(figure(), ["--profile", "fast", *flags])
    best = [
        Cell(cell.row, cell.column, change(cell.settings, digits="mnist"))
        for cell in chosen
    ]
    held = release(tmp_path / "records", best)
    assert call(figure(), *held, "--profile", "fast", *flags).code == 0
    assert drawn(tmp_path, name)["about"].startswith(about)


def test_other_data_have_files_of_their_own(call, tmp_path):
    assert call(figure()).code == 0
    assert drawn(tmp_path, "toys_quick_digits_mnist-5000")["runs"]


def test_a_figure_draws_what_it_chooses(call, tmp_path):
    def first(results):
        (_, record), *_ = results.found
        return dataclasses.replace(results, records={record.id: record})

    held = release(tmp_path / "records", few("fast", digits="mnist"))
    answer = call(figure(choose=first), *held, "--methods", "ERM")
    assert answer.code == 0
    found = drawn(tmp_path, "toys_fast_methods_ERM")
    assert found["runs"] == ids(few("fast", digits="mnist")[:1])
    # The picture tells of those that are in it alone.
    assert "60,000 training rows, seed 1, 3 of 4 cells" in found["about"]
    assert "missing" not in answer.err


@pytest.mark.parametrize("where", ["choose", "draw"])
def test_nothing_is_drawn(call, tmp_path, where):
    def refuse(results):
        raise ValueError("There is nothing to choose from.")

    held = release(tmp_path / "records", few("fast"))
    answer = call(figure(**{where: refuse}), *held)
    assert (answer.code, answer.out) == (1, "")
    message = "Nothing is drawn. There is nothing to choose from.\n"
    assert answer.err.endswith(message)
    assert not list(tmp_path.glob("figures/*"))


def test_a_figure_is_drawn_though_a_cell_failed(call, tmp_path):
    bad = few()[0].settings
    answer = call(figure(train=Trainer(bad)))
    assert answer.code == 1
    assert f"{bad.id}: ArithmeticError" in answer.err
    about = drawn(tmp_path, "toys_quick_digits_mnist-5000")["about"]
    assert about.endswith("2 of 12 cells missing")


# Whole runs, in this process.


TOYS = Profile(
    base=toy_runs.settings("erm", epochs=2),
    rows={"ERM": {}, "constant": {"method": Constant()}},
    seeds=1,
)


def toy_cells(profile, *, seeds=None):
    return TOYS.cells(seeds=seeds)


def toy_train(settings, *, output_dir, data_dir, threads):
    # The number of TensorFlow's threads cannot be changed any more.
    return run.train(settings, output_dir=output_dir, data_dir=data_dir)


def toy_tables(results, title, notes):
    column = Column("accuracy", accuracy)
    return [make_table(results, [column], title=title, notes=notes)]


def test_runs_are_trained_resumed_and_shown(call, tmp_path, monkeypatch):
    toy_runs.register(monkeypatch.setitem)
    # For time: what fresh estimators find is no matter here.
    monkeypatch.setattr(
        fresh_estimates,
        "held_out_information",
        lambda *args, **kwargs: {"mutual_information": 0.25},
    )
    experiment = table(
        cells=toy_cells,
        profiles={"quick": TOYS},
        source=Source(),
        variances=None,
        train=toy_train,
        tables=toy_tables,
    )
    erm, constant = (cell.settings for cell in TOYS.cells())
    with monkeypatch.context() as patch:
        write = records.write

        def full_disk(record, path):
            if record.id == erm.id:
                raise OSError("no space is left")
            write(record, path)

        patch.setattr(records, "write", full_disk)
        answer = call(experiment)
    assert answer.code == 1
    assert f"{erm.id}: OSError: no space is left" in answer.err
    assert lines(answer)["ERM"] == ["-"]
    assert 0.2 < float(lines(answer)["constant"][0]) < 0.5
    assert "--methods ERM --seeds 1" in answer.out
    history = run_files.directory(erm, tmp_path / "runs") / "history.csv"
    before = history.read_text()
    assert before.count("\n") == 3
    answer = call(experiment)
    assert answer.code == 0
    accuracy = float(lines(answer)["ERM"][0])
    # It went on where it was: no epoch was trained again.
    assert history.read_text() == before
    last = float(pd.read_csv(history).val_accuracy.iloc[-1])
    assert accuracy == pytest.approx(last, abs=6e-4)
    # What was run can be shown from its directory.
    shown = ["--from-records", str(tmp_path / "runs")]
    assert call(experiment, *shown).out == answer.out
    assert listed(call(experiment, *shown, "--dry-run")) == [
        erm.id,
        constant.id,
    ]
