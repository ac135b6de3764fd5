"""What a run leaves in the memory of its process."""

import gc
import os
import subprocess
import sys
import weakref

import pytest
import tensorflow as tf
from tensorflow.python.framework import ops

from reproduce.experiment import memory


def graph_of_silu():
    """A weak reference to the graph of a compiled function with a gradient."""
    x = tf.Variable(1.0)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            y = tf.nn.silu(x)
        return tape.gradient(y, x)

    step()
    return weakref.ref(step.get_concrete_function().graph)


def test_the_graphs_of_a_run_are_released():
    outside = graph_of_silu()
    registered = set(ops.gradient_registry.list())
    with memory.released():
        inside = graph_of_silu()
        gc.collect()
        assert inside() is not None
    gc.collect()
    assert inside() is None
    # Others may still need theirs.
    assert outside() is not None
    assert set(ops.gradient_registry.list()) == registered


RUNS = """
import gc, sys
import psutil, toy_runs
from reproduce.experiment import run

toy_runs.register(dict.__setitem__)
sizes = []
for seed in range(35):
    settings = toy_runs.settings("erm", rows=160, epochs=1, seed=seed)
    run.train(settings, output_dir=sys.argv[1])
    gc.collect()
    sizes.append(psutil.Process().memory_info().rss)
# The first runs fill caches.
print((sizes[-1] - sizes[4]) / 30 / 2**20)
"""


@pytest.mark.slow
def test_runs_add_little_to_the_memory_of_their_process(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", RUNS, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    megabytes = float(done.stdout)
    # Each held 11 before.
    assert megabytes < 2
