import types

import keras
import numpy as np
import pytest
import tensorflow as tf
from toy import EVERY_METHOD

from keras_unbias.data.targets import check_categories
from keras_unbias.information import (
    ConcatenatedCritic,
    MutualInformationEstimator,
)
from keras_unbias.methods import (
    METHODS,
    BiasBalanced,
    LabelPrior,
    MutualInformationBackpropagation,
    RepresentationClassifier,
    penalties,
)
from keras_unbias.methods.mutual_information import clip_to
from keras_unbias.methods.optimizers import companion_optimizer

ADVERSARIES = ("attribute_confusion", "adversarial_unlearning")


def label_prior(problem, **kwargs):
    prior = LabelPrior(problem.classes, **kwargs)
    prior.adapt(problem.train[1]["attribute"], problem.train[1]["label"])
    return prior


def make(problem, name, seed=0, **kwargs):
    keras.utils.set_random_seed(seed)
    encoder = problem.encoder()
    if name == "bias_balanced":
        kwargs.setdefault("label_prior", label_prior(problem))
    if name in ADVERSARIES:
        kwargs.setdefault("attribute_parts", (problem.classes,))
    return METHODS[name](encoder, problem.classes, **kwargs)


def fit(model, problem, epochs=2, batch_size=128, **kwargs):
    inputs, targets = problem.train
    return model.fit(
        inputs,
        targets,
        batch_size=batch_size,
        epochs=epochs,
        shuffle=False,
        verbose=0,
        **kwargs,
    ).history


@pytest.mark.parametrize("name", EVERY_METHOD)
def test_every_method_trains_evaluates_and_predicts(problem, name):
    model = make(problem, name)
    model.compile(keras.optimizers.Adam(5e-3))
    step, traces = model.train_step, []
    model.train_step = lambda data: traces.append(data) or step(data)
    history = fit(model, problem, epochs=4, validation_data=problem.test)
    # A step that creates variables would be traced once more.
    assert len(traces) == 1
    keys = {"loss", "accuracy"}
    if name == "mi_backprop":
        keys.add("mutual_information")
    if name in ADVERSARIES:
        keys.add("attribute_loss")
    assert set(history) == keys | {f"val_{key}" for key in keys}
    assert np.isfinite(list(history.values())).all()
    assert history["loss"][-1] < history["loss"][0]
    predicted = model.predict(problem.test[0], verbose=0)
    accuracy = (
        predicted["logits"].argmax(1) == problem.test[1]["label"]
    ).mean()
    results = model.evaluate(*problem.test, verbose=0, return_dict=True)
    assert results["accuracy"] == pytest.approx(accuracy, abs=1e-6)
    assert predicted["features"].shape == (len(problem.test[0]), 8)


@pytest.mark.parametrize("name", EVERY_METHOD)
def test_every_method_is_saved_and_goes_on_as_before(problem, name, tmp_path):
    model = make(problem, name)
    model.compile(keras.optimizers.Adam(1e-2))
    fit(model, problem, epochs=1)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    # One more epoch is the same only if every state came along: both
    # optimizers', the estimator's, its standardisation and seeds.
    fit(model, problem, epochs=1)
    fit(loaded, problem, epochs=1)
    assert [v.path.split("/")[-1] for v in model.variables] == [
        v.path.split("/")[-1] for v in loaded.variables
    ]
    for one, other in zip(model.variables, loaded.variables):
        np.testing.assert_array_equal(one, other, err_msg=one.path)


@pytest.mark.parametrize("name", EVERY_METHOD)
def test_export_holds_the_inference_path_alone(problem, name, tmp_path):
    model = make(problem, name)
    model.compile()
    fit(model, problem, epochs=1)
    model.export(tmp_path / "model", verbose=False)
    loaded = tf.saved_model.load(tmp_path / "model")
    expected = model.predict(problem.test[0], verbose=0)
    for rows in (1, 7):
        served = loaded.serve(problem.test[0][:rows])
        for key in ("logits", "features"):
            np.testing.assert_allclose(
                served[key], expected[key][:rows], atol=1e-5
            )
    assert len(loaded.variables) == 6


