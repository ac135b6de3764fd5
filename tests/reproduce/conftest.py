import collections

import matplotlib.figure
import pytest

from keras_unbias.data import colored_mnist
from reproduce.experiment import driver

Answer = collections.namedtuple("Answer", "code out err")


@pytest.fixture
def call(capsys, tmp_path, monkeypatch):
    """Calls the driver; returns exit code, output and errors."""
    # Nothing here looks at a picture.
    monkeypatch.setattr(
        matplotlib.figure.Figure, "savefig", lambda *args, **kwargs: None
    )
    # A machine that has all of MNIST.
    monkeypatch.setattr(colored_mnist, "available_digits", lambda data_dir: "mnist")

    def call(experiment, *flags):
        words = ["--output-dir", str(tmp_path / "runs"), "--jobs", "1"]
        if isinstance(experiment, driver.Figure):
            words += ["--figures-dir", str(tmp_path / "figures")]
        try:
            code = driver.main(experiment, [*words, *flags])
        except SystemExit as stopped:
            code = stopped.code
        return Answer(code, *capsys.readouterr())

    return call
