"""The comparison with other packages: its problems, its runs, its tables."""

import types

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scripts import EXPERIMENTS, cells_of, publish, rows
from sklearn import metrics

from reproduce.experiment import peer_problems, peers, records, run_files
from reproduce.experiment.groups import (
    PeerAudit,
    PeerClassifier,
    PeerFairlearn,
    PeerProblem,
)
from reproduce.experiment.settings import Settings

PROBLEMS = peer_problems.PROBLEMS


# Problems.


@pytest.mark.parametrize(
    ("name", "width", "attributes"),
    [
        ("gaussians", 20, {"attribute": 2}),
        ("categories", 17, {"region": 3, "sex": 2}),
        ("pictures", 192, {"color": 4}),
    ],
)
def test_rows_of_a_problem(name, width, attributes):
    problem = PROBLEMS[name]
    drawn = problem.draw(500, 0.9, seed=1)
    assert drawn.inputs.shape == (500, width)
    assert drawn.inputs.dtype == np.float32
    assert {*drawn.labels} == {*range(problem.classes)}
    found = {c: drawn.attributes[c].nunique() for c in drawn.attributes}
    assert found == attributes
    again = problem.draw(500, 0.9, seed=1)
    np.testing.assert_array_equal(drawn.inputs, again.inputs)
    other = problem.draw(500, 0.9, seed=2)
    assert not np.array_equal(drawn.labels, other.labels)


@pytest.mark.parametrize("name", PROBLEMS)
def test_the_attribute_agrees_with_the_label_in_training_alone(name):
    problem = PROBLEMS[name]
    for agreement in (peer_problems.AGREEMENT, 1 / problem.classes):
        drawn = problem.draw(20_000, agreement, seed=0)
        first = drawn.attributes.iloc[:, 0]
        agrees = (first == drawn.labels).mean()
        assert agrees == pytest.approx(agreement, abs=0.01)
    # In test rows no attribute tells the label.
    for column in drawn.attributes:
        attribute = drawn.attributes[column]
        told = metrics.mutual_info_score(drawn.labels, attribute)
        assert told == pytest.approx(0, abs=1e-3)


def test_information_of_categories():
    problem = PROBLEMS["categories"]
    drawn = problem.draw(300_000, peer_problems.AGREEMENT, seed=0)
    # A number for each row of zeros and ones.
    seen = drawn.inputs.astype(int) @ (1 << np.arange(17))
    codes = drawn.attributes.region * 2 + drawn.attributes.sex
    counted = metrics.mutual_info_score(codes, seen)
    assert problem.information() == pytest.approx(counted, abs=0.01)


def test_information_of_gaussians():
    problem = PROBLEMS["gaussians"]
    drawn = problem.draw(100_000, peer_problems.AGREEMENT, seed=0)
    attribute = drawn.attributes.attribute.to_numpy()
    # log p(x|c) / p(x), each density a mixture over the other columns' label.
    label_part, attribute_part = drawn.inputs[:, :10], drawn.inputs[:, 10:13]

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
    assert problem.information() == pytest.approx((given - either).mean(), abs=0.01)


def test_information_of_pictures():
    problem = PROBLEMS["pictures"]
    # The shape and the color that a picture shows, drawn here.
    rng = np.random.default_rng(0)

    def changed(values, kept):
        others = (values + rng.integers(1, 4, len(values))) % 4
        return np.where(rng.random(len(values)) < kept, values, others)

    labels = rng.integers(0, 4, 300_000)
    attribute = changed(labels, peer_problems.AGREEMENT)
    seen = 4 * changed(labels, 0.85) + changed(attribute, 0.8)
    counted = metrics.mutual_info_score(attribute, seen)
    assert problem.information() == pytest.approx(counted, abs=0.01)