@pytest.mark.parametrize(
    ("estimator_batches", "own_optimizer"),
    [
        (2, True),
        pytest.param(0, False, marks=pytest.mark.slow),
        pytest.param(0, True, marks=pytest.mark.slow),
        pytest.param(2, False, marks=pytest.mark.slow),
    ],
)
def test_weight_zero_is_erm_step_for_step(
    problem, own_optimizer, estimator_batches
):
    erm = make(problem, "erm")
    erm.compile(keras.optimizers.Adam(5e-3))
    inputs, targets = problem.train
    parts = 1 + estimator_batches
    task = np.arange(len(inputs)).reshape(-1, parts, 64)[:, 0].ravel()
    erm_history = erm.fit(
        inputs[task],
        {name: value[task] for name, value in targets.items()},
        batch_size=64,
        epochs=3,
        shuffle=False,
        verbose=0,
    ).history
    model = make(
        problem,
        "mi_backprop",
        mi_weight=0.0,
        own_optimizer=own_optimizer,
        estimator_batches=estimator_batches,
    )
    model.compile(keras.optimizers.Adam(5e-3))
    history = fit(model, problem, epochs=3, batch_size=64 * parts)
    for one, other in zip(erm.trainable_variables, model.trainable_variables):
        np.testing.assert_array_equal(one, other)
    assert history["loss"] == erm_history["loss"]
    assert history["mutual_information"][-1] != 0


@pytest.mark.parametrize("clip", [True, False])
@pytest.mark.parametrize("own_optimizer", [True, False])
@pytest.mark.parametrize(
    ("estimator_batches", "conditional"),
    [
        (0, False),
        pytest.param(2, False, marks=pytest.mark.slow),
        (2, True),
    ],
)
def test_a_step_is_algorithm_1(
    problem, clip, own_optimizer, estimator_batches, conditional
):
    """One step against the same written out with plain gradient descent."""
    alpha, eta, weight, rows = 0.1, 0.2, 0.7, 32
    model = make(
        problem,
        "mi_backprop",
        mi_weight=weight,
        clip=clip,
        own_optimizer=own_optimizer,
        conditional=conditional,
        estimator_batches=estimator_batches,
        estimator=MutualInformationEstimator(
            optimizer=keras.optimizers.SGD(eta),
            steps=1,
            num_classes=problem.classes if conditional else None,
            standardize=False,
        ),
        attribute_size=problem.classes,
    )
    model.compile(keras.optimizers.SGD(alpha))
    model.build((None, 2 * problem.classes))
    inputs, targets = problem.train
    task_x, task_y = inputs[:rows], targets["label"][:rows]
    task_c = targets["attribute"][:rows]
    mine = slice(rows, 2 * rows) if estimator_batches else slice(0, rows)

    reference = make(problem, "mi_backprop", attribute_size=problem.classes)
    reference.build((None, 2 * problem.classes))
    reference.set_weights(model.get_weights())
    critic = reference.estimator.critic.network

    def bound(features, attributes, labels):
        ones = np.ones((len(attributes), 1), "float32")
        scores = critic(features) @ np.hstack([attributes, ones]).T
        value = tf.reduce_mean(tf.linalg.diag_part(scores))
        for y in range(problem.classes) if conditional else [...]:
            mine = labels == y if conditional else np.full(len(labels), True)
            pairs = tf.boolean_mask(scores, np.outer(mine, mine))
            value -= mine.mean() * tf.math.log(tf.reduce_mean(tf.exp(pairs)))
        return value

    features = reference.encoder(inputs[mine])
    phi = [v.value for v in critic.weights]
    with tf.GradientTape() as tape:
        tape.watch(phi)
        value = bound(
            features, targets["attribute"][mine], targets["label"][mine]
        )
    for variable, gradient in zip(phi, tape.gradient(value, phi)):
        variable.assign_add(eta * gradient)

    theta = [v.value for v in reference.encoder.weights]
    psi = [v.value for v in reference.classifier.weights]
    with tf.GradientTape(persistent=True) as tape:
        features = reference.encoder(task_x)
        loss = tf.reduce_mean(
            tf.nn.sparse_softmax_cross_entropy_with_logits(
                task_y, reference.classifier(features)
            )
        )
        value = bound(features, task_c, task_y)
    for variable in psi:
        variable.assign_sub(alpha * tape.gradient(loss, variable))
    task, information = tape.gradient(loss, theta), tape.gradient(value, theta)
    for variable, g, m in zip(theta, task, information):
        if clip:
            m = m * min(1.0, float(tf.norm(g) / tf.norm(m)))
        variable.assign_sub(alpha * (g + weight * m))

    fit(
        model,
        Restricted(inputs, targets, rows * (1 + estimator_batches)),
        epochs=1,
        batch_size=rows * (1 + estimator_batches),
    )
    # Two mini-batches and one step: the estimator sees the first of them.
    for one, other in zip(model.get_weights()[:6], reference.get_weights()):
        np.testing.assert_allclose(one, other, atol=1e-5)
    for one, other in zip(model.estimator.critic.get_weights(), phi):
        np.testing.assert_allclose(one, other, atol=1e-5)


