"""The registry of data sets."""

import pytest

from keras_unbias import data


def test_load_passes_settings_on(monkeypatch):
    def loader(size, *, seed=0):
        return size, seed

    monkeypatch.setitem(data.DATASETS, "made", loader)
    assert data.load("made", size=3, seed=4) == (3, 4)


def test_load_refuses_an_unknown_name():
    with pytest.raises(ValueError, match=r"colored_mnist.*name='colored'"):
        data.load("colored")


def test_load_refuses_unknown_settings():
    with pytest.raises(ValueError, match=r"color_variance.*Received: \['sigma'\]"):
        data.load("colored_mnist", sigma=0.02, seed=0)
