"""Features of test digits in two dimensions."""

import json

import numpy as np
import pytest

from keras_unbias.data import colored_mnist
from keras_unbias.encoders import digit_encoder
from keras_unbias.methods import RepresentationClassifier
from reproduce import figure_features_digits
from reproduce.experiment import projection, run_files
from reproduce.recipes import digits


@pytest.fixture
def cells(tmp_path):
    """Cells whose runs have untrained models."""
    made = digits.cells(
        "quick",
        digits="mnist-5000",
        rows=figure_features_digits.ROWS,
        variances=[0.02],
    )
    for cell in made:
        path = run_files.directory(cell.settings, tmp_path / "runs")
        path.mkdir(parents=True)
        encoder = digit_encoder()
        model = RepresentationClassifier(encoder, 10)
        model.build(encoder.input_shape)
        model.save(path / "model.keras")
    return made


@pytest.mark.slow
def test_test_digits_are_drawn(cells, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(figure_features_digits, "DIGITS", 40)
    words = ["--output-dir", str(tmp_path / "runs"), "--figures-dir", str(tmp_path)]
    assert figure_features_digits.main(words) == 0
    found = json.loads((tmp_path / "figure_features_digits.json").read_text())
    assert [point["row"] for point in found["points"]] == ["ERM", "conditional MI"]
    test = colored_mnist.load(0.02, seed=1, digits="mnist-5000").test
    for point, cell in zip(found["points"], cells, strict=True):
        assert point["run"] == cell.settings.id
        assert np.abs(point["place"]).max() == 1
        assert point["label"] == test.labels[:40].tolist()
        colors = test.inputs[:40].reshape(40, -1, 3).max(1)
        assert point["color"] == colors.tolist()
    # Untrained runs come first.
    words[1] = str(tmp_path / "others")
    with pytest.raises(SystemExit):
        figure_features_digits.main(words)
    assert "Run table1.py --profile quick" in capsys.readouterr().err


def test_features_are_reduced(cells, tmp_path):
    path = projection.model_of(cells[0], tmp_path / "runs", "table1.py")
    seen = []

    def reduce(features):
        seen.append(features)
        return np.arange(10).reshape(5, 2)

    place, split = projection.project(
        cells[0].settings, path, None, count=5, reduce=reduce
    )
    assert seen[0].shape[0] == 5
    np.testing.assert_allclose(place, np.arange(10).reshape(5, 2) / 9, atol=1e-3)
    assert len(split) == 5
