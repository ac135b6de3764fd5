"""Training on several devices: each process compares it with one device."""

import json
import os
import pathlib
import socket
import subprocess
import sys

import pytest

RUNS = pathlib.Path(__file__).parents[1] / "replica_runs.py"


def start(devices, *checks, **environment):
    """Starts a process of `replica_runs`."""
    return subprocess.Popen(
        [sys.executable, str(RUNS), str(devices), *checks],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def assert_passes(process, checks):
    """Waits for a process, which names each check that passed."""
    output, _ = process.communicate(timeout=1800)
    assert process.returncode == 0, output
    assert set(checks) <= set(output.split("\n")), output


def test_gradients_and_weights_are_those_of_one_device():
    checks = ("gathering", "information")
    assert_passes(start(2, *checks), checks)


@pytest.mark.slow
@pytest.mark.parametrize("devices", [2, 3])
@pytest.mark.parametrize(
    "checks",
    [
        ("erm", "weights", "bias_balanced", "chi_squared"),
        ("attribute_confusion", "adversarial_unlearning", "normalization"),
        ("conditional", "concatenated", "accumulated", "fresh"),
        ("averages", "critic_optimizer", "mixed_precision", "released"),
        ("row_losses", "scalar_loss", "compiling", "streaming", "cutting"),
    ],
)
def test_every_method_ends_with_the_weights_of_one_device(devices, checks):
    assert_passes(start(devices, *checks), checks)


@pytest.mark.slow
def test_replicas_refuse_resume_and_serve_as_one_device_does():
    checks = "refusals", "mixing", "scheduling", "resuming", "serving"
    assert_passes(start(2, *checks), checks)


@pytest.mark.slow
def test_two_machines_end_with_the_weights_of_one():
    checks = "erm", "adversarial_unlearning", "chi_squared", "fresh", "resuming"
    addresses = []
    for _ in range(2):
        with socket.socket() as free:
            free.bind(("localhost", 0))
            addresses.append(f"localhost:{free.getsockname()[1]}")
    workers = []
    for index in range(2):
        config = {
            "cluster": {"worker": addresses},
            "task": {"type": "worker", "index": index},
        }
        workers.append(start(1, *checks, TF_CONFIG=json.dumps(config)))
    for worker in workers:
        assert_passes(worker, checks)
