"""The parts of a training step, from times that are made up."""

import keras
import pytest

from reproduce import benchmark
from reproduce.experiment import step_parts, step_times
from reproduce.experiment.settings import value
from reproduce.recipes import digits


def settings(row):
    (cell,) = digits.cells(
        "fast", digits="mnist-5000", rows=[row], variances=[0.02], seeds=1
    )
    return cell.settings


def test_a_part_is_the_time_that_a_step_is_shorter_without_it(monkeypatch):
    def microseconds(chosen, dataset, steps, repeats):
        milliseconds = 100 + 30 * chosen.data.augment
        if chosen.method.has_estimator:
            estimator = chosen.estimator
            milliseconds += 50 + 20 * estimator.estimator_batches
            milliseconds += 2 * estimator.estimator_steps
        return 1e3 * milliseconds

    monkeypatch.setattr(step_times, "microseconds", microseconds)
    chosen = settings(digits.BEST)
    batches, updates = (
        chosen.estimator.estimator_batches,
        value(chosen, "estimator_steps"),
    )
    found = step_parts.milliseconds(chosen, None, repeats=1)
    assert found == pytest.approx(
        {
            "step": 180 + 20 * batches + 2 * updates,
            "task": 100,
            "fresh mini-batches": 20 * batches,
            "updates of the estimator": 2 * updates,
            "bound and its gradient": 50,
            "augmentation": 30,
            "step with P = K": 180 + 22 * updates,
        }
    )
    found = step_parts.milliseconds(settings(digits.MI), None, repeats=1)
    assert "augmentation" not in found


def test_operations_are_those_of_all_products():
    layers = [keras.Input((6, 6, 3)), keras.layers.Conv2D(4, 3)]
    layers += [keras.layers.Flatten(), keras.layers.Dense(5)]
    forward = 2 * (16 * 3 * 3 * 3 * 4 + 64 * 5)
    counted = step_parts.operations(keras.Sequential(layers), 10, batches=2)
    assert counted == 7 * 10 * forward
    # Four steps of the task, one of them with a penalty.
    counted = step_parts.operations(keras.Sequential(layers), 10, 2, mi_every=4)
    assert 4 * counted == (4 * 3 + 2 + 2) * 10 * forward


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_the_limit_is_that_of_a_processor(precision):
    assert 1e8 < step_parts.limit(precision, repeats=1) < 1e15


@pytest.mark.slow
def test_the_benchmark_shows_the_parts(capsys, monkeypatch):
    monkeypatch.setattr(benchmark, "DIGITS", (digits.MI,))
    monkeypatch.setattr(step_parts, "STEPS", 1)
    assert benchmark.main(["--digits", "--repeats", "1"]) == 0
    head, _, *lines = capsys.readouterr().out.splitlines()
    assert head.split("  ")[-1].strip() == digits.MI
    assert lines[0].startswith("step") and lines[-1].endswith("%")
