"""What a script tells beside its results."""

import pytest
from toy_experiments import PROFILES, few, release, table

from reproduce.experiment.sources import Source


def told(answer):
    assert answer.code == 0, answer.err
    return answer.err.splitlines()


def test_a_script_tells_how_far_it_is(call, tmp_path):
    first, begin, *_ = told(call(table()))
    assert first == "toys: looking for its data and finished runs."
    # Of 12 cells 4 share the runs of others.
    assert begin.startswith(f"8 runs are missing in {tmp_path / 'runs'}.")
    assert f"All runs are in {tmp_path / 'runs'}." in told(call(table()))
    (tmp_path / "runs").rename(tmp_path / "others")
    one = ["--methods", "ERM", "--seeds", "1", "--variances", "0.02"]
    assert told(call(table(), *one))[1].startswith("1 run is missing in ")


@pytest.mark.parametrize(
    ("flags", "last"),
    [
        (["--profile", "quick"], "--profile fast --data-dir DIR"),
        (["--profile", "quick", "--data-dir", "my data"], "--profile fast --data-dir"),
        (["--profile", "fast"], "--profile paper --data-dir DIR"),
    ],
)
def test_the_last_line_is_the_next_command(call, flags, last):
    line = told(call(table(), *flags))[-1]
    assert line.startswith(f"Next: python reproduce/toys.py {last}")
    assert line.endswith("'my data'") == ("my data" in flags)


def test_after_the_last_profile_comes_a_page(call):
    line = told(call(table(), "--profile", "paper"))[-1]
    assert line.startswith("Next: docs/experiments/running.md")


def test_an_experiment_without_files_needs_no_directory(call):
    usual = table().cells

    def cells(profile, **asked):
        return usual(profile, digits="mnist", **asked)

    experiment = table(source=Source(), cells=cells)
    line = told(call(experiment))[-1]
    assert line == "Next: python reproduce/toys.py --profile fast"


def test_data_that_are_fetched_by_hand_are_named(call, tmp_path):
    usual = table().cells

    def cells(profile, **asked):
        return usual(profile, digits="mnist", **asked)

    experiment = table(source=Source(by_hand=True), cells=cells)
    line = told(call(experiment, "--profile", "quick"))[-1]
    assert line == "Next: python reproduce/toys.py --profile fast --data-dir DIR"
    held = release(tmp_path / "records", few("quick", digits="mnist"))
    text = call(experiment, *held, "--profile", "quick").out
    assert "--data-dir DIR" in text.partition("To run them")[2]


def test_after_records_comes_the_first_training(call, tmp_path):
    held = release(tmp_path / "records", few("fast"))
    line = told(call(table(), *held, "--methods", "ERM"))[-1]
    assert line == "Next: python reproduce/toys.py --profile quick"


def test_what_is_missing_comes_before_what_is_next(call, tmp_path):
    held = release(tmp_path / "records", few("fast")[:1])
    answer = call(table(profiles={"fast": PROFILES["fast"]}), *held)
    assert "cells are missing. To run them" in answer.out
    assert "Next: " not in answer.err
