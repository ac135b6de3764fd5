"""The audit of a representation, against information in closed form."""

import numpy as np
import pytest
import tensorflow as tf
from known_information import binary, entropy, representation
from scipy import sparse
from sklearn import metrics

from keras_unbias import AttributeSpec, audit
from keras_unbias.dependence import probes


def pair_of(attribute, **labels):
    return None, {"attribute": attribute.astype("float32"), **labels}


def named(agreement, rows):
    features, attribute = representation(agreement, rows=rows)
    error = (1 - agreement) / 3
    return features, attribute, np.log(4) - entropy(agreement, *3 * [error])


def product_of_signs(rows):
    """Needs two features together; no linear probe finds it."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(rows, 4))
    code = (features[:, 0] * features[:, 1] > 0) ^ (rng.random(rows) < 0.05)
    return features, np.eye(2)[code * 1], np.log(2) - entropy(0.05, 0.95)


def stripes(rows):
    """A feature whose odd eighths are one value: too fine for a critic."""
    rng = np.random.default_rng(0)
    features = rng.uniform(size=(rows, 4))
    odd = np.floor(8 * features[:, 0]) % 2 == 1
    code = odd ^ (rng.random(rows) < 0.05)
    return features, np.eye(2)[code * 1], np.log(2) - entropy(0.05, 0.95)


@pytest.mark.parametrize(
    ("problem", "rows"),
    [
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in (
                (lambda rows: named(0.25, rows), 3000),
                (lambda rows: named(0.7, rows), 4000),
                (lambda rows: named(1.0, rows), 3000),
            )
        ),
        (product_of_signs, 5000),
    ],
    ids=["nothing", "some", "all", "product of signs"],
)
def test_audit_finds_the_information(problem, rows):
    features, attribute, truth = problem(rows)
    found = audit(features, pair_of(attribute), resamples=40)
    information = found.leakage.information
    assert information.value == pytest.approx(truth, rel=0.1, abs=0.02)
    assert information.low <= information.value <= information.high
    assert found.leakage.ceiling == pytest.approx(entropy(*attribute.mean(0)), abs=0.01)
    assert found.leakage.floor == 0
    assert found.conditional_leakage is None
    assert found.accuracy is None


@pytest.mark.slow
def test_each_trap_is_found_by_another_estimator():
    features, attribute, truth = stripes(6000)
    leakage = audit(features, pair_of(attribute), resamples=20).leakage
    assert leakage.information.value == pytest.approx(truth, rel=0.1)
    bounds = leakage.information.bounds
    assert bounds["linear probe"].value < 0.1 * truth
    assert bounds["copula"].value < 0.1 * truth
    assert bounds["tree probe"].value > 0.9 * truth


def test_what_the_label_tells_does_not_count_within_the_classes():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 3000)
    attribute = labels ^ (rng.random(3000) < 0.2)
    shown = attribute ^ (rng.random(3000) < 0.1)
    features = shown[:, None] + rng.normal(0, 0.01, (3000, 1))
    rows = {"attribute": attribute, "label": labels}
    found = audit(features, (None, rows), resamples=20)
    # The features show the attribute with errors in a tenth of the rows. What
    # they show differs from the label in 0.8 * 0.1 + 0.2 * 0.9 of them.
    truth = entropy(0.1, 0.9), entropy(0.26, 0.74)
    assert found.leakage.information.value == pytest.approx(
        np.log(2) - truth[0], abs=0.03
    )
    assert found.conditional_leakage.information.value == pytest.approx(
        truth[1] - truth[0], abs=0.03
    )


@pytest.fixture(scope="module")
def labeled():
    """Features that name the label, which the attribute follows in part."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 3000)
    attribute = np.where(rng.random(3000) < 0.9, labels, 1 - labels)
    features = np.eye(2)[labels] + rng.normal(0, 0.05, (3000, 2))
    predictions = np.where(rng.random(3000) < 0.1 + 0.1 * attribute, 0, labels)
    return features, labels, attribute, predictions


@pytest.fixture(scope="module")
def labeled_audit(labeled):
    features, labels, attribute, predictions = labeled
    rows = pair_of(np.eye(2)[attribute], label=labels)
    return audit(features, rows, predictions=predictions, resamples=40)