class Restricted:
    def __init__(self, inputs, targets, rows):
        self.train = (
            inputs[:rows],
            {name: value[:rows] for name, value in targets.items()},
        )


def test_it_unlearns_the_attribute(problem):
    accuracy = {}
    for name, kwargs in {
        "erm": {},
        "mi_backprop": {},
        "bias_balanced": {},
    }.items():
        model = make(problem, name, **kwargs)
        model.compile(keras.optimizers.Adam(5e-3))
        fit(model, problem, epochs=8)
        accuracy[name] = model.evaluate(
            *problem.test, verbose=0, return_dict=True
        )["accuracy"]
    assert accuracy["mi_backprop"] > accuracy["erm"] + 0.05
    assert accuracy["bias_balanced"] > accuracy["erm"] + 0.05


def test_every_optimizer_has_its_own_variables(problem):
    model = make(problem, "mi_backprop", attribute_size=problem.classes)
    model.compile()
    model.build((None, 2 * problem.classes))
    model.build_optimizers()
    task = {id(v) for v in model.optimizer._trainable_variables}
    critic = {id(v) for v in model.estimator.optimizer._trainable_variables}
    encoder = {id(v) for v in model.mi_optimizer._trainable_variables}
    assert task == {id(v) for v in model.trainable_variables}
    assert critic == {id(v) for v in model.estimator.critic.variables}
    assert encoder == {id(v) for v in model.encoder.trainable_variables}
    assert not task & critic


