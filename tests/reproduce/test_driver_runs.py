"""The driver: a whole table is trained, resumed and shown, in this process."""

import pandas as pd
import pytest
import toy_runs
from toy_experiments import lines, listed, table

from reproduce.experiment import fresh_estimates, records, run, run_files
from reproduce.experiment.groups import Constant
from reproduce.experiment.profile import Profile
from reproduce.experiment.sources import Source
from reproduce.experiment.tables import Column, accuracy, make_table

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
    assert "--methods ERM --output-dir" in answer.out
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
