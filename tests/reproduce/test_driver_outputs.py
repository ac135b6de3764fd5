"""The driver: what cannot be written is told before any work."""

import dataclasses
import os
import sys

import pytest
from toy_experiments import few, figure, release, shared, table

from reproduce.experiment import driver, run_files


@pytest.mark.parametrize("make", [table, figure])
def test_where_nothing_can_be_written_nothing_is_begun(call, tmp_path, make):
    def find(options):
        raise AssertionError("Data were looked for.")

    file = tmp_path / "file"
    file.write_text("")
    hidden = dataclasses.replace(shared()["source"], find=find)
    flags = ["--output-dir"] if make is table else ["--output-dir", "--figures-dir"]
    for flag in flags:
        for path in (file, file / "below"):
            answer = call(make(source=hidden), flag, str(path))
            assert (answer.code, answer.out) == (2, "")
            assert "error: The output directory cannot be written" in answer.err
            assert answer.err.endswith(f"Received: {path}. Choose another.\n")
    assert file.read_text() == ""


def test_where_a_run_cannot_be_written_none_is_begun(call, tmp_path):
    chosen = few()
    runs = tmp_path / "runs"
    places = [run_files.directory(cell.settings, runs) for cell in chosen]
    for place in (places[-1], places[-1].parent):
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text("")
        experiment = table()
        answer = call(experiment)
        assert (answer.code, experiment.train.trained) == (2, [])
        assert f"cannot be written: [Errno 20] Not a directory: '{place}" in answer.err
        # What is not written need not be writable.
        assert call(table(), "--dry-run").code == 0
        shown = release(tmp_path / "records", chosen)
        assert call(table(), *shown).code == 0
        place.unlink()
        if place.parent != runs:
            place.parent.rmdir()


def test_a_reader_that_has_seen_enough(monkeypatch, tmp_path, capsys):
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        with pytest.raises(SystemExit) as stopped:
            driver.main(table(), ["--dry-run", "--output-dir", str(tmp_path)])
    assert stopped.value.code == 1
    assert capsys.readouterr().err == ""


def test_a_broken_pipe_of_a_worker_is_told(call, monkeypatch, tmp_path):
    def find(options):
        raise BrokenPipeError(32, "Broken pipe")

    broken = dataclasses.replace(shared()["source"], find=find)
    with (tmp_path / "stdout").open("w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        answer = call(table(source=broken))
    assert answer.code == 2
    assert answer.err.endswith("error: [Errno 32] Broken pipe\n")