def test_pictures_show_shape_and_color():
    problem = PROBLEMS["pictures"]
    drawn = problem.draw(4000, 0.25, seed=0)
    pictures = drawn.inputs.reshape(-1, 8, 8, 3)
    totals = pictures.sum((1, 2))
    # The channel that dominates is the attribute's color, four times in five.
    dominant = np.where(
        totals.max(1) < 1.6 * np.sort(totals, 1)[:, 1], 3, totals.argmax(1)
    )
    agrees = (dominant == drawn.attributes.color).mean()
    assert agrees == pytest.approx(problem.plain, abs=0.03)
    # The shape with as many pixels is the label's, 85 times in 100.
    pixels = problem.shapes.sum((1, 2))
    assert sorted(pixels) == [8, 8, 12, 12]
    bright = (pictures.max(-1) > 0.45).sum((1, 2))
    many = np.abs(bright - 12) < np.abs(bright - 8)
    expected = problem.faint + (1 - problem.faint) / 3
    assert (many == (pixels == 12)[drawn.labels]).mean() == pytest.approx(
        expected, abs=0.03
    )


# Runs.


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


def test_reweighing_does_not_look_at_the_index():
    frame = pd.DataFrame({"a": [0, 0, 1, 1]}, index=[3, 2, 1, 0])
    weights = peers.reweighing(np.array([0, 1, 1, 1]), frame)
    # p(y) p(c) / p(y, c): 1/4 1/2 / (1/4), 3/4 1/2 / (1/4), 3/4 1/2 / (1/2).
    np.testing.assert_allclose(weights, [0.5, 1.5, 0.75, 0.75])


def settings(method, problem="gaussians", seed=3):
    data = PeerProblem(problem=problem, rows=400)
    return Settings(data=data, method=method, seed=seed)


class Stub:
    """Stands in for a classifier: predicts what it was told."""

    made = ()

    def __init__(self, *args, **kwargs):
        Stub.made = (args, kwargs)

    def get_params(self):
        return dict.fromkeys(["mi_weight", "epochs", "attribute_bins"])

    def fit(self, inputs, labels, **given):
        Stub.fitted = (inputs, labels, given)
        self.labels = labels
        return self

    def predict(self, inputs):
        return np.zeros(len(inputs), int)


@pytest.fixture
def stub(monkeypatch):
    import keras_unbias

    monkeypatch.setattr(keras_unbias, "UnbiasedClassifier", Stub)
    return Stub


def test_a_classifier_of_ours_gets_the_settings(stub, tmp_path):
    chosen = settings(PeerClassifier(mi_weight=0.7, epochs=2))
    record = peers.train(chosen, output_dir=tmp_path)
    args, kwargs = stub.made
    assert args == ("mi_backprop",)
    assert kwargs == {
        **{"mi_weight": 0.7, "epochs": 2, "attribute_bins": 10},
        "random_state": 3,
    }
    inputs, labels, given = stub.fitted
    problem = PROBLEMS["gaussians"]
    # Training rows agree; test rows are of other draws and do not.
    train = problem.draw(400, peer_problems.AGREEMENT, 6)
    test = problem.draw(400, 0.5, 7)
    np.testing.assert_array_equal(inputs, train.inputs)
    np.testing.assert_array_equal(labels, train.labels)
    assert given["sensitive_features"].equals(train.attributes)
    assert record.metrics == {
        "test_accuracy": np.mean(test.labels == 0),
        "train_accuracy": np.mean(train.labels == 0),
    }
    assert record.data == {"train_size": 400, "test_size": 400}
    assert record.environment["versions"]["fairlearn"]
    path = run_files.directory(chosen, tmp_path) / "record.json"
    assert records.read(path) == record
    # A finished run is only read.
    stub.made = ()
    assert peers.train(chosen, output_dir=tmp_path) == record
    assert stub.made == ()


def test_reweighing_takes_the_place_of_the_attribute(stub, tmp_path):
    chosen = settings(PeerClassifier(classifier="erm", reweighing=True))
    peers.train(chosen, output_dir=tmp_path)
    *_, given = stub.fitted
    assert {*given} == {"sample_weight"}
    train = PROBLEMS["gaussians"].draw(400, peer_problems.AGREEMENT, 6)
    expected = peers.reweighing(train.labels, train.attributes)
    np.testing.assert_array_equal(given["sample_weight"], expected)
    assert stub.made[0] == ("erm",)