@pytest.mark.slow
def test_the_floor_is_zero_within_the_classes(labeled, labeled_audit):
    _, labels, attribute, _ = labeled
    leakage, within = labeled_audit.leakage, labeled_audit.conditional_leakage
    assert leakage.floor == pytest.approx(
        metrics.mutual_info_score(labels, attribute), abs=1e-3
    )
    assert leakage.information.value == pytest.approx(leakage.floor, abs=0.06)
    assert within.floor == 0
    assert within.information.value == pytest.approx(0, abs=0.02)
    assert within.ceiling == pytest.approx(entropy(0.1, 0.9), abs=0.03)
    # Without the features, the best guess is that the attribute is the label.
    assert within.majority_accuracy == pytest.approx(0.9, abs=0.03)
    assert leakage.majority_accuracy == pytest.approx(0.5, abs=0.06)
    assert leakage.probe_accuracy["linear probe"].value == pytest.approx(0.9, abs=0.03)


def test_accuracies_of_an_audit(labeled, labeled_audit):
    _, labels, attribute, predictions = labeled
    found = labeled_audit
    correct = labels == predictions
    assert found.accuracy.value == pytest.approx(correct.mean())
    # The standard error of a mean, from the textbook.
    error = correct.std() / np.sqrt(len(correct))
    assert found.accuracy.high - found.accuracy.low == pytest.approx(
        2 * 1.96 * error, rel=0.4
    )
    for value in (0, 1):
        assert found.accuracy_per_attribute[str(value)].value == pytest.approx(
            correct[attribute == value].mean()
        )
    rates = [
        metrics.recall_score(
            labels[attribute == value], predictions[attribute == value]
        )
        for value in (0, 1)
    ]
    assert found.equal_opportunity.value == pytest.approx(abs(rates[0] - rates[1]))
    worst = (labels == 1) & (attribute == 1)
    assert found.worst_group == (
        "label 1, attribute 1",
        pytest.approx(correct[worst].mean()),
    )


def test_an_audit_can_be_printed_and_drawn(labeled_audit, tmp_path):
    frame = labeled_audit.to_frame()
    bound = frame[(frame.quantity == "I(Z;C|Y) (nats)") & (frame.of == "tree probe")]
    assert bound.value.item() == (
        labeled_audit.conditional_leakage.information.bounds["tree probe"].value
    )
    assert "I(Z;C): " in str(labeled_audit)
    assert "nan" not in str(labeled_audit)
    figure = labeled_audit.plot()
    figure.savefig(tmp_path / "audit.png")
    assert [ax.get_title(loc="left") for ax in figure.axes] == [
        "I(Z;C): what the features tell",
        "I(Z;C|Y): and the label does not",
        "accuracy per attribute value",
    ]


@pytest.mark.slow
def test_an_audit_calls_the_model_for_features_and_predictions():
    model, dataset = binary(1.0)
    from_dataset = audit(model, dataset, resamples=10)
    batches = dataset.batches("test", 64)
    (targets,) = (y for _, y in batches.unbatch().batch(400))
    features = np.concatenate([model(x)["features"] for x, _ in batches])
    logits = np.concatenate([model(x)["logits"] for x, _ in batches])
    split = dataset.test
    assert from_dataset.accuracy.value == np.mean(logits.argmax(1) == split.labels)
    for model_or_features, rows in (
        (model, batches),
        (features, (split.inputs, targets)),
    ):
        again = audit(model_or_features, rows, resamples=10)
        assert again.leakage.information.value == pytest.approx(
            from_dataset.leakage.information.value, abs=1e-3
        )
    other = audit(model, dataset, resamples=10, seed=1)
    assert other.leakage != from_dataset.leakage


@pytest.mark.slow
def test_probes_predict_all_parts_of_an_attribute():
    # Two independent parts, one in the features and one not, and a third that
    # repeats the first: the information is that of the first.
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 3, 3000), rng.integers(0, 2, 3000)
    features = np.eye(3)[first] + rng.normal(0, 0.05, (3000, 3))
    attribute = np.concatenate([np.eye(3)[first], second[:, None], np.eye(3)[first]], 1)
    found = audit(features, pair_of(attribute), resamples=20)
    bounds = found.leakage.information.bounds
    for name in probes.PROBES:
        assert bounds[name].value == pytest.approx(np.log(3), abs=0.05)
        # The second part can only be guessed.
        assert found.leakage.probe_accuracy[name].value == pytest.approx(0.5, abs=0.06)
    assert found.leakage.ceiling == pytest.approx(np.log(6), abs=0.01)