def test_dataset_and_subclassed_encoder(problem):
    class Encoder(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(4)

        def call(self, inputs):
            return self.dense(inputs)

    model = MutualInformationBackpropagation(
        Encoder(),
        problem.classes,
        estimator=MutualInformationEstimator(ConcatenatedCritic()),
    )
    model.compile()
    dataset = tf.data.Dataset.from_tensor_slices(problem.train).batch(256)
    history = model.fit(dataset, verbose=0).history
    assert np.isfinite(history["mutual_information"]).all()
    # Of the training's batches of 256 it knows nothing.
    assert model.inference_model().input_shape == (None, 2 * problem.classes)


def test_a_generator_without_the_attribute_is_refused(problem):
    model = MutualInformationBackpropagation(
        problem.encoder(), problem.classes, attribute_size=problem.classes
    )
    model.build((None, 2 * problem.classes))
    model.compile(run_eagerly=True)
    inputs, targets = problem.train
    batch = inputs, {"label": targets["label"]}
    with pytest.raises(ValueError, match="does not name the attribute"):
        model.fit((batch for _ in range(1)), verbose=0)


def test_clipping_per_variable():
    gradients = [tf.constant([3.0, 4.0]), tf.constant([0.3, 0.4])]
    reference = [tf.constant([0.0, 1.0]), tf.constant([1.0, 1.0])]
    long, short = clip_to(gradients, reference)
    np.testing.assert_allclose(long, [0.6, 0.8], rtol=1e-6)
    np.testing.assert_allclose(short, [0.3, 0.4], rtol=1e-6)
    (zero,) = clip_to([tf.zeros(2)], [tf.ones(2)])
    np.testing.assert_array_equal(zero, [0, 0])


def test_the_second_rate_follows_the_first():
    schedule = keras.optimizers.schedules.CosineDecay(0.1, 100)
    optimizer = keras.optimizers.Adam(schedule, use_ema=True, epsilon=1e-3)
    second = companion_optimizer(optimizer, 0.5, "second")
    assert (second.use_ema, second.epsilon) == (False, 1e-3)
    for step in (0, 30, 100):
        optimizer.iterations.assign(step)
        expected = 0.05 * (1 + np.cos(np.pi * step / 100)) / 2
        np.testing.assert_allclose(second.learning_rate, expected, atol=1e-8)
    plain = keras.optimizers.SGD(0.1)
    second = companion_optimizer(plain, 3.0, "second")
    assert float(second.learning_rate) == pytest.approx(0.3)
    plain.learning_rate = 0.01
    assert float(second.learning_rate) == pytest.approx(0.03)


@pytest.mark.slow
def test_sample_weights_choose_rows(problem):
    inputs, targets = problem.train
    weights = (np.arange(len(inputs)) % 2).astype("float32")
    for name in METHODS:
        model = make(problem, name)
        model.compile()
        model.build((None, 2 * problem.classes))
        half = {key: value[1::2] for key, value in targets.items()}
        weighted = model.compute_loss(
            inputs,
            targets,
            model(inputs),
            {"label": weights, "attribute": weights},
        )
        if name == "chi_squared":
            # A penalty is no mean over rows: it is looked at below.
            model.penalty_weight = 0.0
            weighted = model.compute_loss(
                inputs,
                targets,
                model(inputs),
                {"label": weights, "attribute": weights},
            )
        # Keras divides by all rows, not by the sum of their weights.
        alone = model.compute_loss(inputs[1::2], half, model(inputs[1::2]))
        assert float(weighted) == pytest.approx(float(alone) / 2, rel=1e-5)
        model.fit(inputs, targets, 256, sample_weight=weights, verbose=0)


def test_the_penalty_is_added_to_the_loss_of_training_alone(problem):
    inputs, targets = problem.train
    weights = (np.arange(len(inputs)) % 2).astype("float32")
    model = make(problem, "chi_squared", penalty_weight=3.0)
    model.compile()
    outputs = model(inputs)
    penalty = float(
        penalties.equal_opportunity_penalty(
            outputs["logits"][1::2],
            targets["label"][1::2],
            targets["attribute"][1::2],
        )
    )
    assert penalty > 0.1
    both = [
        float(
            model.compute_loss(inputs, targets, outputs, weights, training=on)
        )
        for on in (True, False)
    ]
    assert both[0] - both[1] == pytest.approx(3 * penalty, rel=1e-4)


@pytest.mark.parametrize(
    ("method", "name"),
    [
        ("mi_backprop", "mi_weight"),
        ("chi_squared", "penalty_weight"),
        ("attribute_confusion", "confusion_weight"),
        ("adversarial_unlearning", "entropy_weight"),
        ("adversarial_unlearning", "reversal_weight"),
    ],
)
@pytest.mark.parametrize("value", [-1, np.nan, np.inf])
def test_weights_are_finite_and_not_negative(problem, method, name, value):
    with pytest.raises(ValueError, match=f">= 0. Received: {name}={value}"):
        make(problem, method, **{name: value})


@pytest.mark.parametrize(
    "as_dataset", [True, pytest.param(False, marks=pytest.mark.slow)]
)
def test_a_short_last_batch_leaves_its_remainder(problem, as_dataset):
    model = make(problem, "mi_backprop", estimator_batches=2)
    model.compile()
    inputs, targets = problem.train
    inputs = inputs[:100]
    targets = {key: value[:100] for key, value in targets.items()}
    if as_dataset:
        data = tf.data.Dataset.from_tensor_slices((inputs, targets))
        history = model.fit(data.batch(30), verbose=0).history
    else:
        history = model.fit(inputs, targets, 30, verbose=0).history
    assert np.isfinite(history["loss"] + history["mutual_information"]).all()
    assert int(model.optimizer.iterations) == 4


def test_a_frozen_branch_has_no_gradient_and_no_error(problem):
    x = keras.Input((2 * problem.classes,))
    used = keras.layers.Dense(4)(x)
    unused = keras.layers.Dense(4)(x)
    encoder = keras.Model(x, keras.layers.Add()([used, 0.0 * unused]))
    model = MutualInformationBackpropagation(encoder, problem.classes)
    model.compile()
    assert np.isfinite(fit(model, problem, epochs=1)["loss"]).all()


def test_label_prior_counts(problem):
    labels = problem.train[1]["label"]
    attributes = problem.train[1]["attribute"]
    prior = label_prior(problem, strength=0.5, smoothing=2.0)
    for cell in np.eye(problem.classes, dtype="float32"):
        mine = labels[(attributes == cell).all(1)]
        counts = np.bincount(mine, minlength=problem.classes) + 2.0
        np.testing.assert_allclose(
            prior(cell[None])[0],
            0.5 * np.log(counts / counts.sum()),
            rtol=1e-5,
        )
    seen, near = prior(np.float32([[0, 1, 0], [0.1, 0.8, 0.0]]))
    np.testing.assert_array_equal(seen, near)
    column = LabelPrior(problem.classes, strength=0.5, smoothing=2.0)
    column.adapt(attributes, labels[:, None])
    np.testing.assert_array_equal(column.log_prior, prior.log_prior)


def test_cells_far_from_zero_are_told_apart_in_any_precision():
    labels = np.array([0, 1, 1])
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        prior = LabelPrior(2)
        prior.adapt(np.array([[20000], [20001], [20003]]), labels)
        told = np.asarray(prior(np.array([[20000], [20001], [20003]])))
    finally:
        keras.config.set_dtype_policy("float32")
    np.testing.assert_array_equal(told.argmax(1), labels)


def test_labels_may_be_a_column(problem):
    inputs, targets = problem.train
    column = {**targets, "label": targets["label"][:, None]}
    losses = []
    for y in (targets, column):
        keras.utils.set_random_seed(0)
        model = make(problem, "mi_backprop", conditional=True)
        # Two batches take less time than their compilation.
        model.compile("adam", run_eagerly=True)
        penalties.append(
            model.fit(
                inputs, y, 256, steps_per_epoch=2, shuffle=False, verbose=0
            ).history["loss"]
        )
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_a_single_logit_has_no_softmax(problem):
    model = RepresentationClassifier(problem.encoder(), 1)
    model.compile(loss=keras.losses.BinaryCrossentropy(from_logits=True))
    model.build((None, 2 * problem.classes))
    with pytest.raises(ValueError, match="activation='sigmoid'"):
        model.inference_model()
    names = set(model.inference_model(activation="sigmoid").output)
    assert names == {"logits", "probabilities", "features"}


def test_the_prior_enters_the_training_loss_alone(problem):
    model = make(problem, "bias_balanced")
    model.compile()
    model.build((None, 2 * problem.classes))
    inputs, targets = problem.test
    logits = model.predict(inputs, verbose=0)["logits"]
    prior = np.asarray(model.label_prior(targets["attribute"]))

    def cross_entropy(logits):
        shifted = logits - logits.max(1, keepdims=True)
        log_p = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
        return -log_p[np.arange(len(logits)), targets["label"]].mean()

    for training, expected in ((True, logits + prior), (False, logits)):
        loss = model.compute_loss(
            inputs, targets, model(inputs), training=training
        )
        assert float(loss) == pytest.approx(cross_entropy(expected), rel=1e-5)
    tested = model.evaluate(inputs, targets, verbose=0, return_dict=True)
    assert tested["loss"] == pytest.approx(cross_entropy(logits), rel=1e-4)


@pytest.mark.parametrize("name", ["mi_backprop", *ADVERSARIES, "chi_squared"])
def test_several_replicas_are_refused(problem, monkeypatch, name):
    model = make(problem, name)
    model.compile()
    strategy = types.SimpleNamespace(num_replicas_in_sync=2)
    monkeypatch.setattr(type(model), "distribute_strategy", strategy)
    with pytest.raises(ValueError, match="a strategy of 2 replicas"):
        fit(model, problem, epochs=1)


def test_errors(problem):
    for weight in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match=f"number >= 0.*{weight}"):
            make(problem, "mi_backprop", mi_weight=weight)
    for batches in (-1, 1.5):
        with pytest.raises(ValueError, match=f"integer >= 0.*={batches}"):
            make(problem, "mi_backprop", estimator_batches=batches)
    with pytest.raises(ValueError, match="estimator with num_classes=3"):
        make(
            problem,
            "mi_backprop",
            conditional=True,
            estimator=MutualInformationEstimator(),
        )
    with pytest.raises(ValueError, match="label_prior=None"):
        BiasBalanced(problem.encoder(), 3, label_prior=None)
    with pytest.raises(ValueError, match="has no counts yet"):
        LabelPrior(3)(np.zeros((1, 3), "float32"))
    with pytest.raises(ValueError, match="Received: 5000. Bin numbers"):
        LabelPrior(2).adapt(np.arange(5000)[:, None], np.zeros(5000, int))
    with pytest.raises(ValueError, match="Received: -1..0"):
        LabelPrior(2).adapt(np.zeros((2, 1)), np.array([-1, 0]))
    with pytest.raises(ValueError, match=r"attributes of shape \(2,\)"):
        LabelPrior(2).adapt(np.zeros(2), np.array([0, 1]))
    with pytest.raises(ValueError, match=r"attributes of shape \(0, 2\)"):
        LabelPrior(2).adapt(np.zeros((0, 2)), np.zeros(0, int))
    with pytest.raises(ValueError, match=r"labels of shape \(2, 3\)"):
        LabelPrior(2).adapt(np.zeros((2, 1)), np.zeros((2, 3), int))
    with pytest.raises(ValueError, match="not known of all rows"):
        LabelPrior(2).adapt(np.array([[np.nan], [0]]), np.array([0, 1]))
    for labels, received in (
        ([0.5, 1], "float64"),
        ([np.inf, 1], "float64"),
        (["a", "b"], "<U1"),
    ):
        with pytest.raises(ValueError, match=f"labels of {received}"):
            LabelPrior(2).adapt(np.zeros((2, 1)), np.array(labels))
    prior = LabelPrior(2)
    prior.adapt(np.eye(2), np.array([False, True]))
    with pytest.raises(ValueError, match="Received: 3 of width 3. Make a new"):
        prior.adapt(np.eye(3), np.array([0, 1, 1]))
    with pytest.raises(ValueError, match="with num_classes=1.*num_classes=2"):
        BiasBalanced(problem.encoder(), 1, label_prior=prior)
    with pytest.raises(ValueError, match="num_classes=1. Received: positive=1"):
        METHODS["chi_squared"](problem.encoder(), 1)
    for wrong in (np.zeros((3, 1)), np.zeros(2)):
        with pytest.raises(ValueError, match=r"Expected: shape \(n, 2\)"):
            prior(wrong)
    images = keras.Sequential(
        [keras.Input((8, 8, 1)), keras.layers.Conv2D(2, 3)]
    )
    with pytest.raises(ValueError, match="End it with a Flatten"):
        RepresentationClassifier(images, 2).build((None, 8, 8, 1))
    model = make(problem, "mi_backprop", estimator_batches=2)
    model.compile()
    with pytest.raises(ValueError, match="a multiple of 3"):
        fit(model, problem, batch_size=128)
    inputs, targets = problem.train
    with pytest.raises(ValueError, match="does not name the attribute"):
        model.fit(inputs, {"label": targets["label"]}, verbose=0)
    with pytest.raises(ValueError, match=r"Received: shape \(1536,\)"):
        model.fit(inputs, {**targets, "attribute": targets["label"]})
    unbuilt = make(problem, "mi_backprop")
    unbuilt.compile()
    with pytest.raises(ValueError, match="Received: generator"):
        unbuilt.fit(batch for batch in [problem.train])
    erm = make(problem, "erm")
    erm.compile()
    with pytest.raises(ValueError, match="does not name its labels"):
        erm.fit(inputs, targets["label"], verbose=0)


