"""The check of a GPU, on a CPU and a few digits."""

import json

import keras
import numpy as np
import pytest

from keras_unbias.data import mnist
from reproduce import gpu_check
from reproduce.experiment import gpu_measurements
from reproduce.experiment.settings import change
from reproduce.recipes import digits


def test_operations_are_those_of_the_products():
    encoder = keras.Sequential(
        [
            keras.Input((6, 6, 2)),
            keras.layers.Conv2D(3, 3),
            keras.layers.Flatten(),
            keras.layers.Dense(5),
        ]
    )
    places = 4 * 4
    assert gpu_measurements.forward_flops(encoder) == 2 * (
        places * 3 * 3 * 2 * 3 + places * 3 * 5
    )
    assert gpu_measurements.matrix_limit("mixed_bfloat16", size=64, repeats=1) > 0


@pytest.mark.slow
def test_the_check_prints_a_table_and_writes_a_record(tmp_path, monkeypatch, capsys):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (320, 28, 28), np.uint8)
    labels = np.arange(320) % 10
    gray = mnist.GrayDigits(images, labels, images, labels, "idx")
    monkeypatch.setattr(mnist, "holds_digits", lambda directory: True)
    monkeypatch.setattr(mnist, "read_directory", lambda directory: gray)
    monkeypatch.setattr(gpu_check, "PRECISIONS", ("float32",))
    small = [
        cell
        for cell in digits.cells("quick", variances=[0.02], seeds=1)
        if cell.row in ("ERM", "conditional MI")
    ]
    for cell in small:
        changed = change(cell.settings, batch_size=32)
        object.__setattr__(cell, "settings", changed)
    monkeypatch.setattr(digits, "cells", lambda *args, **kwargs: small)
    path = tmp_path / "check.json"
    words = ["--data-dir", str(tmp_path), "--steps", "1", "--output", str(path)]
    assert gpu_check.main(words) == 0
    record = json.loads(path.read_text("utf-8"))
    assert {step["row"] for step in record["steps"]} == {cell.row for cell in small}
    assert all(step["seconds"] > 0 for step in record["steps"])
    assert all(len(column) == 3 for column in record["start"]["here"].values())
    shown = capsys.readouterr().out
    assert "ms a step" in shown and "mutual_information" in shown