@pytest.mark.slow
def test_a_number_is_cut_into_deciles():
    rng = np.random.default_rng(0)
    number = rng.normal(size=(3000, 1))
    features = 0.8 * number + 0.6 * rng.normal(size=(3000, 1))
    found = audit(features, pair_of(number), resamples=20)
    truth = -0.5 * np.log(1 - 0.8**2)
    assert found.leakage.information.value == pytest.approx(truth, abs=0.09)
    assert found.leakage.ceiling == np.inf
    found.plot()


@pytest.mark.parametrize(
    ("features", "targets", "message"),
    [
        (np.zeros((59, 2)), {"attribute": np.zeros((59, 1))}, "60 rows"),
        (
            np.zeros((70, 2)),
            {"attribute": np.zeros((60, 1))},
            "Received: {'features': 70, 'attribute': 60}",
        ),
        (np.zeros(60), {"attribute": np.zeros((60, 1))}, "shape \\(60,\\)"),
        (
            np.full((60, 2), np.nan),
            {"attribute": np.zeros((60, 1))},
            "NaN or infinity",
        ),
        (
            np.zeros((90, 2)),
            {"attribute": np.zeros((90, 2))},
            r"reveal nothing.*\[0.0, 0.0\]",
        ),
    ],
)
def test_an_audit_refuses_rows(features, targets, message):
    with pytest.raises(ValueError, match=message):
        audit(features, (None, targets))


def test_an_audit_refuses_too_few_rows():
    targets = {"attribute": np.zeros(90)}
    with pytest.raises(ValueError, match=r"60 rows or more.*rows=20"):
        audit(np.zeros((90, 2)), (None, targets), rows=20)


def test_predictions_must_be_classes_of_the_same_rows():
    rows = {"attribute": np.zeros((60, 1)), "label": np.zeros(60, int)}
    with pytest.raises(ValueError, match="'predictions': 3"):
        audit(np.zeros((60, 2)), (None, rows), predictions=np.zeros(3))
    with pytest.raises(ValueError, match=r"Received: shape \(60, 2\), float"):
        audit(np.zeros((60, 2)), (None, rows), predictions=np.ones((60, 2)))
    with pytest.raises(ValueError, match=r"Received: shape \(60,\), float"):
        audit(np.zeros((60, 2)), (None, rows), predictions=np.full(60, 0.3))


@pytest.mark.slow
def test_the_sign_of_a_single_logit_predicts_the_class():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(200, 2)).astype("float32")
    rows = {
        "label": (features[:, :1] > 0).astype("float32"),
        "attribute": features[:, 1:] > 0,
    }

    def model(x):
        return {"features": x, "logits": x[:, :1]}

    found = audit(model, (features, rows), resamples=10)
    assert found.accuracy.value == 1


@pytest.mark.slow
def test_values_too_rare_to_learn_still_count():
    rng = np.random.default_rng(0)
    for rows, values in ((60, 20), (300, 30)):
        attribute = np.eye(values)[np.arange(rows) % values]
        with pytest.warns(UserWarning, match="fewer than 15 rows per value"):
            found = audit(
                rng.normal(size=(rows, 2)),
                (None, {"attribute": attribute}),
                resamples=10,
            )
        # The correction for few rows makes it a little larger.
        assert found.leakage.ceiling == pytest.approx(np.log(values), abs=0.2)


@pytest.mark.slow
def test_an_attribute_may_be_a_number_with_rare_values():
    rng = np.random.default_rng(0)
    attribute = rng.integers(0, 2, 600)
    attribute[:2] = 7
    features = np.eye(8)[attribute] + rng.normal(0, 0.05, (600, 8))
    found = audit(features, (None, {"attribute": attribute}), resamples=10)
    assert found.leakage.ceiling == pytest.approx(np.log(2), abs=0.05)
    assert found.leakage.information.value == pytest.approx(np.log(2), abs=0.08)


def test_features_that_are_all_the_same_tell_nothing():
    attribute = np.arange(900) % 2
    found = audit(np.ones((900, 2)), (None, {"attribute": attribute}), resamples=10)
    assert found.leakage.information.value == pytest.approx(0, abs=0.01)
    assert {*found.leakage.information.bounds} == {*probes.PROBES}


