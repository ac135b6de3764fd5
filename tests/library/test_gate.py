"""What is refused on one way in is refused on all."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from small_models import make

from keras_unbias.methods import METHODS, RepresentationClassifier

ROWS, BATCH = 64, 32
# Of the others, the compilation takes longer than the rest of this file.
BRIEF = ("erm", "adversarial_unlearning")


class Batches(keras.utils.PyDataset):
    """Batches of arrays, by number."""

    def __init__(self, data):
        super().__init__()
        self.data = data

    def __len__(self):
        return ROWS // BATCH

    def __getitem__(self, index):
        rows = slice(index * BATCH, (index + 1) * BATCH)
        return tuple(keras.tree.map_structure(lambda a: a[rows], self.data))


def pipeline(data):
    return tf.data.Dataset.from_tensor_slices(tuple(data)).batch(BATCH)


def generator(data):
    return (batch for batch in Batches(data))


WAYS = {
    "arrays": lambda model, data: model.fit(
        data[0], data[1], sample_weight=data[2], batch_size=BATCH, verbose=0
    ),
    "tf.data": lambda model, data: model.fit(pipeline(data), verbose=0),
    "PyDataset": lambda model, data: model.fit(Batches(data), verbose=0),
    "generator": lambda model, data: model.fit(
        (Batches(data)[i] for i in range(2)), steps_per_epoch=2, verbose=0
    ),
    "train_on_batch": lambda model, data: model.train_on_batch(*data),
    "evaluate": lambda model, data: model.evaluate(pipeline(data), verbose=0),
    "evaluate arrays": lambda model, data: model.evaluate(
        data[0], data[1], sample_weight=data[2], verbose=0
    ),
    "test_on_batch": lambda model, data: model.test_on_batch(*data),
}
FAULTS = {
    "attribute": (
        lambda x, y, w: y["attribute"][40],
        np.nan,
        "attribute must be known",
    ),
    "inputs": (lambda x, y, w: x[40], np.inf, "`inputs` must be finite"),
    "label": (lambda x, y, w: y["label"][40:41], 3, r"labels in 0..2. Received: \[3\]"),
    "negative label": (lambda x, y, w: y["label"][40:41], -1, r"Received: \[-1\]"),
    "weight": (lambda x, y, w: w[40:41], -1.0, "`sample_weight` must say"),
    "unknown weight": (lambda x, y, w: w[40:41], np.nan, "`sample_weight` must say"),
}


def rows(problem, fault=None):
    x, y = keras.tree.map_structure(lambda a: a[:ROWS].copy(), problem.train)
    data = [x, y, np.ones(ROWS, "float32")]
    if fault is not None:
        place, value, _ = FAULTS[fault]
        place(*data)[...] = value
    return data


@functools.cache
def compiled(problem, name, **kwargs):
    """Returns a trained model. Tests share it, for tracing takes seconds."""
    model = make(problem, name)
    model.build((None, 2 * problem.classes))
    model.compile(**kwargs)
    model.fit(*rows(problem)[:2], batch_size=BATCH, verbose=0)
    return model


def weights_of(model):
    return [np.array(w) for w in model.network_variables]


# Where one fault is refused, the others are: the host has one function.
ONE = ["attribute"]


def check_refusals(problem, model, ways, faults):
    before = weights_of(model)
    for way in ways:
        for fault in faults:
            with pytest.raises(ValueError, match=FAULTS[fault][2]):
                WAYS[way](model, rows(problem, fault))
    return before


def test_every_way_in_refuses_every_fault(problem):
    model = compiled(problem, "mi_backprop")
    check_refusals(problem, model, ["tf.data"], FAULTS)
    check_refusals(problem, model, WAYS, ONE)
    # The first batch of a pass may be learned from, but nothing is spoiled.
    assert all(np.isfinite(w).all() for w in weights_of(model))
    for way in WAYS.values():
        way(model, rows(problem))


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] * (name not in BRIEF))
        for name in METHODS
    ],
)
def test_every_method_refuses(problem, name):
    model = compiled(problem, name)
    check_refusals(problem, model, ["tf.data"], FAULTS)
    check_refusals(problem, model, ["evaluate"], ONE)


def test_a_refused_batch_changes_no_weight(problem):
    model = compiled(problem, "erm")
    before = check_refusals(problem, model, ["train_on_batch"], FAULTS)
    for old, new in zip(before, weights_of(model), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize(
    "name", ["erm", pytest.param("mi_backprop", marks=pytest.mark.slow)]
)
def test_batches_are_refused_under_xla(problem, name):
    model = compiled(problem, name, jit_compile=True)
    check_refusals(problem, model, ["tf.data"], FAULTS)
    check_refusals(problem, model, ["evaluate", "train_on_batch"], ONE)
    history = model.fit(pipeline(rows(problem)), verbose=0).history
    assert np.isfinite(history["loss"]).all()


def test_eager_steps_refuse(problem):
    model = compiled(problem, "erm", run_eagerly=True)
    check_refusals(problem, model, ("tf.data", "evaluate"), FAULTS)


def test_validation_arrays_are_refused_before_training(problem):
    model = compiled(problem, "erm")
    started = keras.callbacks.LambdaCallback(on_train_begin=lambda logs: pytest.fail())
    for fault, (_, _, message) in FAULTS.items():
        with pytest.raises(ValueError, match=message):
            model.fit(
                *rows(problem)[:2],
                validation_data=rows(problem, fault),
                callbacks=[started],
                verbose=0,
            )


def test_validation_pipelines_are_refused(problem):
    model = compiled(problem, "erm")
    with pytest.raises(ValueError, match=FAULTS["attribute"][2]):
        model.fit(
            *rows(problem)[:2],
            validation_data=pipeline(rows(problem, "attribute")),
            verbose=0,
        )


@pytest.mark.parametrize("name", ["adversarial_unlearning", "chi_squared"])
def test_attributes_that_are_no_categories_are_refused_in_batches(problem, name):
    # The penalty takes long to compile.
    eagerly = {"run_eagerly": True} if name == "chi_squared" else {}
    model = compiled(problem, name, **eagerly)
    for value in ([0.0, 2.0, 0.0], [0.5, 0.0, 0.0], [1.0, 1.0, 0.0]):
        data = rows(problem)
        data[1]["attribute"][40] = value
        with pytest.raises(ValueError, match="must consist of categories"):
            model.fit(pipeline(data), verbose=0)
    data = rows(problem)
    # Shares, and an unknown category.
    data[1]["attribute"][40:42] = [[0.25, 0.25, 0.5], [0, 0, 0]]
    model.fit(pipeline(data), verbose=0)


@pytest.mark.parametrize(
    ("loss", "classes", "good", "bad"),
    [
        (keras.losses.BinaryCrossentropy(from_logits=True), 1, [0, 1, 0.5], 2),
        (keras.losses.MeanSquaredError(), 1, [-7.5, 3], np.nan),
        (
            keras.losses.SparseCategoricalCrossentropy(True, ignore_class=255),
            3,
            [0, 2, 255],
            3,
        ),
    ],
)
def test_labels_suit_the_loss(problem, loss, classes, good, bad):
    model = RepresentationClassifier(problem.encoder(), classes)
    model.compile(loss=loss, metrics=[], run_eagerly=True)
    x, y, _ = rows(problem)
    y["label"] = np.resize(np.float32(good), (ROWS, 1))
    model.fit(pipeline((x, y)), verbose=0)
    y["label"][40] = bad
    for data in ((x, y), (pipeline((x, y)),)):
        with pytest.raises(ValueError, match="labels"):
            model.fit(*data, verbose=0)


@pytest.mark.parametrize("loss", ["CategoricalCrossentropy", "BinaryCrossentropy"])
def test_shares_of_classes_lie_between_0_and_1(problem, loss):
    loss = getattr(keras.losses, loss)(from_logits=True)
    model = RepresentationClassifier(problem.encoder(), 3)
    model.compile(loss=loss, metrics=[], run_eagerly=True)
    x, y, _ = rows(problem)
    y["label"] = y["attribute"] * 0.5
    model.fit(pipeline((x, y)), verbose=0)
    y["label"][40] = [-1, 2, 0]
    with pytest.raises(ValueError, match="do not suit the loss.*in 0..1"):
        model.fit(pipeline((x, y)), verbose=0)


def test_class_weights_need_classes_in_their_own_training_alone(problem):
    model = RepresentationClassifier(problem.encoder(), 1)
    model.compile(loss="mse", metrics=[], run_eagerly=True)
    x, y, _ = rows(problem)
    amounts = {**y, "label": np.linspace(-3, 3, ROWS)}
    with pytest.raises(ValueError, match="labels in 0..1"):
        model.fit(x, amounts, class_weight={0: 1.0, 1: 2.0}, verbose=0)
    model.fit(x, {**y, "label": y["label"] % 2}, class_weight={1: 2.0}, verbose=0)
    model.fit(x, amounts, verbose=0)


def test_the_penalty_needs_classes(problem):
    model = make(problem, "chi_squared")
    model.compile(
        loss=keras.losses.CategoricalCrossentropy(from_logits=True), metrics=[]
    )
    x, y, _ = rows(problem)
    with pytest.raises(ValueError, match="The labels must be class numbers"):
        model.fit(x, {**y, "label": y["attribute"]}, verbose=0)


DTYPES = {
    "inputs": ("float16", "bfloat16", "float64"),
    "label": ("bool", "int8", "uint8", "int64", "float32", "bfloat16"),
    "attribute": ("bool", "int32", "float16", "bfloat16", "float64"),
    "weight": ("bool", "int32", "float16", "bfloat16", "float64"),
}


@pytest.mark.parametrize(
    ("place", "dtype"), [(p, dtype) for p in DTYPES for dtype in DTYPES[p]]
)
def test_any_dtype_passes_and_its_faults_do_not(problem, place, dtype):
    model = make(problem, "adversarial_unlearning")
    model.compile()
    gate = model.gate
    x, y, weight = rows(problem)
    y["label"] = y["label"] % 2
    columns = {"inputs": x, "label": y["label"], "attribute": y["attribute"]}
    columns["sample_weight"] = weight
    name = "sample_weight" if place == "weight" else place
    columns = {key: tf.convert_to_tensor(value) for key, value in columns.items()}
    columns[name] = tf.cast(columns[name], dtype)
    suspects = tf.function(gate.suspects)
    assert not suspects(columns, training=True)
    assert gate.inspect(list(columns), list(columns.values()), True)
    if dtype in ("bool", "uint8"):
        return
    bad = np.nan if columns[name].dtype.is_floating else -1
    if place == "label":
        bad = 9
    flat = tf.reshape(columns[name], [-1])
    spoiled = tf.concat([tf.cast([bad], dtype), flat[1:]], 0)
    columns[name] = tf.reshape(spoiled, columns[name].shape)
    assert suspects(columns, training=True)
    with pytest.raises(ValueError, match="Expected"):
        gate.inspect(list(columns), list(columns.values()), True)


def test_inputs_are_named_and_strings_pass():
    inputs = {
        "a": keras.Input((2,), name="a"),
        "b": keras.Input((), dtype="string", name="b"),
    }
    codes = keras.layers.StringLookup(vocabulary=["u", "v"], output_mode="one_hot")
    hidden = keras.layers.Concatenate()([inputs["a"], codes(inputs["b"])])
    encoder = keras.Model(inputs, keras.layers.Dense(2)(hidden))
    model = RepresentationClassifier(encoder, 2)
    model.compile()
    x = {"a": np.zeros((ROWS, 2), "float32"), "b": np.array(["u", "v"] * 32)}
    y = {"label": np.zeros(ROWS, int)}
    model.fit(pipeline((x, y)), verbose=0)
    x["a"][5, 1] = np.nan
    with pytest.raises(ValueError, match=r"`inputs\['a'\]`.*in 1 rows.*row 5"):
        model.fit(pipeline((x, y)), verbose=0)


def test_a_batch_of_one_attribute_is_warned_of(problem):
    model = compiled(problem, "mi_backprop")
    data = rows(problem)
    # Here, every warning that is not expected is an error.
    model.fit(pipeline(data), verbose=0)
    order = np.argsort(data[1]["attribute"].argmax(1), kind="stable")
    data = keras.tree.map_structure(lambda a: np.repeat(a[order], 3, 0), data)
    with pytest.warns(UserWarning, match="All 32 rows of a training batch have the"):
        model.fit(pipeline(data), verbose=0)
    # An evaluation is over all rows, so its batches do not matter.
    model.evaluate(pipeline(data), verbose=0)


def test_losses_and_metrics_by_name_are_refused(problem):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    with pytest.raises(ValueError, match="`loss` is for labels and logits alone"):
        make(problem, "erm").compile(loss={"label": loss})
    with pytest.raises(ValueError, match="`metrics` is for labels and logits alone"):
        make(problem, "erm").compile(metrics={"label": ["accuracy"]})


@pytest.mark.parametrize("name", ["erm", "mi_backprop"])
@pytest.mark.parametrize("place", ["inputs", "attribute"])
def test_an_unknown_rank_is_named(problem, name, place):
    def unknown(tensor):
        return tf.py_function(lambda t: t, [tensor], tf.float32)

    def lose(x, y):
        if place == "inputs":
            return unknown(x), y
        return x, {**y, "attribute": unknown(y["attribute"])}

    model = make(problem, name)
    model.compile()
    data = pipeline(rows(problem)[:2])
    with pytest.raises(ValueError, match=r"batch\[.* of unknown rank.*tf.ensure_shape"):
        model.fit(data.map(lose), verbose=0)
