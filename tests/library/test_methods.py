"""What every method can do."""

import pathlib

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from small_models import (
    ADVERSARIES,
    encoder_weights_after,
    fit,
    make,
    two_input_rows,
    two_inputs,
)

from keras_unbias.information import MutualInformationEstimator, SeparableCritic
from keras_unbias.methods import (
    METHODS,
    AttributeConfusion,
    LabelPrior,
    MutualInformationBackpropagation,
)

SAVED = pathlib.Path(__file__).parent / "saved"
# The base class does the work of the slow ones: both adversaries share one,
# and the penalty has no state of its own.
EVERY_METHOD = [
    pytest.param(
        name,
        marks=[pytest.mark.slow] * (name in ("attribute_confusion", "chi_squared")),
    )
    for name in METHODS
]


@pytest.mark.parametrize("name", EVERY_METHOD)
def test_every_method_trains_evaluates_and_predicts(problem, name, tmp_path):
    model = make(problem, name)
    model.compile(keras.optimizers.Adam(5e-3))
    step, traces = model.train_step, []
    model.train_step = lambda data: traces.append(data) or step(data)
    history = fit(
        model,
        problem.train,
        epochs=4,
        validation_data=problem.test,
        callbacks=[
            keras.callbacks.CSVLogger(tmp_path / "log.csv"),
            keras.callbacks.TensorBoard(tmp_path / "board"),
        ],
    )
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
    logged = pd.read_csv(tmp_path / "log.csv", index_col="epoch")
    assert set(logged) == set(history)
    for key, values in history.items():
        assert logged[key].tolist() == pytest.approx(values)
    assert len([*(tmp_path / "board").rglob("events*")]) == 2
    predicted = model.predict(problem.test[0], verbose=0)
    accuracy = (predicted["logits"].argmax(1) == problem.test[1]["label"]).mean()
    results = model.evaluate(*problem.test, verbose=0, return_dict=True)
    assert results["accuracy"] == pytest.approx(accuracy, abs=1e-6)
    assert predicted["features"].shape == (len(problem.test[0]), 8)


@pytest.mark.parametrize("name", EVERY_METHOD)
def test_every_method_is_saved_and_goes_on_as_before(problem, name, tmp_path):
    model = make(problem, name)
    model.compile(keras.optimizers.Adam(1e-2))
    fit(model, problem.train, epochs=1)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    # One more epoch is the same only if every state came along: both
    # optimizers', the estimator's, its standardization and seeds.
    fit(model, problem.train, epochs=1)
    fit(loaded, problem.train, epochs=1)
    assert [v.path.split("/")[-1] for v in model.variables] == [
        v.path.split("/")[-1] for v in loaded.variables
    ]
    for one, other in zip(model.variables, loaded.variables, strict=True):
        np.testing.assert_array_equal(one, other, err_msg=one.path)


@pytest.mark.parametrize("name", EVERY_METHOD)
def test_export_holds_the_inference_path_alone(problem, name, tmp_path):
    model = make(problem, name)
    model.compile()
    fit(model, problem.train, epochs=1)
    model.export(tmp_path / "model", verbose=False)
    loaded = tf.saved_model.load(tmp_path / "model")
    expected = model.predict(problem.test[0], verbose=0)
    for rows in (1, 7):
        served = loaded.serve(problem.test[0][:rows])
        for key in ("logits", "features"):
            np.testing.assert_allclose(served[key], expected[key][:rows], atol=1e-5)
    assert len(loaded.variables) == 6


@pytest.mark.slow
def test_it_unlearns_the_attribute(problem):
    accuracy = {}
    for name, kwargs in {
        "erm": {},
        "mi_backprop": {},
        "bias_balanced": {},
    }.items():
        model = make(problem, name, **kwargs)
        model.compile(keras.optimizers.Adam(5e-3))
        fit(model, problem.train, epochs=8)
        accuracy[name] = model.evaluate(*problem.test, verbose=0, return_dict=True)[
            "accuracy"
        ]
    assert accuracy["mi_backprop"] > accuracy["erm"] + 0.05
    assert accuracy["bias_balanced"] > accuracy["erm"] + 0.05


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
    fit(model, problem.train, epochs=1, callbacks=[look])
    assert built and all(built)


def test_a_short_batch_counts_by_its_rows(problem):
    model = make(problem, "attribute_confusion")
    model.compile()
    fit(model, problem.train, epochs=1)
    inputs, targets = problem.train

    def value(rows, **kwargs):
        part = {key: v[rows] for key, v in targets.items()}
        return model.evaluate(
            inputs[rows], part, verbose=0, return_dict=True, **kwargs
        )["attribute_loss"]

    long, short = slice(0, 100), slice(100, 104)
    found = value(slice(0, 104), batch_size=100)
    assert value(long, batch_size=100) != pytest.approx(value(short), rel=1e-2)
    expected = (100 * value(long, batch_size=100) + 4 * value(short)) / 104
    assert found == pytest.approx(expected, rel=1e-4)


