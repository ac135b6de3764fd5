"""What a record says of the machine."""

import pathlib
import subprocess

import pytest
import tensorflow as tf

from keras_unbias import backend
from reproduce.experiment import environment


@pytest.mark.parametrize(
    ("flags", "gpus", "device"),
    [
        ("avx avx2", [], "CPU Processor 9, avx2"),
        ("avx2 avx512f", [], "CPU Processor 9, avx512f"),
        ("sse2", [], "CPU Processor 9"),
        ("avx2", ["a", "b"], "2 GPU"),
    ],
)
def test_the_device_names_what_speed_depends_on(
    monkeypatch, tmp_path, flags, gpus, device
):
    path = tmp_path / "cpuinfo"
    path.write_text(f"model name\t: Processor 9\nflags\t\t: fpu {flags} sse\n")
    monkeypatch.setattr(backend, "CPUINFO", path)
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: gpus)
    described = environment.describe("mixed_bfloat16", 1)
    assert described["device"] == device
    assert described["precision"] == backend.precision("mixed_bfloat16")
    assert described["threads"] == 1
    assert described["versions"]["tensorflow"] == tf.__version__


def test_another_system_has_no_list_of_flags(monkeypatch, tmp_path):
    monkeypatch.setattr(backend, "CPUINFO", tmp_path / "none")
    assert environment.describe("float32", 1)["device"].startswith("CPU")


def test_the_commit_is_empty_outside_a_checkout(monkeypatch, tmp_path):
    described = environment.describe("float32", None)["commit"]
    root = pathlib.Path(environment.__file__).parent
    commit = subprocess.run(
        ["git", "describe", "--always"], cwd=root, capture_output=True, text=True
    ).stdout.strip()
    assert described.removesuffix("-dirty") == commit
    monkeypatch.setattr(environment, "__file__", str(tmp_path / "file.py"))
    assert environment.describe("float32", None)["commit"] == ""