@pytest.mark.parametrize("hidden", [(), (5,)])
@pytest.mark.parametrize("name", ADVERSARIES)
def test_one_adversarial_step_is_the_papers_equations(problem, name, hidden):
    """By hand, with plain gradient descent: both networks, from one state."""
    rows, rate = 96, 0.1
    model = make(problem, name, attribute_hidden=hidden, attribute_rate=3.0)
    model.compile(keras.optimizers.SGD(rate))
    model.build((None, 2 * problem.classes))
    inputs, targets = problem.train
    x, c = inputs[:rows], targets["attribute"][:rows]
    y = targets["label"][:rows]
    copy = keras.models.clone_model(model.encoder)
    copy.set_weights(model.encoder.get_weights())
    psi = [tf.Variable(w) for w in model.classifier.get_weights()]
    phi = [tf.Variable(w) for w in model.attribute_variables]

    def attribute_logits(z):
        *first, kernel, bias = phi
        if hidden:
            z = z @ first[0]
            mean, variance = tf.nn.moments(z, 0)
            z = first[1] * (z - mean) / tf.sqrt(variance + 1e-3) + first[2]
            z = tf.nn.relu(z)
        return z @ kernel + bias

    with tf.GradientTape(persistent=True) as tape:
        z = copy(x)
        q = tf.nn.softmax(attribute_logits(z))
        told = -tf.reduce_mean(tf.reduce_sum(c * tf.math.log(q), 1))
        task = tf.reduce_mean(
            tf.nn.sparse_softmax_cross_entropy_with_logits(
                y, z @ psi[0] + psi[1]
            )
        )
        if name == "attribute_confusion":
            uniform = tf.fill(c.shape, 1 / problem.classes)
            objective = task - tf.reduce_mean(
                tf.reduce_sum(uniform * tf.math.log(q), 1)
            )
        else:
            surprise = tf.reduce_mean(tf.reduce_sum(q * tf.math.log(q), 1))
            objective = task + 0.01 * surprise - 0.1 * told
    expected = [*copy.trainable_variables, *psi]
    steps = tape.gradient(objective, expected)
    head_steps = tape.gradient(told, phi)
    for variable, step in zip(expected, steps, strict=True):
        variable.assign_sub(rate * step)
    for variable, step in zip(phi, head_steps, strict=True):
        variable.assign_sub(3 * rate * step)

    fit(model, Restricted(inputs, targets, rows), epochs=1, batch_size=rows)

    for one, other in zip(model.trainable_variables, expected):
        np.testing.assert_allclose(one, other, atol=1e-5)
    for one, other in zip(model.attribute_variables, phi, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("attribute_confusion", {"confusion_weight": -1.0}),
        ("adversarial_unlearning", {"reversal_weight": -1.0}),
        ("attribute_confusion", {"attribute_parts": ()}),
    ],
)
def test_adversaries_refuse_bad_arguments(problem, name, weights):
    with pytest.raises(ValueError, match="Expected.*Received.*(-1.0|\\(\\))"):
        make(problem, name, **weights)


