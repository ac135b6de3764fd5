"""What is built of the checkout, and the README's examples with it."""

import os
import pathlib
import subprocess
import sys
import tarfile
import zipfile

import mktestdocs
import pytest

ROOT = pathlib.Path(__file__).parents[1]
# The examples take the rows of a table from their reader.
TABLE = """
import numpy as np
import keras_unbias
print(keras_unbias.__file__)
rng = np.random.default_rng(0)
X, X_new = rng.normal(size=(200, 3)), rng.normal(size=(10, 3))
y, age_group = rng.integers(0, 2, 200), rng.integers(0, 3, 200)
"""


def pip(*words):
    subprocess.run([sys.executable, "-m", "pip", *map(str, words)], check=True)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A wheel, built of an unpacked source distribution."""
    place = tmp_path_factory.mktemp("built")
    build = "from setuptools import build_meta; import sys; "
    build += "build_meta.build_sdist(sys.argv[1])"
    subprocess.run([sys.executable, "-c", build, place], cwd=ROOT, check=True)
    (archive,) = place.glob("*.tar.gz")
    with tarfile.open(archive) as source:
        source.extractall(place, filter="data")
    (source,) = filter(pathlib.Path.is_dir, place.iterdir())
    pip("wheel", "--no-deps", "--no-build-isolation", "-w", place, source)
    (path,) = place.glob("*.whl")
    return path


@pytest.mark.slow
def test_a_wheel_holds_the_library_alone(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    modules = {name for name in names if name.startswith("keras_unbias/")}
    assert {name.partition("/")[0] for name in {*names} - modules} == {
        "keras_unbias-" + wheel.name.split("-")[1] + ".dist-info"
    }
    expected = [*(ROOT / "keras_unbias").rglob("*.py*")]
    expected.append(ROOT / "keras_unbias" / "py.typed")
    assert modules == {
        path.relative_to(ROOT).as_posix()
        for path in expected
        if path.suffix not in (".pyc",) and path.is_file()
    }


@pytest.mark.slow
def test_the_examples_of_the_readme_run_with_an_installed_wheel(wheel, tmp_path):
    installed = tmp_path / "installed"
    pip("install", "--no-deps", "--no-index", "--target", installed, wheel)
    blocks = mktestdocs.grab_code_blocks((ROOT / "README.md").read_text("utf-8"))
    done = subprocess.run(
        [sys.executable, "-c", "\n".join([TABLE, *blocks])],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    used, *printed = done.stdout.splitlines()
    assert pathlib.Path(used).is_relative_to(installed)
    assert any(line.startswith("Audit of ") for line in printed)
