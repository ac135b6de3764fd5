"""Mutual information backpropagation, against Algorithm 1 by hand."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from small_models import TwoInputs, first, fit, make, two_input_rows, two_inputs

from keras_unbias.callbacks import StopOnDivergence
from keras_unbias.information import (
    ConcatenatedCritic,
    MutualInformationEstimator,
    SeparableCritic,
)
from keras_unbias.methods import MutualInformationBackpropagation


@pytest.mark.parametrize(
    ("estimator_batches", "own_optimizer"),
    [
        (2, True),
        pytest.param(0, False, marks=pytest.mark.slow),
        pytest.param(0, True, marks=pytest.mark.slow),
        pytest.param(2, False, marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("changed", [{}, {"released_order": True}, {"mi_every": 3}])
def test_weight_zero_is_erm_step_for_step(
    problem, own_optimizer, estimator_batches, changed
):
    if "released_order" in changed and not own_optimizer:
        pytest.skip("the released order has two optimizers")
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
        **changed,
    )
    model.compile(keras.optimizers.Adam(5e-3))
    history = fit(model, problem.train, epochs=3, batch_size=64 * parts)
    for one, other in zip(
        erm.trainable_variables, model.trainable_variables, strict=True
    ):
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
        value = bound(features, targets["attribute"][mine], targets["label"][mine])
    for variable, gradient in zip(phi, tape.gradient(value, phi), strict=True):
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
    for variable, g, m in zip(theta, task, information, strict=True):
        if clip:
            m = m * min(1.0, float(tf.norm(g) / tf.norm(m)))
        variable.assign_sub(alpha * (g + weight * m))

    fit(
        model,
        first(problem.train, rows * (1 + estimator_batches)),
        epochs=1,
        batch_size=rows * (1 + estimator_batches),
    )
    # Two mini-batches and one step: the estimator sees the first of them.
    for one, other in zip(
        model.get_weights()[:6], reference.get_weights()[:6], strict=True
    ):
        np.testing.assert_allclose(one, other, atol=1e-5)
    for one, other in zip(model.estimator.critic.get_weights(), phi, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.parametrize("clip", [True, False])
@pytest.mark.parametrize("estimator_batches", [0, 2])
def test_a_step_in_the_released_order(problem, clip, estimator_batches):
    """Two steps of the released code, against plain gradient descent."""
    alpha, eta, weight, rows = 0.1, 0.2, 0.7, 32
    model = make(
        problem,
        "mi_backprop",
        mi_weight=weight,
        clip=clip,
        released_order=True,
        estimator_batches=estimator_batches,
        estimator=MutualInformationEstimator(
            optimizer=keras.optimizers.SGD(eta), steps=1, standardize=False
        ),
        attribute_size=problem.classes,
    )
    model.compile(keras.optimizers.SGD(alpha))
    model.build((None, 2 * problem.classes))
    reference = make(problem, "mi_backprop", attribute_size=problem.classes)
    reference.build((None, 2 * problem.classes))
    reference.set_weights(model.get_weights())
    critic = reference.estimator.critic.network
    theta = [v.value for v in reference.encoder.weights]
    psi = [v.value for v in reference.classifier.weights]
    phi = [v.value for v in critic.weights]

    def terms(rows):
        features = reference.encoder(inputs[rows])
        logits = reference.classifier(features)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
            targets["label"][rows], logits
        )
        attributes = targets["attribute"][rows]
        ones = np.ones((len(attributes), 1), "float32")
        scores = critic(features) @ np.hstack([attributes, ones]).T
        bound = tf.reduce_mean(tf.linalg.diag_part(scores))
        bound -= tf.math.log(tf.reduce_mean(tf.exp(scores)))
        return tf.reduce_mean(losses), bound

    inputs, targets = problem.train
    parts = 1 + estimator_batches
    losses = []
    for start in (0, rows * parts):
        task = slice(start, start + rows)
        mine = slice(start + rows, start + 2 * rows) if estimator_batches else task
        # The task's step.
        with tf.GradientTape() as tape:
            loss, _ = terms(task)
        losses.append(loss)
        for variable, gradient in zip(
            theta + psi, tape.gradient(loss, theta + psi), strict=True
        ):
            variable.assign_sub(alpha * gradient)
        # Both gradients at the new weights, and the step of the bound.
        with tf.GradientTape(persistent=True) as tape:
            loss, bound = terms(task)
        pairs = zip(
            tape.gradient(loss, theta), tape.gradient(bound, theta), strict=True
        )
        for variable, (g, m) in zip(theta, pairs, strict=True):
            if clip:
                m = m * tf.minimum(1.0, tf.math.divide_no_nan(tf.norm(g), tf.norm(m)))
            variable.assign_sub(alpha * weight * m)
        # The estimator follows.
        with tf.GradientTape() as tape:
            tape.watch(phi)
            _, bound = terms(mine)
        for variable, gradient in zip(phi, tape.gradient(bound, phi), strict=True):
            variable.assign_add(eta * gradient)

    history = fit(
        model,
        first(problem.train, 2 * rows * parts),
        epochs=1,
        batch_size=rows * parts,
    )
    ours = [*model.network_variables, *model.estimator.critic.weights]
    theirs = [*reference.network_variables, *critic.weights]
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    # The loss of a step is that before it, as in all training.
    assert history["loss"] == pytest.approx([np.mean(losses)], rel=1e-5)
    assert int(model.optimizer.iterations) == int(model.mi_optimizer.iterations) == 2


def test_the_released_order_has_two_optimizers(problem):
    with pytest.raises(ValueError, match="own_optimizer=True with released_order=True"):
        make(problem, "mi_backprop", released_order=True, own_optimizer=False)


@pytest.mark.parametrize("released_order", [False, True])
def test_steps_between_are_of_the_task_alone(problem, released_order):
    rows = 96
    data = first(problem.train, 3 * rows)

    def compiled(method, **kwargs):
        model = make(problem, method, **kwargs)
        model.compile(keras.optimizers.SGD(0.1))
        return model

    kwargs = {"estimator_batches": 2, "released_order": released_order}
    kwargs |= {"attribute_size": problem.classes}
    model = compiled("mi_backprop", mi_every=2, **kwargs)
    model.build((None, 2 * problem.classes))
    reference = compiled("mi_backprop", **kwargs)
    reference.build((None, 2 * problem.classes))
    reference.set_weights(model.get_weights())
    fit(model, data, epochs=1, batch_size=rows)
    assert int(model.estimator.updates) == 2 * model.estimator.steps
    assert int(model.optimizer.iterations) == 3

    # The second step is one of plain training, on the first third of its rows.
    erm = compiled("erm")
    erm.build((None, 2 * problem.classes))
    for number in range(3):
        mine = slice(number * rows, (number + 1) * rows)
        inputs, targets = data[0][mine], {k: v[mine] for k, v in data[1].items()}
        if number == 1:
            erm.set_weights([v.numpy() for v in reference.network_variables])
            targets = {name: value[:32] for name, value in targets.items()}
            fit(erm, (inputs[:32], targets), epochs=1, batch_size=32)
            for ours, theirs in zip(
                reference.network_variables, erm.network_variables, strict=True
            ):
                ours.assign(theirs)
        else:
            fit(reference, (inputs, targets), epochs=1, batch_size=rows)
    for one, other in zip(
        model.network_variables + model.estimator.variables,
        reference.network_variables + reference.estimator.variables,
        strict=True,
    ):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_an_epoch_without_a_bound_reports_the_latest(problem):
    model = make(problem, "mi_backprop", mi_every=3)
    model.compile(keras.optimizers.SGD(0.1), jit_compile=True)
    stop = StopOnDivergence()
    history = fit(
        model,
        first(problem.train, 128),
        epochs=3,
        batch_size=64,
        callbacks=[stop],
        validation_data=problem.test,
    )
    # Six steps: the first and the fourth have one.
    _, second, third = history["mutual_information"]
    assert third == second != 0
    assert not stop.reason and int(model.optimizer.iterations) == 6
    assert history["val_mutual_information"][2] != third


def test_steps_without_a_bound_shuffle_their_rows(problem):
    seen = []

    class Seeing(MutualInformationBackpropagation):
        def compute_loss(self, x, *args):
            seen.append(frozenset(x.numpy()[:, 0]))
            return super().compute_loss(x, *args)

    encoder = keras.Sequential([keras.Input((1,)), keras.layers.Dense(2)])
    model = Seeing(encoder, 2, estimator_batches=1, mi_every=4)
    model.compile("sgd", run_eagerly=True)
    inputs = np.arange(32.0, dtype="float32")[:, None]
    targets = {"label": np.arange(32) % 2, "attribute": np.eye(2)[np.arange(32) % 2]}
    keras.utils.set_random_seed(0)
    model.fit(inputs, targets, epochs=8, batch_size=32, verbose=0)
    # Other rows of the task in each of eight steps, and at last all.
    assert len(seen) == len({*seen}) == 8
    assert frozenset.union(*seen) == {*range(32)}


@pytest.mark.parametrize("value", [0, 1.5])
def test_the_number_of_steps_is_checked(problem, value):
    with pytest.raises(ValueError, match="integer >= 1. Received: mi_every="):
        make(problem, "mi_backprop", mi_every=value)


def test_every_optimizer_has_its_own_variables(problem):
    model = make(problem, "mi_backprop", attribute_size=problem.classes)
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9))
    model.estimator.optimizer = keras.optimizers.SGD(0.1, momentum=0.9)
    model.build((None, 2 * problem.classes))
    model.build_optimizers()
    for optimizer, trained in (
        (model.optimizer, model.trainable_variables),
        (model.estimator.optimizer, model.estimator.critic.variables),
        (model.mi_optimizer, model.encoder.trainable_variables),
    ):
        # Names of the momenta end in those of the variables.
        momenta = [v for v in optimizer.variables if "momentum" in v.path]
        assert len(momenta) == len(trained)
        for momentum, variable in zip(momenta, trained, strict=True):
            assert variable.path.replace("/", "_") in momentum.path
    assert len(model.trainable_variables) == 6


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
    # Inference does not keep the batch size of training.
    assert model.inference_model().input_shape == (None, 2 * problem.classes)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("encoder", "estimator_batches"), [(TwoInputs, 0), (two_inputs, 1)]
)
def test_dicts_of_inputs_and_validation_data(encoder, estimator_batches):
    model = MutualInformationBackpropagation(
        encoder(), 2, mi_weight=0.1, estimator_batches=estimator_batches
    )
    model.compile(
        keras.optimizers.Adam(1e-2),
        estimator_optimizer=keras.optimizers.SGD(0.1),
        metrics=["accuracy", keras.metrics.SparseTopKCategoricalAccuracy(1)],
    )
    data = tf.data.Dataset.from_tensor_slices(two_input_rows()).batch(64)
    history = model.fit(
        data, validation_data=two_input_rows(500, seed=1), epochs=20, verbose=0
    ).history
    # The best possible accuracy: two normals whose means are sqrt(5) apart.
    assert history["val_accuracy"][-1] == pytest.approx(0.868, abs=0.06)
    assert "val_sparse_top_k_categorical_accuracy" in history
    assert isinstance(model.estimator.optimizer, keras.optimizers.SGD)
    assert model.estimator.optimizer.iterations > 0


def test_a_generator_without_the_attribute_is_refused(problem):
    model = MutualInformationBackpropagation(
        problem.encoder(), problem.classes, attribute_size=problem.classes
    )
    model.build((None, 2 * problem.classes))
    model.compile(run_eagerly=True)
    inputs, targets = problem.train
    batch = inputs, {"label": targets["label"]}
    with pytest.raises(ValueError, match="do not name the attribute"):
        model.fit((batch for _ in range(1)), verbose=0)


def test_a_pipeline_without_targets_is_refused():
    model = MutualInformationBackpropagation(two_inputs(), 2)
    model.compile()
    inputs, _ = two_input_rows()
    data = tf.data.Dataset.from_tensor_slices(inputs).batch(32)
    with pytest.raises(ValueError, match="do not name the attribute"):
        model.fit(data, verbose=0)


@pytest.mark.slow
def test_another_optimizer_of_the_critic_is_used_and_saved(problem, tmp_path):
    model = MutualInformationBackpropagation(problem.encoder(), 3)
    model.compile(estimator_optimizer="adam")
    model.fit(*problem.train, batch_size=256, verbose=0)
    critic = model.estimator.critic.get_weights()
    # With a rate of 0 the critic learns nothing more.
    model.compile(estimator_optimizer=keras.optimizers.SGD(0.0))
    model.fit(*problem.train, batch_size=256, verbose=0)
    for before, after in zip(critic, model.estimator.critic.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert isinstance(loaded.estimator.optimizer, keras.optimizers.SGD)
    assert int(loaded.estimator.optimizer.iterations) == 6 * 16


@pytest.mark.parametrize(
    "as_dataset", [True, pytest.param(False, marks=pytest.mark.slow)]
)
def test_a_short_last_batch_leaves_its_remainder(problem, as_dataset):
    model = make(problem, "mi_backprop", estimator_batches=2)
    model.compile()
    inputs, targets = first(problem.train, 100)
    if as_dataset:
        data = tf.data.Dataset.from_tensor_slices((inputs, targets))
        history = model.fit(data.batch(30), verbose=0).history
    else:
        history = model.fit(inputs, targets, 30, verbose=0).history
    assert np.isfinite(history["loss"] + history["mutual_information"]).all()
    assert int(model.optimizer.iterations) == 4


@pytest.mark.parametrize(
    "compiled",
    [
        pytest.param({"jit_compile": True}, marks=pytest.mark.slow),
        {"run_eagerly": True},
    ],
)
def test_a_last_batch_may_be_short_however_it_is_run(compiled):
    model = MutualInformationBackpropagation(two_inputs(), 2, estimator_batches=3)
    model.compile(**compiled)
    # 54 rows in the last batch leave a remainder, 2 are fewer than its parts.
    for count in (118, 66):
        inputs, targets = two_input_rows(count)
        data = tf.data.Dataset.from_tensor_slices((inputs, targets)).batch(64)
        for fitted in (
            model.fit(inputs, targets, batch_size=64, verbose=0),
            model.fit(data, verbose=0),
        ):
            assert np.isfinite(fitted.history["loss"][0])
            assert np.isfinite(fitted.history["mutual_information"][0])
    for weights in model.get_weights():
        assert np.isfinite(weights).all()


def test_all_rows_of_arrays_come_to_the_task():
    # With one row a batch for the task, out of four: the weights of a linear
    # model say which rows it has seen.
    inputs = np.eye(16, dtype="float32")
    targets = {
        "label": np.zeros(16, int),
        "attribute": np.random.default_rng(0).normal(size=(16, 1)),
    }
    model = MutualInformationBackpropagation(
        keras.Sequential(
            [
                keras.Input((16,)),
                keras.layers.Dense(2, use_bias=False, kernel_initializer="ones"),
            ]
        ),
        2,
        mi_weight=0.0,
        estimator=MutualInformationEstimator(steps=1),
        estimator_batches=3,
    )
    model.compile(keras.optimizers.SGD(0.1))
    keras.utils.set_random_seed(0)
    model.fit(inputs, targets, batch_size=4, epochs=30, verbose=0)
    kernel = model.encoder.get_weights()[0]
    assert (np.abs(kernel - 1).max(1) > 1e-4).all()


def test_a_frozen_branch_has_no_gradient_and_no_error(problem):
    x = keras.Input((2 * problem.classes,))
    used = keras.layers.Dense(4)(x)
    unused = keras.layers.Dense(4)(x)
    encoder = keras.Model(x, keras.layers.Add()([used, 0.0 * unused]))
    model = MutualInformationBackpropagation(encoder, problem.classes)
    model.compile()
    assert np.isfinite(fit(model, problem.train, epochs=1)["loss"]).all()


def test_gradients_of_an_embedding_are_added():
    words = np.random.default_rng(0).integers(0, 50, (256, 6))
    kernels = []
    # An embedding is a linear layer of one-hot words.
    for inputs, layer in (
        (words, keras.layers.Embedding(50, 4)),
        (np.eye(50)[words], keras.layers.Dense(4, use_bias=False)),
    ):
        keras.utils.set_random_seed(0)
        encoder = keras.Sequential(
            [
                keras.Input(inputs.shape[1:]),
                layer,
                keras.layers.GlobalAveragePooling1D(),
            ]
        )
        model = MutualInformationBackpropagation(
            encoder,
            2,
            own_optimizer=False,
            clip=False,
            estimator=MutualInformationEstimator(SeparableCritic(seed=0)),
        )
        model.build((None, *inputs.shape[1:]))
        layer.set_weights([np.linspace(-1, 1, 200).reshape(50, 4)])
        model.classifier.set_weights([np.linspace(-1, 1, 8).reshape(4, 2), np.zeros(2)])
        model.compile(keras.optimizers.SGD(1.0), run_eagerly=True)
        model.fit(inputs, two_input_rows()[1], batch_size=256, verbose=0)
        kernels.append(layer.get_weights()[0])
    np.testing.assert_allclose(kernels[0], kernels[1], atol=1e-5)


@pytest.mark.slow
def test_labels_may_be_a_column(problem):
    inputs, targets = problem.train
    column = {**targets, "label": targets["label"][:, None]}
    losses = []
    for y in (targets, column):
        keras.utils.set_random_seed(0)
        model = make(problem, "mi_backprop", conditional=True)
        # Two batches take less time than their compilation.
        model.compile("adam", run_eagerly=True)
        losses.append(
            model.fit(
                inputs, y, 256, steps_per_epoch=2, shuffle=False, verbose=0
            ).history["loss"]
        )
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"attribute": np.full((256, 2), np.nan)},
            "must be known for every row",
        ),
        ({"label": np.full(256, 2)}, r"labels in 0..1. Received: \[2\] among"),
        ({"label": np.full(256, 0.5)}, r"Received: \[0.5\] among them, float"),
        ({"label": np.array(["0", "a"] * 128)}, r"Received: \['0', 'a'\]"),
        ({"label": np.eye(2)[[0, 1] * 128]}, r"labels of shape \(256, 2\)"),
        ({"attribute": [[0, 1]] * 256}, r"shape \(n, a\).*Received: list"),
    ],
)
def test_rows_are_checked_before_training(changes, message):
    model = MutualInformationBackpropagation(two_inputs(), 2, conditional=True)
    model.compile()
    inputs, targets = two_input_rows()
    with pytest.raises(ValueError, match=message):
        model.fit(inputs, {**targets, **changes}, verbose=0)


def test_large_numbers_are_warned_of():
    model = MutualInformationBackpropagation(two_inputs(), 2)
    model.compile(run_eagerly=True)
    inputs, targets = two_input_rows(32)
    age = np.linspace(20, 80, 32)[:, None]
    both = np.concatenate([age / 100, age], 1)
    with pytest.warns(UserWarning, match=r"columns \[1\] of the attribute") as seen:
        model.fit(inputs, {**targets, "attribute": both}, verbose=0)
    assert seen[0].filename == __file__


def test_the_attribute_keeps_its_width():
    model = MutualInformationBackpropagation(two_inputs(), 2)
    model.compile(run_eagerly=True)
    inputs, targets = two_input_rows(64)
    model.fit(inputs, targets, verbose=0)
    narrow = {**targets, "attribute": targets["attribute"][:, :1]}
    for use in (model.fit, model.evaluate):
        with pytest.raises(ValueError, match=r"Expected: 2. Received: 1"):
            use(inputs, narrow, verbose=0)


def test_more_mini_batches_than_there_are_cannot_be_accumulated(problem):
    with pytest.raises(ValueError, match=r"accumulate=4.*estimator_batches=6"):
        make(
            problem,
            "mi_backprop",
            estimator=MutualInformationEstimator(accumulate=4),
            estimator_batches=6,
        )


def test_arguments_are_checked(problem):
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


def test_data_are_checked_before_training(problem):
    inputs, targets = problem.train
    model = make(problem, "mi_backprop", estimator_batches=2)
    model.compile()
    with pytest.raises(ValueError, match="a multiple of 3"):
        fit(model, problem.train, batch_size=128)
    with pytest.raises(ValueError, match="do not name the attribute"):
        model.fit(inputs, {"label": targets["label"]}, verbose=0)
    with pytest.raises(ValueError, match=r"Received: shape \(1536,\)"):
        model.fit(inputs, {**targets, "attribute": targets["label"]})
    unbuilt = make(problem, "mi_backprop")
    unbuilt.compile()
    with pytest.raises(ValueError, match="Received: generator"):
        unbuilt.fit(batch for batch in [problem.train])


class Pairs(keras.utils.PyDataset):
    """Batches of arrays."""

    def __init__(self, data, size):
        super().__init__()
        self.data, self.size = data, size

    def __len__(self):
        return len(self.data[0]) // self.size

    def __getitem__(self, index):
        rows = slice(index * self.size, (index + 1) * self.size)
        return keras.tree.map_structure(lambda a: a[rows], self.data)


def test_every_kind_of_data_trains_alike(problem):
    """Arrays in order, pipelines, PyDatasets and generators."""
    data = first(problem.train, 64)
    model = make(
        problem,
        "mi_backprop",
        attribute_size=3,
        estimator=MutualInformationEstimator(
            optimizer=keras.optimizers.SGD(0.1), steps=1
        ),
        estimator_batches=1,
    )
    model.build((None, 6))
    model.compile(keras.optimizers.SGD(0.1))
    pairs = Pairs(data, 32)
    found, start = [], model.get_weights()
    for batches in (
        None,
        tf.data.Dataset.from_tensor_slices(data).batch(32, True),
        pairs,
        (pairs[index] for index in range(2)),
    ):
        model.set_weights(start)
        if batches is None:
            history = fit(model, data, epochs=1, batch_size=32)
        else:
            history = model.fit(batches, steps_per_epoch=2, verbose=0).history
        found.append(history["loss"] + history["mutual_information"])
    for other in found[1:]:
        assert other == pytest.approx(found[0], rel=1e-5)


def test_an_assigned_weight_reaches_the_gradient(problem):
    """A step with a weight of 3 moves the encoder three times as far."""
    model = make(
        problem,
        "mi_backprop",
        attribute_size=3,
        clip=False,
        estimator=MutualInformationEstimator(
            optimizer=keras.optimizers.SGD(0.1), steps=1
        ),
    )
    model.build((None, 6))
    model.compile(keras.optimizers.SGD(0.1))
    start, kernels = model.get_weights(), []
    for weight in (0.0, 1.0, 3.0):
        model.set_weights(start)
        model.mi_weight = weight
        assert float(model.mi_weight_variable) == weight
        assert model.get_config()["mi_weight"] == weight
        fit(model, first(problem.train, 64), epochs=1, batch_size=64)
        kernels.append(model.encoder.get_weights()[0])
    none, one, three = kernels
    assert np.abs(one - none).max() > 1e-4
    np.testing.assert_allclose(three - none, 3 * (one - none), atol=1e-6)
    with pytest.raises(ValueError, match="Received: mi_weight=-1"):
        model.mi_weight = -1


@pytest.mark.slow
@pytest.mark.parametrize("conditional", [False, True])
def test_an_evaluation_is_over_all_rows_whatever_the_batches(problem, conditional):
    model = make(problem, "mi_backprop", conditional=conditional)
    model.compile(run_eagerly=True)
    fit(model, problem.train, epochs=1)
    x, y = first(problem.train, 600)
    features = model.predict(x, verbose=0)["features"]
    expected = float(model.estimator.bound(features, y["attribute"], y["label"]))
    order = np.argsort(y["attribute"].argmax(1), kind="stable")
    for rows, size in ((order, 4), (order, 600), (np.arange(600), 128)):
        data = keras.tree.map_structure(lambda a, rows=rows: a[rows], (x, y))
        dataset = tf.data.Dataset.from_tensor_slices(data).batch(size)
        result = model.evaluate(dataset, verbose=0, return_dict=True)
        assert result["mutual_information"] == pytest.approx(expected, abs=1e-4)
    history = model.fit(x, y, validation_data=dataset, verbose=0).history
    result = model.evaluate(dataset, verbose=0, return_dict=True)
    assert history["val_mutual_information"][0] == result["mutual_information"]
