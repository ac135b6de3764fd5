"""The audit of a representation: against information known in closed form."""

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from known_information import binary, representation
from sklearn import metrics, preprocessing

from keras_unbias import audit
from keras_unbias.auditing import audit as auditing
from keras_unbias.auditing import critics, outputs, probes


def test_too_few_rows_are_refused():
    with pytest.raises(ValueError, match="60 rows or more.*rows=20"):
        targets = {"attribute": np.zeros(90)}
        audit(np.zeros((90, 2)), (None, targets), rows=20)


def entropy(*probabilities):
    p = np.array([p for p in probabilities if p > 0])
    return -(p * np.log(p)).sum()


def attribute_of(features, attribute, **labels):
    return None, {"attribute": attribute.astype("float32"), **labels}


def named(agreement, rows):
    features, attribute = representation(agreement, rows=rows)[:2]
    error = (1 - agreement) / 3
    return features, attribute, np.log(4) - entropy(agreement, *3 * [error])


def product_of_signs(rows):
    """Both features must be looked at; no linear probe finds it."""
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
def test_an_audit_finds_what_there_is(problem, rows):
    features, attribute, truth = problem(rows)
    found = audit(features, attribute_of(features, attribute), resamples=40)
    information = found.leakage.information
    assert information.value == pytest.approx(truth, rel=0.1, abs=0.02)
    assert information.low <= information.value <= information.high
    assert found.leakage.ceiling == pytest.approx(
        entropy(*attribute.mean(0)), abs=0.01
    )
    assert found.leakage.floor == 0
    assert found.conditional_leakage is None
    assert found.accuracy is None


@pytest.mark.slow
def test_each_trap_is_seen_by_another_estimator():
    features, attribute, truth = stripes(6000)
    leakage = audit(
        features, attribute_of(features, attribute), resamples=20
    ).leakage
    assert leakage.information.value == pytest.approx(truth, rel=0.1)
    bounds = leakage.bounds
    assert bounds["linear probe"].value < 0.1 * truth
    assert bounds["Donsker-Varadhan"].value < 0.7 * truth
    assert bounds["tree probe"].value > 0.9 * truth


