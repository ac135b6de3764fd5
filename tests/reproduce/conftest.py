import matplotlib.figure
import pytest

from keras_unbias.data import colored_mnist
from reproduce.experiment import driver


@pytest.fixture
def call(capsys, tmp_path, monkeypatch):
    """Calls a script; returns exit code, output and errors."""
    monkeypatch.setattr(
        matplotlib.figure.Figure, "savefig", lambda *args, **kwargs: None
    )
    # A machine that has all of MNIST.
    monkeypatch.setattr(colored_mnist, "available_digits", lambda data_dir: "mnist")

    def call(experiment, *words):
        if isinstance(experiment, driver.Figure):
            words += ("--figures-dir", str(tmp_path / "figures"))
        if "--output-dir" not in words:
            words += ("--output-dir", str(tmp_path / "runs"))
        try:
            code = driver.main(experiment, words)
        except SystemExit as stopped:
            code = stopped.code
        return code, *capsys.readouterr()

    return call
