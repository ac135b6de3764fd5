"""Precision and backend, on machines of several kinds."""

import keras
import pytest
import tensorflow as tf

import keras_unbias
from keras_unbias import backend

CPUINFO = """processor\t: 0
model name\t: Processor 9
bugs\t\t:
flags\t\t: fpu {flags} sse

processor\t: 1
model name\t: Processor 9
flags\t\t: fpu {flags} sse
"""


@pytest.mark.parametrize(
    ("flags", "gpus", "policy", "expected"),
    [
        ("avx2 avx512f avx512_bf16", [], "mixed_bfloat16", "mixed_bfloat16"),
        ("avx2 avx512f", [], "mixed_bfloat16", "float32"),
        ("avx2", ["a"], "mixed_bfloat16", "mixed_bfloat16"),
        ("avx2", [], "float32", "float32"),
        ("avx2", [], "float64", "float64"),
    ],
)
def test_bfloat16_needs_a_machine_that_has_it(
    monkeypatch, tmp_path, flags, gpus, policy, expected
):
    path = tmp_path / "cpuinfo"
    path.write_text(CPUINFO.format(flags=flags))
    monkeypatch.setattr(backend, "CPUINFO", path)
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: gpus)
    assert backend.precision(policy) == expected
    assert backend.should_jit_compile() == bool(gpus)
    assert backend.cpu_info()["model name"] == "Processor 9"


def test_other_systems_have_no_cpuinfo(monkeypatch, tmp_path):
    monkeypatch.setattr(backend, "CPUINFO", tmp_path / "none")
    assert backend.cpu_info() == {}
    assert backend.precision("mixed_bfloat16") == "float32"


def test_other_backends_are_refused(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    for make in (
        lambda: keras_unbias.RepresentationClassifier(None, 2),
        keras_unbias.MutualInformationEstimator,
    ):
        with pytest.raises(ImportError, match="Received: 'torch'. Set KERAS"):
            make()
