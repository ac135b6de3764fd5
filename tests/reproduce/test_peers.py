"""The problems of the benchmark, and its table."""

import pathlib

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn import metrics

from reproduce import benchmark, peer_problems, peers

ROOT = pathlib.Path(__file__).parents[1]


def test_information_of_categories():
    problem = peer_problems.PROBLEMS["categories"]
    rows = problem.draw(300_000, peer_problems.AGREEMENT, seed=0)
    seen = np.unique(rows.inputs, axis=0, return_inverse=True)[1].ravel()
    codes = rows.attributes.region * 2 + rows.attributes.sex
    counted = metrics.mutual_info_score(codes, seen)
    assert problem.information() == pytest.approx(counted, abs=0.01)


def test_information_of_gaussians():
    problem = peer_problems.PROBLEMS["gaussians"]
    rows = problem.draw(100_000, peer_problems.AGREEMENT, seed=0)
    attribute = rows.attributes.attribute.to_numpy()
    # log p(x|c) / p(x), each density a mixture over the other columns' label.
    label_part, attribute_part = rows.inputs[:, :10], rows.inputs[:, 10:13]

    def log_density(part, shift):
        return stats.norm.logpdf(part - shift).sum(1)

    of = {}
    for c in (0, 1):
        shown = [
            np.log(0.9 if y == c else 0.1) + log_density(label_part, 0.5 * y)
            for y in (0, 1)
        ]
        of[c] = np.logaddexp(*shown) + log_density(attribute_part, 1.5 * c)
    given = np.where(attribute == 1, of[1], of[0])
    either = np.logaddexp(of[0], of[1]) - np.log(2)
    assert problem.information() == pytest.approx(
        (given - either).mean(), abs=0.01
    )


def test_pictures_show_shape_and_colour():
    problem = peer_problems.PROBLEMS["pictures"]
    rows = problem.draw(4000, 0.25, seed=0)
    totals = rows.inputs.reshape(-1, 64, 3).sum(1)
    # The channel that dominates is the attribute's colour, four times in five.
    dominant = np.where(
        totals.max(1) < 1.6 * np.sort(totals, 1)[:, 1], 3, totals.argmax(1)
    )
    assert (dominant == rows.attributes.color).mean() == pytest.approx(
        problem.plain, abs=0.03
    )
    # Table of independent values: nothing; of equal ones: their entropy.
    assert peer_problems._information(np.full((2, 3), 1 / 6)) == pytest.approx(
        0
    )
    assert peer_problems._information(np.eye(4) / 4) == pytest.approx(np.log(4))


def test_reweighing_makes_label_and_attributes_independent():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.integers(0, 2, (500, 2)), columns=["a", "b"])
    labels = frame.a.to_numpy() ^ (rng.random(500) < 0.2)
    weights = peers.reweighing(labels, frame)
    cells = np.zeros((4, 2))
    np.add.at(cells, (frame.a * 2 + frame.b, labels), weights)
    expected = np.outer(cells.sum(1), cells.sum(0)) / cells.sum()
    np.testing.assert_allclose(cells, expected, rtol=1e-9)
    np.testing.assert_allclose(cells.sum(0), np.bincount(labels))


def test_the_readme_shows_the_records(capsys):
    flags = ["--peers", "--from-records", str(ROOT / "reproduce" / "records")]
    assert benchmark.main(flags) == 0
    out = capsys.readouterr().out
    assert "nan" not in out
    for table in out.strip().split("\n\n"):
        assert table in (ROOT / "README.md").read_text("utf-8")


@pytest.mark.slow
def test_a_cell_runs_once(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(peers, "ROWS", 400)
    monkeypatch.setattr(
        peers,
        "CLASSIFIERS",
        {"plain": {"package": "keras_unbias", "method": "erm", "epochs": 1}},
    )
    flags = ["--peers", "--seeds", "1", "--output-dir", str(tmp_path)]
    assert benchmark.main(flags) == 0
    first = capsys.readouterr().out
    assert "plain" in first
    monkeypatch.setattr(peers, "_run", None)
    assert benchmark.main(flags) == 0
    assert capsys.readouterr().out == first