@pytest.mark.slow
def test_a_number_that_is_nearly_always_zero_is_no_single_category():
    rng = np.random.default_rng(0)
    gain = np.where(rng.random(3000) < 0.8, 0, rng.uniform(1, 1e4, 3000))
    features = np.log1p(gain)[:, None] + rng.normal(0, 0.1, (3000, 1))
    found = audit(features, (None, {"attribute": gain}), resamples=10)
    # More than whether it is zero.
    assert found.leakage.information.value > entropy(0.8, 0.2)
    assert found.leakage.majority_accuracy == pytest.approx(0.8, abs=0.04)


@pytest.mark.slow
def test_many_values_are_warned_of():
    rng = np.random.default_rng(0)
    attribute = rng.integers(0, 2, (90, 5))
    with pytest.warns(UserWarning, match="values of the attribute in 90"):
        audit(rng.normal(size=(90, 2)), (None, {"attribute": attribute}))


def test_strings_are_no_labels():
    targets = {"attribute": np.arange(90) % 2, "label": np.full(90, "a")}
    with pytest.raises(ValueError, match="labels must be numbers"):
        audit(np.zeros((90, 2)), (None, targets))


@pytest.mark.slow
def test_the_attribute_spec_of_a_data_set_names_the_parts():
    # The columns of the rows look like a one-hot code, and are two numbers.
    _, dataset = binary(1.0, rows=90)
    numbers = AttributeSpec((1, 1))
    vectors = np.eye(2)[np.arange(90) % 2]
    assert AttributeSpec.infer(vectors) != numbers
    split = type(dataset.test)(dataset.test.inputs, dataset.test.labels, vectors)
    dataset = type(dataset)("toy", split, split, 2, attribute_spec=numbers)
    found = audit(
        lambda x: {"features": x, "logits": tf.concat([x, 1 - x], 1)},
        dataset,
        resamples=3,
    )
    assert list(found.accuracy_per_attribute) == [
        "0: 0",
        "0: 1",
        "1: 0",
        "1: 1",
    ]


def test_noise_tells_nothing_of_a_number_that_the_label_cuts():
    rng = np.random.default_rng(0)
    age = rng.normal(size=1200)
    labels = np.digitize(age, np.quantile(age, [0.15, 0.35, 0.55, 0.75, 0.95]))
    rows = {"attribute": age, "label": labels}
    found = audit(rng.normal(size=(1200, 2)), (None, rows), resamples=20)
    assert found.conditional_leakage.information.low < 0.01
    assert found.conditional_leakage.information.value < 0.03


def test_few_rows_per_label_and_value_are_no_negative_information():
    rng = np.random.default_rng(0)
    rows = {"attribute": np.eye(5)[np.arange(90) % 5], "label": np.arange(90) // 10}
    found = audit(rng.normal(size=(90, 2)), (None, rows), resamples=10)
    assert abs(found.conditional_leakage.information.value) < 0.1


def test_a_class_may_have_one_row():
    rng = np.random.default_rng(0)
    labels = np.append(np.arange(99) % 2, 2)
    rows = {"attribute": np.arange(100) % 2, "label": labels}
    found = audit(rng.normal(size=(100, 2)), (None, rows), resamples=10)
    assert found.conditional_leakage.ceiling < np.log(2)


def test_sparse_features_are_as_dense_ones():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(90, 2)) * (rng.random((90, 2)) < 0.5)
    rows = {"attribute": np.arange(90) % 2}
    dense, scarce = (
        audit(given, (None, rows), resamples=10)
        for given in (features, sparse.csr_matrix(features))
    )
    assert dense == scarce


@pytest.mark.parametrize(
    ("features", "dataset", "given", "message"),
    [
        (np.full((90, 2), "a"), (None, {}), {}, "Features must be numbers.*<U1"),
        (np.zeros((90, 2)), ({},), {}, "A pair of arrays.*a tuple of 1"),
        (np.zeros((90, 2)), (None, {}), {"resamples": 0}, "`resamples` is out of"),
        (np.zeros((90, 2)), (None, {}), {"seed": -1}, "`seed` is out of range"),
        (
            np.zeros((90, 2)),
            (None, {"label": np.arange(90) % 2}),
            {"predictions": np.full(90, "a")},
            "`predictions` must be classes.*<U1",
        ),
    ],
)
def test_an_audit_says_what_it_cannot_read(features, dataset, given, message):
    if len(dataset) > 1:
        dataset[1]["attribute"] = np.arange(90) % 2
    with pytest.raises(ValueError, match=message):
        audit(features, dataset, **given)