@pytest.fixture(scope="module")
def labelled():
    """Features that name the label, which the attribute follows in part."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 3000)
    attribute = np.where(rng.random(3000) < 0.9, labels, 1 - labels)
    features = np.eye(2)[labels] + rng.normal(0, 0.05, (3000, 2))
    predictions = np.where(rng.random(3000) < 0.1 + 0.1 * attribute, 0, labels)
    return features, labels, attribute, predictions


@pytest.fixture(scope="module")
def labelled_audit(labelled):
    features, labels, attribute, predictions = labelled
    rows = attribute_of(features, np.eye(2)[attribute], label=labels)
    return audit(features, rows, predictions=predictions, resamples=40)


@pytest.mark.slow
def test_inside_the_classes_the_floor_is_gone(labelled, labelled_audit):
    _, labels, attribute, _ = labelled
    leakage, inside = (
        labelled_audit.leakage,
        labelled_audit.conditional_leakage,
    )
    assert leakage.floor == pytest.approx(
        metrics.mutual_info_score(labels, attribute), abs=1e-3
    )
    assert leakage.information.value == pytest.approx(leakage.floor, abs=0.06)
    assert inside.floor == 0
    assert inside.information.value == pytest.approx(0, abs=0.02)
    assert inside.ceiling == pytest.approx(entropy(0.1, 0.9), abs=0.03)
    # Without the features one guesses that the attribute is the label.
    assert inside.majority_accuracy == pytest.approx(0.9, abs=0.03)
    assert leakage.majority_accuracy == pytest.approx(0.5, abs=0.06)
    assert leakage.probe_accuracy["linear probe"].value == pytest.approx(
        0.9, abs=0.03
    )


def test_accuracies_of_an_audit(labelled, labelled_audit):
    _, labels, attribute, predictions = labelled
    found = labelled_audit
    hits = labels == predictions
    assert found.accuracy.value == pytest.approx(hits.mean())
    # A mean's standard error, from the textbook.
    error = hits.std() / np.sqrt(len(hits))
    assert found.accuracy.high - found.accuracy.low == pytest.approx(
        2 * 1.96 * error, rel=0.4
    )
    for value in (0, 1):
        assert found.accuracy_per_attribute[str(value)].value == pytest.approx(
            hits[attribute == value].mean()
        )
    rates = [
        metrics.recall_score(
            labels[attribute == value], predictions[attribute == value]
        )
        for value in (0, 1)
    ]
    assert found.equal_opportunity.value == pytest.approx(
        abs(rates[0] - rates[1])
    )
    worst = (labels == 1) & (attribute == 1)
    assert found.worst_group == (
        "label 1, attribute 1",
        pytest.approx(hits[worst].mean()),
    )


def test_an_audit_is_a_frame_a_text_and_a_figure(labelled_audit, tmp_path):
    frame = labelled_audit.to_frame()
    assert list(frame) == ["quantity", "of", "value", "low", "high"]
    bound = frame[
        (frame.quantity == "I(Z;C|Y) (nats)") & (frame.of == "tree probe")
    ]
    assert bound.value.item() == (
        labelled_audit.conditional_leakage.bounds["tree probe"].value
    )
    assert "I(Z;C): " in str(labelled_audit)
    assert "nan" not in str(labelled_audit)
    figure = labelled_audit.plot()
    figure.savefig(tmp_path / "audit.png")
    assert [ax.get_title() for ax in figure.axes] == [
        "I(Z;C)",
        "I(Z;C|Y)",
        "accuracy per attribute value",
    ]


@pytest.mark.slow
def test_a_model_is_asked_for_its_features_and_predictions():
    model, dataset = binary(1.0)
    from_data_set = audit(model, dataset, resamples=10)
    batches = dataset.batches("test", 64)
    (targets,) = (y for _, y in batches.unbatch().batch(400))
    features = np.concatenate([model(x)["features"] for x, _ in batches])
    logits = np.concatenate([model(x)["logits"] for x, _ in batches])
    split = dataset.test
    assert from_data_set.accuracy.value == np.mean(
        logits.argmax(1) == split.labels
    )
    for model_or_features, rows in (
        (model, batches),
        (features, (split.inputs, targets)),
    ):
        again = audit(model_or_features, rows, resamples=10)
        assert again.leakage.information.value == pytest.approx(
            from_data_set.leakage.information.value, abs=1e-3
        )
    unlike = audit(model, dataset, resamples=10, seed=1)
    assert unlike.leakage.bounds != from_data_set.leakage.bounds


@pytest.mark.slow
def test_attributes_of_several_parts_are_named_whole():
    # Two independent parts, one told and one not, and a third that is the
    # first again: there is no more to tell than the first.
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 3, 3000), rng.integers(0, 2, 3000)
    features = np.eye(3)[first] + rng.normal(0, 0.05, (3000, 3))
    attribute = np.concatenate(
        [np.eye(3)[first], second[:, None], np.eye(3)[first]], 1
    )
    found = audit(features, attribute_of(features, attribute), resamples=20)
    bounds = found.leakage.bounds
    for name in probes.PROBES:
        assert bounds[name].value == pytest.approx(np.log(3), abs=0.05)
        # The second part is a guess.
        assert found.leakage.probe_accuracy[name].value == pytest.approx(
            0.5, abs=0.06
        )
    assert found.leakage.ceiling == pytest.approx(np.log(6), abs=0.01)


@pytest.mark.slow
def test_a_number_is_cut_into_deciles():
    rng = np.random.default_rng(0)
    number = rng.normal(size=(3000, 1))
    features = 0.8 * number + 0.6 * rng.normal(size=(3000, 1))
    found = audit(features, attribute_of(features, number), resamples=20)
    truth = -0.5 * np.log(1 - 0.8**2)
    assert found.leakage.information.value == pytest.approx(truth, abs=0.09)
    assert found.leakage.ceiling == np.inf
    found.plot()


def test_samples_that_miss_a_group_have_no_equal_opportunity():
    # Three rows of the first group, whose positives are never found.
    values = np.arange(600) >= 3
    bounds = auditing._accuracies(
        np.tile([1, 1, 0], 200),
        np.where(values, np.tile([1, 1, 0], 200), 0),
        probes.codes(values[:, None].astype(float)),
        auditing._Bootstrap(200, np.random.default_rng(0)),
    )["equal_opportunity"]
    assert (bounds.low, bounds.value, bounds.high) == (1, 1, 1)


def test_codes_of_attribute_vectors():
    eye = np.eye(3)
    blocks = np.concatenate(
        [eye[[0, 1, 2, 1]], [[0], [1], [1], [0]], [[2.5], [7], [7], [2.5]]], 1
    )
    codes = probes.codes(blocks)
    np.testing.assert_array_equal(
        codes.values, [[0, 0, 0], [1, 1, 1], [2, 1, 1], [1, 0, 0]]
    )
    assert codes.names == [["0", "1", "2"], ["0", "1"], ["2.5", "7"]]
    assert codes.exact
    assert len(np.unique(codes.cells)) == 4
    deciles = probes.codes(np.arange(100.0)[:, None])
    assert not deciles.exact
    near = probes.codes(np.array([[1000001.0], [1000002.0], [0.1]]))
    assert near.names == [["0.1", "1000001", "1000002"]]
    np.testing.assert_array_equal(np.bincount(deciles.values[:, 0]), 10 * [10])


@pytest.mark.parametrize(
    ("features", "rows", "message"),
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
        (np.zeros((60, 2)), {"label": np.zeros(60)}, "no attribute"),
    ],
)
def test_an_audit_refuses(features, rows, message):
    with pytest.raises(ValueError, match=message):
        audit(features, (None, rows))


def test_predictions_must_be_of_the_same_rows():
    rows = {"attribute": np.zeros((60, 1)), "label": np.zeros(60, int)}
    with pytest.raises(ValueError, match="'predictions': 3"):
        audit(np.zeros((60, 2)), (None, rows), predictions=np.zeros(3))
    with pytest.raises(ValueError, match=r"Received: shape \(60, 2\), float"):
        audit(np.zeros((60, 2)), (None, rows), predictions=np.ones((60, 2)))
    with pytest.raises(ValueError, match=r"Received: shape \(60,\), float"):
        audit(np.zeros((60, 2)), (None, rows), predictions=np.full(60, 0.3))


@pytest.mark.slow
def test_a_single_logit_names_the_class_by_its_sign():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(200, 2)).astype("float32")
    rows = {
        "label": (features[:, :1] > 0).astype("float32"),
        "attribute": features[:, 1:] > 0,
    }

    def model(x, sign=1):
        return {"features": x, "logits": sign * x[:, :1]}

    found = audit(model, (features, rows), resamples=10)
    assert found.accuracy.value == 1
    for logits in (1, 3):
        other = {**rows, "label": np.arange(-1, 199) // 50}
        with pytest.raises(ValueError, match=r"Received: -1..3"):
            audit(
                lambda x: {"features": x, "logits": np.zeros((len(x), logits))},
                (features, other),
            )


def test_frames_are_features_and_estimators_are_not():
    rng = np.random.default_rng(0)
    features = pd.DataFrame(rng.normal(size=(90, 2)))
    rows = (None, {"attribute": features[[0]] > 0})
    matrix, _, targets, _ = outputs.collect_outputs(features, rows)
    np.testing.assert_array_equal(matrix, features)
    np.testing.assert_array_equal(targets["attribute"], features[[0]] > 0)
    with pytest.raises(ValueError, match="Pass `estimator.transform"):
        audit(preprocessing.StandardScaler(), rows)


@pytest.mark.slow
def test_values_too_rare_to_learn_are_counted_still():
    rng = np.random.default_rng(0)
    for rows, values in ((60, 20), (300, 30)):
        attribute = np.eye(values)[np.arange(rows) % values]
        with pytest.warns(UserWarning, match="fewer than 15 rows per value"):
            found = audit(
                rng.normal(size=(rows, 2)),
                (None, {"attribute": attribute}),
                resamples=10,
            )
        # Corrected for the few rows: a little above.
        assert found.leakage.ceiling == pytest.approx(np.log(values), abs=0.2)


def test_a_function_of_batches_gives_the_features():
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(120, 2)).astype("float32")
    rows = tf.data.Dataset.from_tensor_slices(
        (inputs, {"attribute": inputs[:, :1] > 0})
    ).batch(50)
    features, logits, targets, _ = outputs.collect_outputs(
        lambda x: {"features": 2 * x}, rows
    )
    np.testing.assert_array_equal(features, 2 * inputs)
    assert logits is None
    assert targets["attribute"].shape == (120, 1)


def test_endless_batches_are_refused():
    rows = {"attribute": np.zeros((60, 1), "float32")}
    batches = tf.data.Dataset.from_tensors((np.zeros((60, 2)), rows)).repeat()
    with pytest.raises(ValueError, match="repeats without end"):
        audit(lambda x: {"features": x}, batches)


@pytest.mark.slow
def test_an_attribute_may_be_a_column_of_numbers_with_rare_values():
    rng = np.random.default_rng(0)
    attribute = rng.integers(0, 2, 600)
    attribute[:2] = 7
    features = np.eye(8)[attribute] + rng.normal(0, 0.05, (600, 8))
    found = audit(features, (None, {"attribute": attribute}), resamples=10)
    assert found.leakage.ceiling == pytest.approx(np.log(2), abs=0.05)
    assert found.leakage.information.value == pytest.approx(np.log(2), abs=0.08)


def test_logits_are_a_row_for_each_row():
    with pytest.raises(ValueError, match=r"shape \(60,\). Add an axis"):
        outputs.named_classes(np.zeros(60), np.zeros(60, int))


def test_a_bare_encoder_is_refused_and_the_way_out_named():
    targets = {"attribute": np.zeros(90)}
    with pytest.raises(ValueError, match="'features'.*Received: list.*lambda"):
        audit(lambda x: [x], (np.zeros((90, 2)), targets))
    with pytest.raises(ValueError, match=r"Received: \['logits'\]"):
        audit(lambda x: {"logits": x}, (np.zeros((90, 2)), targets))


def test_inputs_may_be_a_list_of_arrays():
    rng = np.random.default_rng(0)
    attribute = rng.integers(0, 2, 600)
    inputs = [rng.normal(size=(600, 2)), np.eye(2)[attribute]]
    outputs, _, targets, _ = outputs.collect_outputs(
        lambda x: {"features": np.concatenate(x, 1)},
        (inputs, {"attribute": attribute}),
    )
    np.testing.assert_array_equal(outputs, np.concatenate(inputs, 1))
    assert targets["attribute"].shape == (600, 1)
    rows = list(inputs[0])
    outputs, *_ = outputs.collect_outputs(
        lambda x: {"features": x}, (rows, {"attribute": attribute})
    )
    np.testing.assert_array_equal(outputs, inputs[0])


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        ({"label": np.zeros(90)}, r"Received: targets \['label'\]"),
        (np.zeros(90), "Received: targets ndarray"),
        ({"attribute": np.full(90, "a")}, "Encode columns with Attribute"),
        ({"attribute": np.full((90, 1), np.nan)}, "NaN or infinity among"),
        ({"attribute": np.zeros(80)}, "'features': 90, 'attribute': 80"),
        ({"attribute": np.zeros((90, 2))}, r"nothing to tell.*\[0.0, 0.0\]"),
        ({"attribute": np.zeros(90)[:40]}, "60 rows or more"),
    ],
)
def test_what_cannot_be_audited_is_refused(targets, message):
    with pytest.raises(ValueError, match=message):
        audit(np.zeros((90, 2)), (None, targets))


def test_the_seed_is_that_of_all_estimators(monkeypatch):
    fit, seeds = critics.fit_critic, []

    def spied(*arguments, seed, **named):
        seeds.append(seed)
        return fit(*arguments, **{**named, "epochs": 1}, seed=seed)

    monkeypatch.setattr(fresh_estimators, "fit_critic", spied)
    rows = (None, {"attribute": np.arange(90) % 2})
    audit(np.ones((90, 2)), rows, seed=5, resamples=10)
    assert seeds == [5, 5]


def test_batches_are_checked_before_the_model_sees_them():
    def model(x):
        raise AssertionError("The model was called.")

    rows = np.zeros((90, 2), "float32")
    for parts, message in (
        ((rows, {"label": rows[:, 0]}), r"Received: targets \['label'\]"),
        ((rows,), "Received: targets NoneType"),
        (rows, "Received: targets NoneType"),
    ):
        batches = tf.data.Dataset.from_tensor_slices(parts).batch(30)
        with pytest.raises(ValueError, match=message):
            audit(model, batches)
    targets = {"attribute": rows}
    batches = tf.data.Dataset.from_tensor_slices((rows, targets))
    with pytest.raises(ValueError, match="Received: no batch. With `drop"):
        audit(model, batches.batch(100, drop_remainder=True))


@pytest.mark.slow
def test_a_number_that_is_nearly_always_zero_is_no_single_category():
    rng = np.random.default_rng(0)
    gain = np.where(rng.random(3000) < 0.8, 0, rng.uniform(1, 1e4, 3000))
    features = np.log1p(gain)[:, None] + rng.normal(0, 0.1, (3000, 1))
    found = audit(features, (None, {"attribute": gain}), resamples=10)
    # Whether it is zero is told, and more.
    assert found.leakage.information.value > entropy(0.8, 0.2)
    assert found.leakage.majority_accuracy == pytest.approx(0.8, abs=0.04)


@pytest.mark.slow
def test_many_values_and_strings_are_not_passed_over():
    rng = np.random.default_rng(0)
    attribute = rng.integers(0, 2, (90, 5))
    with pytest.warns(UserWarning, match="values of the attribute in 90"):
        audit(rng.normal(size=(90, 2)), (None, {"attribute": attribute}))
    rows = (None, {"attribute": attribute, "label": np.full(90, "a")})
    with pytest.raises(ValueError, match="Labels are not numbers"):
        audit(rng.normal(size=(90, 2)), rows)