def test_a_peer_gets_one_attribute_and_classes(tmp_path, monkeypatch):
    from fairlearn import adversarial

    class Peer(Stub):
        def predict(self, inputs):
            return np.full((len(inputs), 1), "1")

    monkeypatch.setattr(adversarial, "AdversarialFairnessClassifier", Peer)
    method = PeerFairlearn(predictor_model=(64, "relu"), epochs=13, shuffle=True)
    chosen = settings(method, "categories")
    record = peers.train(chosen, output_dir=tmp_path)
    assert Stub.made == (
        (),
        {
            "backend": "tensorflow",
            "predictor_model": [64, "relu"],
            "adversary_model": [],
            "epochs": 13,
            "shuffle": True,
            "random_state": 3,
        },
    )
    _, labels, given = Stub.fitted
    assert {*labels} == {"0", "1", "2"}
    combined = given["sensitive_features"]
    assert {*combined} == {f"{r}-{s}" for r in range(3) for s in range(2)}
    test = PROBLEMS["categories"].draw(400, 1 / 3, 7)
    assert record.metrics["test_accuracy"] == np.mean(test.labels == 1)


def test_an_audit_stands_beside_the_truth(tmp_path, monkeypatch):
    import keras_unbias

    asked = []
    bound = types.SimpleNamespace(value=0.4)

    def audit(inputs, answers, seed):
        asked.append((inputs, answers, seed))
        information = types.SimpleNamespace(value=0.5, low=0.4, high=0.6)
        leakage = types.SimpleNamespace(
            information=information, bounds={"a probe": bound}
        )
        return types.SimpleNamespace(leakage=leakage)

    monkeypatch.setattr(keras_unbias, "audit", audit)
    record = peers.train(settings(PeerAudit()), output_dir=tmp_path)
    assert record.metrics == {
        "truth": PROBLEMS["gaussians"].information(),
        **{"information": 0.5, "low": 0.4, "high": 0.6},
        "a probe (nats)": 0.4,
    }
    ((inputs, (_, answers), seed),) = asked
    train = PROBLEMS["gaussians"].draw(400, peer_problems.AGREEMENT, 6)
    np.testing.assert_array_equal(inputs, train.inputs)
    one_hot = np.eye(2)[train.attributes.attribute]
    np.testing.assert_array_equal(answers["attribute"], one_hot)
    assert seed == 3


@pytest.mark.slow
def test_a_whole_run(tmp_path):
    method = PeerClassifier(classifier="erm", epochs=1)
    record = peers.train(settings(method), output_dir=tmp_path)
    assert 0.4 < record.metrics["test_accuracy"] < 1
    assert record.wall_seconds > 0


# The table.


def test_peers(call, tmp_path):
    experiment = EXPERIMENTS["peers"]
    made = cells_of(experiment, "--seeds", "2")
    shown = publish(tmp_path / "records", made)
    code, out, _ = call(experiment, *shown, "--seeds", "2")
    assert code == 0
    audits, classifiers = out.split("\n\nUnbiased test accuracy, profile")
    found = rows(audits)
    header = ["I(X;C), nats", "audit, nats", "relative error"]
    assert found["problem"] == header
    for problem in ("gaussians", "categories", "pictures"):
        assert found[problem] == [*("0.500 ± 0.000", "0.450 ± 0.000", "0.100 ± 0.000")]
    assert "the seeds 0, 1" in audits and "the seeds 0, 1" in classifiers
    found = rows(classifiers)
    assert found["method"] == ["gaussians", "categories", "pictures"]
    # After six audits, the records of each problem are two by two.
    assert found["UnbiasedClassifier"] == [
        *("0.565 ± 0.007", "0.585 ± 0.007", "0.605 ± 0.007")
    ]
    assert "audit" not in found
    assert len(found) == 1 + 5
