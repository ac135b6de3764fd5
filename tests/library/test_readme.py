"""The code of the README runs, and prints what the README shows."""

import functools
import pathlib
import re

import mktestdocs
import numpy as np
import pytest

import keras_unbias
from keras_unbias import auditing

README = pathlib.Path(__file__).parents[2] / "README.md"


@pytest.fixture
def blocks(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return mktestdocs.grab_code_blocks(README.read_text("utf-8"))


@pytest.mark.slow
def test_the_example_with_scikit_learn(blocks, monkeypatch):
    short = functools.partial(keras_unbias.UnbiasedClassifier, epochs=1)
    monkeypatch.setattr(keras_unbias, "UnbiasedClassifier", short)
    rng = np.random.default_rng(0)
    variables = {
        "X": rng.normal(size=(200, 3)),
        "y": rng.integers(0, 2, 200),
        "age_group": rng.integers(0, 3, 200),
        "X_new": rng.normal(size=(10, 3)),
    }
    exec(compile(blocks[0], README, "exec"), variables)
    assert variables["classifier"].predict(variables["X_new"]).shape == (10,)


@pytest.mark.slow
def test_the_example_with_keras(blocks, tmp_path, monkeypatch, capsys):
    audits = []

    def audit(*arguments):
        # Intervals take long, and are not compared.
        audits.append(auditing.audit(*arguments, resamples=10))
        return audits[-1]

    monkeypatch.setattr(keras_unbias, "audit", audit)
    variables = {}
    exec(compile(blocks[1], README, "exec"), variables)
    (audit,) = audits
    printed = str(audit)
    assert printed in capsys.readouterr().out
    # The README shows the first lines. Processors differ a little.
    text = README.read_text("utf-8")
    (shown,) = re.findall(r"^Audit of .*?(?=```)", text, re.M | re.S)
    shown, printed = shown.splitlines(), printed.splitlines()
    number = r"-?\d\.\d+"
    for line, other in zip(shown, printed[: len(shown)], strict=True):
        assert re.sub(number, "", line) == re.sub(number, "", other)
        numbers = re.findall(number, line), re.findall(number, other)
        for one, again in zip(*numbers, strict=True):
            assert float(one) == pytest.approx(float(again), abs=0.06)
    # It shows what the package is for.
    assert audit.conditional_leakage.information.value < 0.15
    assert (tmp_path / "classifier" / "saved_model.pb").exists()
    features = variables["classifier"](variables["x"])["features"]
    assert features.shape == (2048, 8)
