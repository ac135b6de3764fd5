"""Runs on several devices: a record like that of one, and the same identity."""

import pathlib
import subprocess
import sys

import pytest
import tensorflow as tf
import toy_runs

from reproduce.experiment import devices, records

TESTS = pathlib.Path(__file__).parents[1]
RUN = """
import sys

sys.path.insert(0, sys.argv[1])
import toy_runs

from reproduce.experiment import run

toy_runs.register(lambda registry, name, value: registry.__setitem__(name, value))
settings = toy_runs.settings(estimator_optimizer="sgd", epochs=4, epochs_per_report=2)
run.train(settings, output_dir=sys.argv[2], devices=int(sys.argv[3]))
"""


@pytest.mark.slow
def test_a_run_on_two_devices_has_the_record_of_one(tmp_path):
    found = []
    for count in (1, 2):
        command = [sys.executable, "-c", RUN, str(TESTS), f"{tmp_path}/{count}"]
        done = subprocess.run(
            [*command, str(count)],
            capture_output=True,
            text=True,
            env={"PYTHONPATH": str(TESTS.parent), "PATH": ""},
        )
        assert done.returncode == 0, done.stderr
        (path,) = pathlib.Path(tmp_path, str(count)).glob("*/*/record.json")
        found.append(records.read(path))
    one, two = found
    assert one.id == two.id
    assert isinstance(one.settings.data, toy_runs.Toy)
    assert (one.environment["devices"], two.environment["devices"]) == (1, 2)
    for name in ("loss", "mutual_information", "test_accuracy"):
        assert two.history[name] == pytest.approx(one.history[name], abs=2e-3)
    assert two.metrics["test_accuracy"] == pytest.approx(
        one.metrics["test_accuracy"], abs=5e-3
    )


def test_a_job_has_the_devices_that_are_asked_for(monkeypatch):
    # TensorFlow has begun.
    tf.constant(0)
    assert devices.strategy().num_replicas_in_sync == 1
    with pytest.raises(ValueError, match="Received: --devices 3. Use another process"):
        devices.strategy(3)
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["a", "b"])
    with pytest.raises(ValueError, match="at most 2 GPUs. Received: --devices 3. Ask"):
        devices.strategy(3)
    monkeypatch.setattr(devices, "_mirrored", lambda names: names)
    assert devices.strategy() == ("GPU:0", "GPU:1")
    assert devices.strategy(batch_size=24) == ("GPU:0", "GPU:1")
    # Two would not share such a batch evenly.
    assert not isinstance(devices.strategy(batch_size=25), tuple)
    with pytest.raises(ValueError, match=r"divides batch_size=25. Received: .* 2\."):
        devices.strategy(2, batch_size=25)