def test_an_attribute_of_another_width_is_refused(problem):
    model = make(problem, "attribute_confusion", attribute_parts=(2, 2))
    model.compile()
    with pytest.raises(ValueError, match="Expected: 4 for .*Received: 3"):
        fit(model, problem, epochs=1)


@pytest.mark.parametrize("name", [*ADVERSARIES, "chi_squared"])
@pytest.mark.parametrize(
    ("attribute", "parts", "message"),
    [
        ([[0.3], [-1.2]], (1,), r"widths \(1,\).*other numbers"),
        ([[1, 1], [0, 1]], (2,), r"widths \(2,\).*other numbers"),
        ([[0.5, 0], [0, 1]], (2,), "other numbers"),
        ([[np.nan, 1], [0, 1]], (2,), "not known of all rows"),
        ([0, 1], (1,), r"Received: shape \(2,\)"),
    ],
)
def test_attributes_that_are_no_categories_are_refused(
    problem, name, attribute, parts, message
):
    kwargs = {"attribute_parts": parts} if name in ADVERSARIES else {}
    model = make(problem, name, **kwargs)
    model.compile()
    inputs, targets = problem.train
    targets = {"label": targets["label"][:2], "attribute": np.array(attribute)}
    with pytest.raises(ValueError, match=message):
        model.fit(inputs[:2], targets, verbose=0)


