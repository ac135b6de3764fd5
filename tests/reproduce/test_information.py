"""Known information: the runs of three packages, and the tables."""

import json
import sys
import types

import numpy as np
import pytest
from scripts import EXPERIMENTS, cells_of, publish, rows

from reproduce.experiment import information, known_tasks
from reproduce.experiment.groups import InformationEstimate, KnownInformation
from reproduce.experiment.settings import Settings


@pytest.fixture
def tasks(tmp_path):
    directory = tmp_path / "tasks"
    directory.mkdir()
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 1)).astype("float32")
    y = x + rng.normal(size=(400, 1)).astype("float32")
    codes = (x > 0).astype("float32")
    np.savez(directory / "numbers.npz", x=x, y=y)
    np.savez(directory / "category.npz", x=codes, y=y)
    truths = {
        "numbers": {"mutual_information_nats": np.log(2) / 2},
        "category": {"mutual_information_nats": 0.2},
    }
    (directory / "tasks.json").write_text(json.dumps(truths))
    return directory


def run(package, task, tasks, tmp_path):
    settings = Settings(
        data=KnownInformation(task=task),
        method=InformationEstimate(package=package),
        seed=3,
    )
    return information.train(settings, output_dir=tmp_path / "runs", data_dir=tasks)


def test_a_run_of_ours(tasks, tmp_path, monkeypatch):
    import keras_unbias

    asked = []

    def estimate(*given, seed):
        asked.append((*given, seed))
        return types.SimpleNamespace(
            value=0.3,
            low=0.2,
            high=0.4,
            estimator="trees",
            bounds={"trees": types.SimpleNamespace(value=0.31)},
        )

    monkeypatch.setattr(keras_unbias, "mutual_information", estimate)
    record = run("keras_unbias", "numbers", tasks, tmp_path)
    ((x, y, seed),) = asked
    assert (x.shape, y.shape, seed) == ((400, 1), (400, 1), 3)
    metrics = dict(record.metrics)
    assert metrics.pop("processor_seconds") >= 0
    assert metrics == {
        "truth": np.log(2) / 2,
        **{"information": 0.3, "low": 0.2, "high": 0.4},
        "chosen": {"trees": 1},
        "bounds": {"trees": 0.31},
    }
    # The record is there now.
    assert run("keras_unbias", "numbers", tasks, tmp_path) == record
    assert len(asked) == 1


@pytest.mark.parametrize("task", ["numbers", "category"])
def test_a_run_of_scikit_learn(task, tasks, tmp_path):
    record = run("scikit-learn", task, tasks, tmp_path)
    # log 2 less the entropy of the sign of X given Y, of 1/3 log 2 or so.
    assert 0.15 < record.metrics["information"] < 0.45
    assert record.environment["versions"]["scikit-learn"]


def test_a_run_of_infomeasure(tasks, tmp_path, monkeypatch):
    def estimate(x, y, approach, base):
        assert (x.dtype, y.shape, approach, base) == (float, (400, 1), "ksg", "e")
        return np.float64(0.35)

    package = types.SimpleNamespace(mutual_information=estimate)
    monkeypatch.setitem(sys.modules, "infomeasure", package)
    monkeypatch.setattr(information.metadata, "version", {"infomeasure": "9.9"}.get)
    record = run("infomeasure", "numbers", tasks, tmp_path)
    assert record.metrics["information"] == 0.35
    assert record.environment["versions"]["infomeasure"] == "9.9"


def test_a_task_that_is_not_there(tasks, tmp_path):
    for directory in (None, tasks):
        with pytest.raises(FileNotFoundError, match="Expected: other.npz"):
            run("scikit-learn", "other", directory, tmp_path)


def test_the_tables(call, tmp_path):
    experiment = EXPERIMENTS["information"]
    made = cells_of(experiment)[:8]
    shown = publish(tmp_path / "records", made, metrics=METRICS)
    code, out, err = call(experiment, *shown)
    assert code == 0, err
    first, second = out.split("Mutual information in nats")
    # Each of the three tasks is 10 % too low, whoever is asked.
    chosen = rows(first)["keras_unbias, all tasks"]
    assert chosen == ["3 of 45", "3", "10.0", "-10.0"]
    assert rows(first)["keras_unbias, other tasks"] == ["0 of 30", "0", "-", "-"]
    task = rows(second)["1v1-normal-0.75"]
    assert task == ["0.500", "0.450", "0.450", "0.450", "-0.100", "9.000"]


METRICS = {"truth": 0.5, "information": 0.45, "processor_seconds": 9.0}


def test_tasks_are_looked_for_before_any_run(call, tasks):
    words = ["--methods", "1v1-normal-0.75"]
    code, _, err = call(EXPERIMENTS["information"], *words)
    assert code == 2 and "Expected: 1v1-normal-0.75.npz and tasks.json" in err
    with pytest.raises(FileNotFoundError, match=r"missing.npz and tasks.json.*sample"):
        known_tasks.find(tasks, "missing")
    (tasks / "tasks.json").write_text('{"category": {}}')
    for task in ("numbers", "category"):
        with pytest.raises(ValueError, match=f"mutual_information_nats of {task}"):
            known_tasks.find(tasks, task)
    (tasks / "tasks.json").write_text("{")
    with pytest.raises(ValueError, match="does not have the task"):
        known_tasks.find(tasks, "numbers")
