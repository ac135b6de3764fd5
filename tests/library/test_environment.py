"""What a record says of the machine, and what of it a run depends on."""

import logging

import keras
import pytest
import tensorflow as tf
import toy

import keras_unbias
from keras_unbias import backend
from reproduce.experiment import run

CPUINFO = """processor\t: 0
model name\t: Processor 9
bugs\t\t:
flags\t\t: fpu {flags} sse

processor\t: 1
model name\t: Processor 9
flags\t\t: fpu {flags} sse
"""


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Makes this machine one with such a processor, and GPUs or not."""

    def change(flags, gpus=()):
        path = tmp_path / "cpuinfo"
        path.write_text(CPUINFO.format(flags=flags))
        monkeypatch.setattr(environment, "CPUINFO", path)
        monkeypatch.setattr(
            tf.config, "list_physical_devices", lambda kind=None: list(gpus)
        )

    return change


@pytest.mark.parametrize(
    ("flags", "gpus", "device"),
    [
        ("avx avx2", (), "CPU Processor 9, avx2"),
        ("avx2 avx512f", (), "CPU Processor 9, avx512f"),
        ("sse2", (), "CPU Processor 9"),
        ("avx2", ("a", "b"), "2 GPU"),
    ],
)
def test_the_device_names_what_speed_depends_on(machine, flags, gpus, device):
    machine(flags, gpus)
    assert backend.describe("float32", 1)["device"] == device


@pytest.mark.parametrize(
    ("flags", "gpus", "policy", "expected"),
    [
        ("avx2 avx512f avx512_bf16", (), "mixed_bfloat16", "mixed_bfloat16"),
        ("avx2 avx512f", (), "mixed_bfloat16", "float32"),
        ("avx2", ("a",), "mixed_bfloat16", "mixed_bfloat16"),
        ("avx2", (), "float32", "float32"),
        ("avx2", (), "float64", "float64"),
    ],
)
def test_bfloat16_is_for_machines_that_have_it(
    machine, flags, gpus, policy, expected
):
    machine(flags, gpus)
    assert backend.precision(policy) == expected
    assert backend.describe(policy, 1)["precision"] == expected


def test_another_system_has_no_such_list(monkeypatch, tmp_path):
    monkeypatch.setattr(environment, "CPUINFO", tmp_path / "none")
    assert backend.describe("float32", 1)["device"].startswith("CPU")
    assert backend.precision("mixed_bfloat16") == "float32"


@pytest.mark.parametrize(
    ("flags", "dtype"), [("avx2", "float32"), ("avx512_bf16", "bfloat16")]
)
def test_a_run_is_carried_out_in_it(machine, monkeypatch, caplog, flags, dtype):
    machine(flags)
    caplog.set_level(logging.WARNING)
    toy.register(monkeypatch.setitem)
    config = toy.config("erm", precision="mixed_bfloat16")
    model = run.build_model(config, toy.load(640, seed=3), steps=5)
    assert model.encoder.layers[0].compute_dtype == dtype
    assert ("in float32" in caplog.text) == (dtype == "float32")


def test_other_backends_are_refused(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    for make in (
        lambda: keras_unbias.RepresentationClassifier(None, 2),
        keras_unbias.MutualInformationEstimator,
    ):
        with pytest.raises(ImportError, match="Received: 'torch'. Set KERAS"):
            make()
