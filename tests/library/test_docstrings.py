"""The examples of the docstrings: they run, and every public name has one."""

import doctest
import importlib
import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf
from test_api import MODULES, public_objects

import keras_unbias


def examples():
    """Yields the doctests of all modules, with the names that they may use."""
    finder = doctest.DocTestFinder(exclude_empty=True)
    for name in MODULES:
        module = importlib.import_module(name)
        names = {"np": np, "tf": tf, "keras": keras, "ku": keras_unbias}
        yield from finder.find(module, name, module, globs={**names, **vars(module)})


@pytest.mark.parametrize(
    "example",
    [
        pytest.param(example, id=example.name.removeprefix("keras_unbias."))
        for example in examples()
        if example.examples
    ],
)
def test_an_example_runs(example, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    output = []
    runner = doctest.DocTestRunner(
        optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    )
    failed, _ = runner.run(example, out=output.append)
    assert not failed, "".join(output)


def test_every_public_name_has_an_example():
    missing = [
        name
        for name, thing in public_objects()
        if ">>> " not in (inspect.getdoc(thing) or "")
    ]
    assert not missing
