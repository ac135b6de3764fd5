"""The comparison with other packages: its problems, its runs, its tables."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import utk
from scipy import stats
from scripts import EXPERIMENTS, cells_of, publish, rows
from sklearn import metrics

from keras_unbias.auditing import Audit, Leakage
from keras_unbias.data import utk_faces
from keras_unbias.dependence import Estimate, MutualInformation
from reproduce.experiment import peer_problems, peer_rows, peers, records, run_files
from reproduce.experiment.groups import (
    PeerAudit,
    PeerClassifier,
    PeerFairlearn,
    PeerLeace,
    PeerProblem,
    PeerReductions,
)
from reproduce.experiment.settings import Settings
from reproduce.recipes import peers as recipe

PROBLEMS = peer_problems.PROBLEMS


# Problems.


@pytest.mark.parametrize(
    ("name", "width", "attributes"),
    [
        ("gaussians", 20, {"attribute": 2}),
        ("categories", 17, {"region": 3, "sex": 2}),
        ("pictures", 192, {"color": 4}),
        ("product", 20, {"attribute": 2}),
        ("decisions", 4, {"group": 2}),
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


def test_only_a_product_shows_the_attribute():
    drawn = PROBLEMS["product"].draw(20_000, 0.5, seed=0)
    attribute = 2 * drawn.attributes.attribute.to_numpy() - 1
    columns = drawn.inputs[:, 10:13]
    alone = [stats.pearsonr(column, attribute)[0] for column in columns.T]
    np.testing.assert_allclose(alone, 0, atol=0.03)
    right = np.mean(columns[:, 0] * columns[:, 1] * attribute > 0)
    # Each sign is right as often as a normal number is below 1.5 / 0.5.
    sign = stats.norm.cdf(3)
    assert right == pytest.approx(sign**2 + (1 - sign) ** 2, abs=0.005)
    other = PROBLEMS["gaussians"].draw(20_000, 0.5, seed=0)
    np.testing.assert_array_equal(drawn.inputs[:, :10], other.inputs[:, :10])


def test_decisions_are_due_or_favor_a_group():
    drawn, due = (PROBLEMS["decisions"].draw(40_000, p, seed=0) for p in (0.75, 0.5))
    np.testing.assert_array_equal(drawn.inputs, due.inputs)
    group = drawn.attributes.group.to_numpy()
    # Half follow the group. Of these, half would have come out so anyway.
    assert np.mean(drawn.labels == due.labels) == pytest.approx(0.75, abs=0.01)
    changed = drawn.labels != due.labels
    np.testing.assert_array_equal(drawn.labels[changed], group[changed])
    savings = drawn.inputs[:, 3]
    # Among the favored, those with a yes are worse off than others with a yes.
    yes = drawn.labels == 1
    favored, others = (savings[yes & (group == g)].mean() for g in (1, 0))
    assert favored < others - 0.5


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

    def predict(self, inputs, **_):
        return np.zeros(len(inputs), int)

    def transform(self, inputs):
        return inputs[:, :3]


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
    assert record.metrics.pop("fit_seconds") >= 0
    assert record.metrics == {
        "test_accuracy": np.mean(test.labels == 0),
        "train_accuracy": np.mean(train.labels == 0),
        # Of the four groups, those of label 0 are right.
        "group_accuracy": 0.5,
        "worst_group": 0.0,
    }
    assert record.data == {"train_size": 400, "test_size": 400}
    assert "fairlearn" not in record.environment["versions"]
    path = run_files.directory(chosen, tmp_path) / "record.json"
    assert records.read(path).id == record.id
    # A finished run is only read.
    stub.made = ()
    again = peers.train(chosen, output_dir=tmp_path)
    assert again.metrics["test_accuracy"] == record.metrics["test_accuracy"]
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


def audited(information):
    leakage = Leakage(information, 0.0, 0.693, probe_accuracy={}, majority_accuracy=0.5)
    return Audit(rows=400, leakage=leakage)


def test_features_of_test_rows_are_audited(stub, tmp_path, monkeypatch):
    import keras_unbias

    def audit(features, answers, seed, rows, resamples):
        test = PROBLEMS["gaussians"].draw(400, 0.5, 7)
        np.testing.assert_array_equal(features, test.inputs[:, :3])
        one_hot = np.eye(2)[test.attributes.attribute]
        np.testing.assert_array_equal(answers[1]["attribute"], one_hot)
        return audited(MutualInformation(0.25, 0.2, 0.3, "a probe", 400, {}))

    monkeypatch.setattr(keras_unbias, "audit", audit)
    data = PeerProblem(rows=400, audited=True)
    chosen = Settings(data=data, method=PeerClassifier(), seed=3)
    record = peers.train(chosen, output_dir=tmp_path)
    assert record.metrics["information"] == 0.25


def test_german_credit_is_split_by_the_seed(stub, tmp_path):
    from keras_unbias.data import german_credit

    chosen = Settings(data=PeerProblem(problem="credit"), method=PeerClassifier())
    record = peers.train(chosen, output_dir=tmp_path)
    inputs, labels, given = stub.fitted
    dataset = german_credit.load(seed=1)
    np.testing.assert_array_equal(inputs, dataset.train.inputs)
    np.testing.assert_array_equal(labels, dataset.train.labels)
    young = given["sensitive_features"].young
    np.testing.assert_array_equal(young, dataset.train.attributes[:, 0])
    assert record.data == {"train_size": 700, "test_size": 300}


def test_a_package_that_is_missing_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(peers.PACKAGES, PeerLeace, "no-such-package")
    with pytest.raises(ImportError, match="Expected: no-such-package. Received: it"):
        peers.train(settings(PeerLeace()), output_dir=tmp_path)


def test_reductions_get_the_attribute(tmp_path, monkeypatch):
    from fairlearn import reductions

    monkeypatch.setattr(reductions, "ExponentiatedGradient", Stub)
    record = peers.train(settings(PeerReductions()), output_dir=tmp_path)
    (_, constraint), _ = Stub.made
    assert isinstance(constraint, reductions.EqualizedOdds)
    _, _, given = Stub.fitted
    assert {*given["sensitive_features"]} == {"0", "1"}
    assert record.metrics["group_accuracy"] == 0.5
    assert record.environment["versions"]["fairlearn"]


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


def test_faces_agree_in_training_alone(tmp_path, monkeypatch):
    folder = utk.write(tmp_path / "faces", rows=400)
    load = utk_faces.load
    monkeypatch.setattr(utk_faces, "load", lambda **given: load(**given, test_size=99))
    backbone = {"backbone": "small", "weights": "none", "features": "pooled"}
    monkeypatch.setattr(peer_rows, "BACKBONE", backbone)
    data = PeerProblem(problem="faces", rows=40, agreement=0.9)
    train, test = peer_rows.draw(data, 1, folder)
    old = train.attributes.old.to_numpy()
    # Of 40 faces, 36 are of young women and older men.
    assert np.sum(old == train.labels) == 36
    assert len(train.inputs) == 40 and len(test.inputs) == 99
    assert train.inputs.shape[1:] == test.inputs.shape[1:]
    assert 30 < np.sum(test.attributes.old == test.labels) < 70
    with pytest.raises(ValueError, match="too few faces.*'eb1': 360, 'eb2': 40"):
        peer_rows.draw(dataclasses.replace(data, rows=400), 1, folder)
    again, _ = peer_rows.draw(data, 2, folder)
    assert not np.array_equal(again.inputs, train.inputs)


def test_an_audit_stands_beside_the_truth(tmp_path, monkeypatch):
    import keras_unbias

    asked = []

    def audit(inputs, answers, seed):
        asked.append((inputs, answers, seed))
        bounds = {"a probe": Estimate(0.4, 0.3, 0.5)}
        return audited(MutualInformation(0.5, 0.4, 0.6, "a probe", 400, bounds))

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
    blocks = out.split("\n\n")
    titles = [block for block in blocks if "profile fast" in block]
    assert [title.split(",")[0] for title in titles] == [
        "Unbiased test accuracy by problem",
        "Accuracy of the worst group",
        "Other packages on gaussians",
        "Unbiased test accuracy",
        "Audit of problems with known information",
    ]
    assert all("the seeds 0, 1" in title for title in titles)
    few, worst, others, many, audits = (
        rows(blocks[blocks.index(title) + 1]) for title in titles
    )
    assert few["method"] == worst["method"] == [*recipe.FEW]
    assert {*few} == {*worst} == {"method", *recipe.OWN}
    assert others["method"][0] == "unbiased accuracy"
    assert {*others} >= {*recipe.OWN, *recipe.OTHERS}
    assert many["method"] == [*recipe.PROBLEMS]
    header = ["I(X;C), nats", "audit, nats", "relative error"]
    assert audits["problem"] == header
    for problem in recipe.PROBLEMS:
        assert audits[problem] == ["0.500 ± 0.000", "0.450 ± 0.000", "0.100 ± 0.000"]
