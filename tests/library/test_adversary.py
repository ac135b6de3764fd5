"""Both methods with an attribute classifier, against their papers."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from small_models import (
    ADVERSARIES,
    encoder_weights_after,
    first,
    fit,
    make,
    two_inputs,
)

from keras_unbias.data import AttributeSpec
from keras_unbias.methods import METHODS, AttributeConfusion


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
            tf.nn.sparse_softmax_cross_entropy_with_logits(y, z @ psi[0] + psi[1])
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

    fit(model, first(problem.train, rows), epochs=1, batch_size=rows)

    for one, other in zip(model.trainable_variables, expected, strict=True):
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
    with pytest.raises(ValueError, match=r"Expected.*Received.*(-1.0|\(\))"):
        make(problem, name, **weights)


def test_an_attribute_of_another_width_is_refused(problem):
    model = make(problem, "attribute_confusion", attribute_parts=(2, 2))
    model.compile()
    with pytest.raises(ValueError, match=r"Expected: 4. Received: 3"):
        fit(model, problem.train, epochs=1)


@pytest.mark.parametrize("name", ADVERSARIES)
@pytest.mark.parametrize(
    ("attribute", "parts", "message"),
    [
        ([[0.3], [-1.2]], (1,), r"widths \(1,\).*other numbers"),
        ([[1, 1], [0, 1]], (2,), r"widths \(2,\).*other numbers"),
        ([[0.5, 0], [0, 1]], (2,), "other numbers"),
        ([[np.nan, 1], [0, 1]], (2,), "known for every row"),
        ([0, 1], (1,), r"Received: shape \(2,\)"),
    ],
)
def test_attributes_that_are_not_categories_are_refused(
    problem, name, attribute, parts, message
):
    model = make(problem, name, attribute_parts=parts)
    model.compile()
    inputs, targets = problem.train
    targets = {"label": targets["label"][:2], "attribute": np.array(attribute)}
    with pytest.raises(ValueError, match=message):
        model.fit(inputs[:2], targets, verbose=0)


def test_all_made_trainable_the_task_trains_what_it_did():
    found = []
    for toggled in (False, True):
        keras.utils.set_random_seed(0)
        model = AttributeConfusion(two_inputs(), 2, attribute_parts=(2,))
        model.build({"a": (None, 5), "b": (None, 4)})
        if toggled:
            model.trainable = False
            model.trainable = True
        found.append(encoder_weights_after(model, keras.optimizers.SGD(0.1)))
    np.testing.assert_array_equal(found[1], found[0])


@pytest.mark.parametrize(
    ("attribute", "parts"),
    [
        (np.array([[True], [False]]), (1,)),
        (np.array([[0.9], [0.2]]), (1,)),
        (np.array([[0.3, 0.7, 1], [0, 0, 0]]), (2, 1)),
    ],
)
def test_shares_and_unknown_categories_are_accepted(problem, attribute, parts):
    model = make(problem, "attribute_confusion", attribute_parts=parts)
    model.compile(run_eagerly=True)
    inputs, targets = first(problem.train, 2)
    history = fit(model, (inputs, {**targets, "attribute": attribute}), 1)
    assert np.isfinite(history["attribute_loss"]).all()


@pytest.mark.parametrize("name", ADVERSARIES)
def test_a_spec_says_the_same_as_its_widths(problem, name):
    spec = AttributeSpec((2, 1), ("color", "shade"))
    one, other = (
        make(problem, name, attribute_parts=parts) for parts in (spec, [2, 1])
    )
    # Two columns as one category, and the third as a number.
    inputs, targets = first(problem.train, 64)
    attribute = targets["attribute"].copy()
    attribute[:, 0] += attribute[:, 2]
    data = inputs, {**targets, "attribute": attribute}
    for model in (one, other):
        model.build((None, 6))
    other.set_weights(one.get_weights())
    losses = []
    for model in (one, other):
        assert model.get_config()["attribute_parts"] == (2, 1)
        keras.utils.set_random_seed(0)
        model.compile(keras.optimizers.SGD(0.1), run_eagerly=True)
        losses.append(fit(model, data, 1)["loss"])
    assert losses[0] == losses[1]


def pictures(rows=6):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (rows, 12, 12, 3)).astype("uint8")
    c = np.eye(2)[np.arange(rows) % 2].astype("float32")
    return x, {"label": np.arange(rows) % 3, "attribute": c}


def picture_encoder():
    return keras.Sequential(
        [
            keras.Input((12, 12, 3)),
            keras.layers.Conv2D(4, 5, name="maps"),
            keras.layers.Flatten(name="flat"),
            keras.layers.Dense(7, name="code"),
        ]
    )


@pytest.mark.parametrize("name", ADVERSARIES)
def test_maps_are_classified_at_each_place(name):
    model = METHODS[name](
        picture_encoder(), 3, attribute_parts=(2,), attribute_layer="maps"
    )
    model.compile(keras.optimizers.SGD(0.1))
    x, y = pictures()
    model.fit(x, y, batch_size=6, epochs=1, verbose=0)
    (layer,) = model.attribute_classifier.layers
    kernel, bias = layer.get_weights()
    assert kernel.shape == (3, 3, 4, 2)
    maps = model.encoder.get_layer("maps")(x.astype("float32"))
    logits = tf.nn.conv2d(maps, kernel, 1, "SAME") + bias
    told = tf.nn.log_softmax(logits) * y["attribute"][:, None, None, :]
    expected = -np.mean(np.sum(told, -1))
    found = model.evaluate(x, y, verbose=0, return_dict=True)
    assert found["attribute_loss"] == pytest.approx(expected, rel=1e-4)
    # What a user gets is the same as without.
    assert {*model.predict(x, verbose=0)} == {"logits", "features"}


def test_only_layers_up_to_the_maps_unlearn():
    """With a task that weighs nothing, other layers keep their weights."""
    model = METHODS["adversarial_unlearning"](
        picture_encoder(),
        3,
        attribute_parts=(2,),
        attribute_layer="maps",
        attribute_hidden=(5,),
    )
    model.compile(keras.optimizers.SGD(0.1))
    before = [w.copy() for w in model.encoder.get_weights()]
    x, y = pictures()
    model.fit(x, y, batch_size=6, sample_weight=np.zeros(6), epochs=1, verbose=0)
    changed = [
        not np.array_equal(w, b)
        for w, b in zip(model.encoder.get_weights(), before, strict=True)
    ]
    assert changed == [True, True, False, False]


def test_a_model_with_maps_is_saved_and_goes_on(tmp_path):
    model = METHODS["attribute_confusion"](
        picture_encoder(), 3, attribute_parts=(2,), attribute_layer="maps"
    )
    model.compile("adam")
    x, y = pictures()
    model.fit(x, y, batch_size=6, epochs=1, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.attribute_layer == "maps"
    for one in (model, loaded):
        one.fit(x, y, batch_size=6, epochs=1, verbose=0)
    np.testing.assert_allclose(
        model.predict(x, verbose=0)["logits"],
        loaded.predict(x, verbose=0)["logits"],
        rtol=1e-5,
        atol=1e-6,
    )


class Scaled(keras.Model):
    """A functional model that does more than its layers."""

    def call(self, inputs, training=False):
        return 2 * super().call(inputs, training=training)


def scaled():
    plain = picture_encoder()
    return Scaled(plain.inputs, plain.outputs)


def shared():
    first = picture_encoder()
    inputs = keras.Input((12, 12, 3))
    return keras.Model(
        inputs, first.layers[2](first.layers[1](first.layers[0](inputs)))
    )


def test_a_layer_may_be_part_of_another_model():
    model = METHODS["attribute_confusion"](
        shared(), 3, attribute_parts=(2,), attribute_layer="maps"
    )
    x, _ = pictures()
    features, maps = model.tapped(x.astype("float32"))
    np.testing.assert_allclose(features, model.encoder(x), rtol=1e-5)
    expected = model.encoder.get_layer("maps")(x.astype("float32"))
    np.testing.assert_allclose(maps, expected, rtol=1e-5)
    assert [*model.tapped.trainable_variables] == model.encoder.trainable_variables


def several_outputs():
    inputs = keras.Input((12, 5))
    states = keras.layers.LSTM(4, return_state=True, name="maps")(inputs)
    return keras.Model(inputs, keras.layers.Dense(3)(states[0]))


def numbers():
    inputs = keras.Input((4,))
    number = keras.layers.Reshape((), name="maps")(keras.layers.Dense(1)(inputs))
    return keras.Model(inputs, keras.layers.Reshape((1,))(number))


def named_outputs():
    plain = picture_encoder()
    return keras.Model(plain.inputs, {"a": plain.outputs[0], "b": plain.outputs[0]})


@pytest.mark.parametrize(
    ("make_encoder", "layer", "message"),
    [
        (picture_encoder, "z", r"one of its own layers, \['maps'.*attribute_layer='z'"),
        (lambda: keras.layers.Dense(3), "z", "Received: Dense and attribute_layer"),
        (
            lambda: keras.Sequential([keras.layers.Dense(3, name="maps")]),
            "maps",
            "begins with keras.Input.*Received: Sequential",
        ),
        (scaled, "maps", "Received: Scaled and"),
        (several_outputs, "maps", "several outputs of 'maps'"),
        (numbers, "maps", r"\(None,\) of 'maps'"),
        (named_outputs, "maps", "2 outputs of the encoder"),
    ],
)
def test_a_layer_that_cannot_be_shown(make_encoder, layer, message):
    with pytest.raises(ValueError, match=message):
        METHODS["attribute_confusion"](
            make_encoder(), 3, attribute_parts=(2,), attribute_layer=layer
        )