@pytest.mark.parametrize(
    ("attribute", "parts"),
    [
        (np.array([[True], [False]]), (1,)),
        ([[0.9], [0.2]], (1,)),
        ([[0.3, 0.7, 1], [0, 0, 0]], (2, 1)),
    ],
)
def test_shares_of_categories_and_unknown_ones_are_taken(attribute, parts):
    check_categories(attribute, parts)


def test_targets_that_are_no_dict_are_named_by_their_kind(problem):
    inputs, targets = problem.train
    model = make(problem, "chi_squared")
    model.compile()
    with pytest.raises(ValueError, match="Received: targets ndarray"):
        model.fit(inputs, targets["label"], verbose=0)


@pytest.mark.parametrize("name", EVERY_METHOD)
def test_a_backup_finds_every_optimizer(problem, name):
    """Its callback restores the state of what there is as training begins."""
    model = make(problem, name)
    model.compile()
    model.build((None, *problem.train[0].shape[1:]))
    built = []
    look = keras.callbacks.LambdaCallback(
        on_train_begin=lambda logs: built.extend(
            optimizer.built
            for optimizer in vars(model).values()
            if isinstance(optimizer, keras.optimizers.Optimizer)
        )
    )
    fit(model, problem, epochs=1, callbacks=[look])
    assert built and all(built)


@pytest.mark.parametrize(
    ("name", "metric"),
    [
        ("mi_backprop", "mutual_information"),
        ("attribute_confusion", "attribute_loss"),
    ],
)
def test_a_short_batch_counts_by_its_rows(problem, name, metric):
    model = make(problem, name)
    model.compile()
    fit(model, problem, epochs=1)
    inputs, targets = problem.train

    def value(rows, **kwargs):
        part = {key: v[rows] for key, v in targets.items()}
        return model.evaluate(
            inputs[rows], part, verbose=0, return_dict=True, **kwargs
        )[metric]

    long, short = slice(0, 100), slice(100, 104)
    found = value(slice(0, 104), batch_size=100)
    assert value(long, batch_size=100) != pytest.approx(value(short), rel=1e-2)
    expected = (100 * value(long, batch_size=100) + 4 * value(short)) / 104
    assert found == pytest.approx(expected, rel=1e-4)


def test_more_mini_batches_than_there_are_cannot_be_accumulated(problem):
    with pytest.raises(ValueError, match="accumulate=4.*estimator_batches=6"):
        make(
            problem,
            "mi_backprop",
            estimator=MutualInformationEstimator(accumulate=4),
            estimator_batches=6,
        )