def test_evaluation_needs_the_attribute_where_it_is_measured():
    inputs, targets = two_input_rows(64)
    labels = {"label": targets["label"]}
    for model in (
        MutualInformationBackpropagation(two_inputs(), 2),
        AttributeConfusion(two_inputs(), 2, attribute_parts=(2,)),
    ):
        model.compile(run_eagerly=True)
        with pytest.raises(ValueError, match="do not name the attribute"):
            model.evaluate(inputs, labels, verbose=0)


@pytest.mark.parametrize(
    ("make", "scaled"),
    [
        pytest.param(
            lambda: MutualInformationBackpropagation(
                two_inputs(), 2, own_optimizer=False
            ),
            lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1)),
            marks=pytest.mark.slow,
        ),
        (
            lambda: MutualInformationBackpropagation(two_inputs(), 2),
            lambda: keras.optimizers.SGD(0.1, loss_scale_factor=1024.0),
        ),
        (
            lambda: AttributeConfusion(two_inputs(), 2, attribute_parts=(2,)),
            lambda: keras.optimizers.SGD(0.1, loss_scale_factor=1024.0),
        ),
    ],
    ids=["one optimizer", "own optimizer", "adversary"],
)
def test_a_scaled_loss_is_scaled_back(make, scaled):
    found = []
    for optimizer in (keras.optimizers.SGD(0.1), scaled()):
        keras.utils.set_random_seed(0)
        found.append(encoder_weights_after(make(), optimizer))
    np.testing.assert_allclose(found[1], found[0], atol=1e-4)


@pytest.mark.skipif(
    not hasattr(keras.layers.Dense(1), "quantization_config"),
    reason="A newer Keras saved them, with settings that an older one refuses.",
)
@pytest.mark.parametrize(
    ("name", "optimizers_of"),
    [
        (
            "mutual_information",
            lambda m: (m.optimizer, m.mi_optimizer, m.estimator.optimizer),
        ),
        (
            "adversarial_unlearning",
            lambda m: (m.optimizer, m.attribute_optimizer),
        ),
    ],
)
def test_models_saved_by_the_first_version_load_and_go_on(name, optimizers_of):
    model = keras.saving.load_model(SAVED / f"{name}.keras")
    with np.load(SAVED / "mutual_information.npz") as saved:
        x = saved["x"]
        if name == "mutual_information":
            outputs = model.predict(x, verbose=0)
            for key in ("logits", "features"):
                np.testing.assert_allclose(outputs[key], saved[key], atol=1e-6)
    # The optimizers' states came along.
    steps = [int(optimizer.iterations) for optimizer in optimizers_of(model)]
    assert min(steps) > 0
    label = np.arange(len(x)) % 3
    attribute = np.eye(3, dtype="float32")[label]
    before = model.encoder.get_weights()
    model.fit(x, {"label": label, "attribute": attribute}, verbose=0)
    assert all(
        int(optimizer.iterations) > count
        for optimizer, count in zip(optimizers_of(model), steps, strict=True)
    )
    after = model.encoder.get_weights()
    for one, other in zip(before, after, strict=True):
        assert np.isfinite(other).all() and (one != other).any()


def test_a_summary_shows_the_estimator(problem):
    model = make(problem, "mi_backprop")
    model.compile()
    fit(model, problem.train, epochs=1)
    lines = []
    model.summary(print_fn=lines.append)
    (line,) = (line for line in "\n".join(lines).splitlines() if "estimator" in line)
    cells = line.strip("│").split("│")
    count = sum(weight.size for weight in model.estimator.get_weights())
    assert [cell.strip() for cell in cells[1:]] == ["()", f"{count:,}"]


# Arguments that count, as `labels.max() + 1` does.
ONE, TWO, THREE = np.arange(1, 4)
COUNTS = {
    "erm": dict,
    "bias_balanced": lambda: {"label_prior": LabelPrior(THREE)},
    "mi_backprop": lambda: {
        "estimator_batches": ONE,
        "mi_every": TWO,
        "attribute_size": THREE,
        "conditional": True,
        "estimator": MutualInformationEstimator(
            SeparableCritic(hidden=(TWO,), seed=ONE),
            steps=TWO,
            accumulate=ONE,
            num_classes=THREE,
            seed=ONE,
        ),
    },
    "attribute_confusion": lambda: {
        "attribute_hidden": (TWO,),
        "attribute_parts": (THREE,),
    },
    "chi_squared": lambda: {"positive": ONE},
}


@pytest.mark.parametrize("name", COUNTS)
def test_counts_may_be_integers_of_numpy(name, tmp_path):
    arguments = COUNTS[name]()
    labels = np.arange(64) % THREE
    attributes = np.eye(3, dtype="float32")[labels[::-1]]
    if "label_prior" in arguments:
        arguments["label_prior"].adapt(attributes, labels)
    encoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(4)])
    model = METHODS[name](encoder, THREE, **arguments)
    model.compile("sgd")
    targets = {"label": labels, "attribute": attributes}
    model.fit(np.ones((64, 2)), targets, batch_size=32, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.num_classes == 3
    for one, other in zip(loaded.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
