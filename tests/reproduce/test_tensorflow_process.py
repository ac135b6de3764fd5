"""TensorFlow in a process of an experiment: what it is told, and what it says."""

import doctest
import os
import pathlib
import re
import subprocess
import sys

import pytest

from reproduce.experiment import tensorflow_process

ROOT = pathlib.Path(__file__).parents[2]
# Lines of its C++ code begin with I0000, or with a time and a letter.
LOG = re.compile(r"[IWEF]\d{4} \d\d:\d\d:|: [IWEF] |absl|tensorflow|cuda|oneDNN")
# It looks for devices, computes, traces often and compiles with XLA.
WORK = """
from reproduce.experiment import tensorflow_process

tensorflow_process.import_tensorflow()
import tensorflow as tf

tf.config.list_physical_devices("GPU")
for _ in range(6):
    tf.function(lambda x: x + 1, jit_compile=True)(tf.zeros(2))
"""


def run(*command, **variables):
    """Runs Python as on a machine where nobody asked TensorFlow for anything."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("TF_")}
    done = subprocess.run(
        [sys.executable, *command],
        env={**kept, "PYTHONPATH": str(ROOT), **variables},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done


def test_the_examples_of_the_docstrings():
    failed, tried = doctest.testmod(tensorflow_process)
    assert tried > 0
    assert failed == 0


def test_the_environment_is_restored(monkeypatch):
    monkeypatch.delenv("TF_CPU_ALLOCATOR_USE_BFC", raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    before = dict(os.environ)
    with tensorflow_process.environment():
        assert os.environ["TF_CPU_ALLOCATOR_USE_BFC"] == "true"
        assert os.environ["OMP_NUM_THREADS"] == "4"
    assert dict(os.environ) == before


def test_tensorflow_is_silent():
    done = run("-c", WORK)
    assert (done.stdout, done.stderr) == ("", "")


@pytest.mark.slow
def test_tensorflow_says_what_the_user_asks_for():
    told = run("-c", WORK, TF_CPP_MIN_LOG_LEVEL="0").stderr
    assert "cpu_feature_guard" in told
    assert LOG.search(told)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["loky", "ray", "dask"])
def test_a_script_and_its_workers_are_silent(backend, tmp_path):
    script = ROOT / "reproduce" / "table3.py"
    words = ["--profile", "quick", "--seeds", "1", "--methods", "ERM"]
    words += ["--set", "epochs=2", "epochs_per_report=2", "--jobs", "2"]
    words += ["--backend", backend, "--output-dir", str(tmp_path)]
    done = run(str(script), *words)
    assert done.stdout.startswith("Table 3. German credit, profile quick")
    lines = done.stderr.splitlines()
    assert lines[0] == "table3: looking for its data and finished runs."
    assert lines[1].startswith(f"1 run is missing in {tmp_path}.")
    assert lines[-1] == "Next: python reproduce/table3.py --profile fast"
    assert "erm on german_credit, seed 1" in done.stderr
    # Ray and Dask may have something to say of their own.
    assert not [line for line in lines if LOG.search(line)]
