"""Trains the same model on one device and on several, in a process of its own.

`python replica_runs.py 2 erm chi_squared` compares the weights of these cases on
two virtual devices. They must exist before TensorFlow starts.
"""

import contextlib
import functools
import os
import pathlib
import sys
import tempfile
import warnings

os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
sys.path.insert(0, str(pathlib.Path(__file__).parent))

import keras
import numpy as np
import pytest
import small_models
import tensorflow as tf
from conftest import Problem

from keras_unbias import data, replicas
from keras_unbias.auditing import audit
from keras_unbias.callbacks import MiWeightSchedule, MutualInformationMonitor
from keras_unbias.dependence.critics import held_out_bound
from keras_unbias.information import (
    ConcatenatedCritic,
    MutualInformationEstimator,
    SeparableCritic,
)
from keras_unbias.methods import MutualInformationBackpropagation

# Four global batches of 30 rows, and one of 10.
PROBLEM = Problem(130)
CRITICS = {
    # Without the constant, whose gradient is nothing but rounding.
    "separable": functools.partial(SeparableCritic, constant=False),
    "concatenated": ConcatenatedCritic,
}


def information(
    critic="separable", conditional=False, accumulate=1, optimizer=None, **kwargs
):
    """Returns the arguments of a case of mutual information backpropagation."""

    def arguments():
        estimator = MutualInformationEstimator(
            CRITICS[critic](hidden=(16,)),
            (optimizer or keras.optimizers.SGD)(0.01),
            steps=3,
            accumulate=accumulate,
            num_classes=PROBLEM.classes if conditional else None,
        )
        return {"conditional": conditional, "estimator": estimator, **kwargs}

    return {"method": "mi_backprop", "arguments": arguments}


def with_prior(case):
    """Returns a case with a label prior."""

    def arguments():
        prior = small_models.label_prior(PROBLEM)
        return {**case.get("arguments", dict)(), "label_prior": prior}

    return {**case, "arguments": arguments}


row_losses = keras.losses.SparseCategoricalCrossentropy(
    from_logits=True, reduction="none"
)


def scalar_loss(labels, logits):
    """A custom loss that returns one number for all rows."""
    return tf.reduce_mean(row_losses(labels, logits))


AVERAGES = {"use_ema": True, "ema_momentum": 0.5}
CASES = {
    "erm": {"method": "erm"},
    "row_losses": {"method": "chi_squared", "loss": row_losses},
    "scalar_loss": {"method": "chi_squared", "loss": scalar_loss},
    "weights": {"method": "erm", "class_weight": {0: 2.0}, "weighted": True},
    "bias_balanced": with_prior({"method": "bias_balanced"}),
    "attribute_confusion": {"method": "attribute_confusion"},
    "adversarial_unlearning": {"method": "adversarial_unlearning"},
    "chi_squared": {"method": "chi_squared", "weighted": True},
    "information": information(),
    "conditional": information(conditional=True, own_optimizer=False),
    "concatenated": information("concatenated", conditional=True),
    "fresh": information("concatenated", estimator_batches=2),
    "released": information("concatenated", estimator_batches=2, released_order=True),
    "every": information(mi_every=2),
    "accumulated": information(
        conditional=True, accumulate=2, estimator_batches=2, own_optimizer=False
    ),
    "averages": {
        **with_prior(information(clip=False)),
        "optimizer": lambda: keras.optimizers.SGD(
            0.05, clipnorm=0.5, weight_decay=0.1, **AVERAGES
        ),
    },
    "normalized": {**information(estimator_batches=2), "normalized": True},
    "critic_optimizer": information(
        estimator_batches=2,
        optimizer=functools.partial(
            keras.optimizers.AdamW,
            global_clipnorm=1.0,
            gradient_accumulation_steps=2,
            **AVERAGES,
        ),
    ),
}


def make(case):
    """Returns the compiled model of a case, with its weights."""
    case = CASES[case]
    arguments = case.get("arguments", dict)()
    model = small_models.make(PROBLEM, case["method"], **arguments)
    if case.get("normalized"):
        model.encoder.add(keras.layers.BatchNormalization(synchronized=True))
    # SGD, for Adam makes of a gradient's rounding a step of full length.
    optimizer = case.get("optimizer", lambda: keras.optimizers.SGD(0.05, 0.9))
    model.compile(optimizer(), case.get("loss"))
    model.build((None, 2 * PROBLEM.classes))
    return model


def train(model, case, epochs=1, **kwargs):
    """Trains a model of a case, and returns its history."""
    case = CASES[case]
    if case.get("weighted"):
        kwargs["sample_weight"] = np.linspace(0.5, 1.5, 130)
    return small_models.fit(
        model,
        PROBLEM.train,
        epochs=epochs,
        batch_size=30,
        class_weight=case.get("class_weight"),
        validation_data=small_models.first(PROBLEM.test, 70),
        **kwargs,
    )


def assert_alike(model):
    """Checks that all replicas have the same variables, bit for bit."""
    strategy = model.distribute_strategy
    for variable in all_variables(model):
        first, *others = strategy.experimental_local_results(variable.value)
        for other in others:
            np.testing.assert_array_equal(first, other, variable.path)


def all_variables(model):
    """Returns the variables of a model, of its estimator and of all optimizers."""
    variables = [*model.variables, *model.optimizer.variables]
    for part in ("mi_optimizer", "attribute_optimizer"):
        if getattr(model, part, None) is not None:
            variables += getattr(model, part).variables
    if isinstance(model, MutualInformationBackpropagation):
        variables += model.estimator.optimizer.variables
    return variables


def assert_close(model, expected, tolerance=1e-5):
    """Checks the variables of a model against those of another one."""
    for one, other in zip(all_variables(model), all_variables(expected), strict=True):
        np.testing.assert_allclose(
            one.numpy(), other.numpy(), tolerance, tolerance, err_msg=one.path
        )


def compare(strategy, case, tolerance=1e-5):
    """Compares the trainings of a case on one device and on several."""
    alone = make(case)
    expected = train(alone, case)
    with strategy.scope():
        model = make(case)
    found = train(model, case)
    assert_alike(model)
    assert_close(model, alone, tolerance)
    assert found.keys() == expected.keys()
    for name, values in found.items():
        np.testing.assert_allclose(
            values, expected[name], 10 * tolerance, tolerance, err_msg=name
        )


def gathering(strategy):
    """Joins uneven rows, one replica's none, as NumPy does, and their gradient."""
    count = strategy.num_replicas_in_sync
    rows = np.random.default_rng(0).normal(size=(2 * count - 1, 3)).astype("float32")
    parts = [rows[:2], *np.split(rows[2:], [0, *range(2, len(rows) - 2, 2)])][:count]
    parts[-1] = rows[sum(map(len, parts[:-1])) :]
    values = strategy.experimental_distribute_values_from_function(
        lambda context: tf.constant(parts[context.replica_id_in_sync_group])
    )

    def total_of_squares(own):
        with tf.GradientTape() as tape:
            tape.watch(own)
            joint, integers, _ = replicas.gather(
                (own, tf.cast(tf.abs(own), tf.uint8), None)
            )
            objective = replicas.share(tf.reduce_sum(joint) ** 2)
        turned = replicas.gather(tf.transpose(own), axis=1)
        return joint, turned, integers, tape.gradient(objective, own)

    returned = strategy.run(tf.function(total_of_squares), (values,))
    for replica, result in enumerate(
        zip(*map(strategy.experimental_local_results, returned), strict=True)
    ):
        joint, turned, integers, gradient = result
        np.testing.assert_array_equal(joint, rows)
        np.testing.assert_array_equal(turned, rows.T)
        np.testing.assert_array_equal(integers, tf.cast(tf.abs(rows), tf.uint8))
        own = np.full_like(parts[replica], 2 * rows.sum())
        np.testing.assert_allclose(gradient, own, 1e-5)


def refusals(strategy):
    """Batches are refused and warned of as on one device, by what all rows hold."""
    with strategy.scope():
        model = make("information")
        with pytest.raises(ValueError, match="Received: steps_per_execution=3. Leave"):
            model.compile("sgd", steps_per_execution=3)
        with pytest.raises(ValueError, match="Received: jit_compile=True. Leave"):
            model.compile("sgd", jit_compile=True)
        with pytest.raises(ValueError, match="mi_every=1 for . replicas. Received"):
            make("every")
        features = np.zeros((100, 2))
        for measure, name in (
            (lambda: audit(features, (None, {"attribute": features})), "`audit`"),
            (lambda: held_out_bound(features, features), "`held_out_bound`"),
            (
                MutualInformationMonitor(PROBLEM.test).on_train_begin,
                "MutualInformationMonitor",
            ),
        ):
            with pytest.raises(ValueError, match=f"{name} fits .* a call in the scope"):
                measure()
        model = make("information")
    for name in ("train_on_batch", "test_on_batch"):
        with pytest.raises(ValueError, match=f"batch of `{name}`.* Received: 2. Use"):
            getattr(model, name)(*PROBLEM.train)
    x, y = PROBLEM.train
    order = np.argsort(y["attribute"].argmax(1), kind="stable")
    x, y = keras.tree.map_structure(lambda part: part[order], (x, y))
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "All .* rows of a training batch")
        # No replica has rows of two attributes. An uneven batch comes first.
        small_models.fit(model, (x, y), epochs=1, batch_size=65)
    same = {**y, "attribute": np.repeat(y["attribute"][:1], len(x), 0)}
    with pytest.warns(UserWarning, match="All 65 rows of a training batch"):
        small_models.fit(model, (x, same), epochs=1, batch_size=65)
    x[77] = np.nan
    rows = tf.data.Dataset.from_tensor_slices((x, y)).batch(30)
    with pytest.raises(ValueError, match="must be finite numbers"):
        model.fit(rows, verbose=0)
    text = tf.data.Dataset.from_tensor_slices((np.full((64, 1), "a"), {}))
    with pytest.raises(ValueError, match="Received: a SymbolicTensor of string"):
        strategy.run(
            tf.function(lambda rows: replicas.gather(rows)),
            (next(iter(strategy.experimental_distribute_dataset(text.batch(8))))[0],),
        )


def mixing(strategy):
    """Parts of another strategy than the model's are refused by name."""
    optimizer, alone = keras.optimizers.SGD(), make("erm")
    with strategy.scope():
        model = make("information")
        with pytest.raises(ValueError, match="scope of the encoder, the model. Make"):
            alone.compile("sgd")
        with pytest.raises(ValueError, match="scope of the encoder, the model, the op"):
            train(alone, "erm")
        joint = MutualInformationBackpropagation(alone.encoder, PROBLEM.classes)
    with pytest.raises(ValueError, match="scope of the optimizer. Make"):
        model.compile(optimizer)
    with pytest.raises(ValueError, match="scope of the encoder. Make"):
        joint.compile("sgd")
    train(model, "information")
    model.estimator.compile("sgd")
    with pytest.raises(ValueError, match="scope of the estimator's optimizer. Make"):
        train(model, "information")
    with strategy.scope():
        model = make("erm")
    others = tf.distribute.OneDeviceStrategy("CPU:0")
    with others.scope(), pytest.raises(ValueError, match="scope of this call. Make"):
        model.compile("sgd")


def mixed_precision(strategy):
    """16-bit floats end near the weights of one device."""
    for policy, case in (("mixed_bfloat16", "fresh"), ("mixed_float16", "conditional")):
        keras.config.set_dtype_policy(policy)
        compare(strategy, case, tolerance=1e-2)
    keras.config.set_dtype_policy("float32")


def normalization(strategy):
    """Synchronized batch normalization has the statistics of the global batch."""
    compare(strategy, "normalized", tolerance=1e-4)


def streaming(strategy):
    """A stream that is shared trains as on one device, with estimator batches."""
    split = data.Split(PROBLEM.train[0], *PROBLEM.train[1].values())
    rows = data.BiasedDataset("rows", split, split, PROBLEM.classes)

    def stream(context=None):
        return rows.stream(
            12, seed=0, first_epoch=1, estimator_batches=2, input_context=context
        )

    alone = make("accumulated")
    alone.fit(stream(), steps_per_epoch=10, epochs=2, verbose=0)
    with strategy.scope():
        model = make("accumulated")
    shared = strategy.distribute_datasets_from_function(stream)
    model.fit(shared, steps_per_epoch=10, epochs=2, verbose=0)
    assert_alike(model)
    assert_close(model, alone)


def cutting(strategy):
    """Batches that TensorFlow cuts train as on one device, with estimator batches."""
    rows = tf.data.Dataset.from_tensor_slices(PROBLEM.train).batch(30)
    alone = make("fresh")
    alone.fit(rows, verbose=0)
    with strategy.scope():
        model = make("fresh")
    model.fit(strategy.experimental_distribute_dataset(rows), verbose=0)
    assert_alike(model)
    assert_close(model, alone)


class Interruption(keras.callbacks.Callback):
    """Ends the training before its second epoch."""

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 1:
            raise KeyboardInterrupt


def compiling(strategy):
    """Outside of the scope, `compile` makes what the model's strategy needs."""
    for case in ("information", "attribute_confusion"):
        alone = make(case)
        alone.compile("sgd")
        train(alone, case)
        with strategy.scope():
            model = make(case)
        model.compile("sgd")
        train(model, case)
        assert_alike(model)
        assert_close(model, alone)


def scheduling(strategy):
    """A schedule of the weight sees the copies of several replicas."""
    with strategy.scope():
        model = make("information")
    halved = MiWeightSchedule(lambda epoch, weight: weight / 2)
    assert train(model, "information", callbacks=[halved])["mi_weight"] == [0.5]
    assert_alike(model)


def resuming(strategy):
    """A resumed run equals an unbroken one, and a loaded model the saved one."""
    for case in ("averages", "adversarial_unlearning"):
        # Each worker has its own directory.
        folder = tempfile.mkdtemp()
        backup = keras.callbacks.BackupAndRestore(f"{folder}/backup")
        with strategy.scope():
            whole = make(case)
        train(whole, case, epochs=2)
        with strategy.scope():
            broken = make(case)
        with contextlib.suppress(KeyboardInterrupt):
            train(broken, case, epochs=2, callbacks=[backup, Interruption()])
        with strategy.scope():
            resumed = make(case)
        train(resumed, case, epochs=2, callbacks=[backup])
        assert_alike(resumed)
        assert_close(resumed, whole, 0)
        whole.save(f"{folder}/model.keras")
        with strategy.scope():
            loaded = keras.models.load_model(f"{folder}/model.keras")
        alone = keras.models.load_model(f"{folder}/model.keras")
        for model in (loaded, alone):
            train(model, case)
        assert_close(loaded, alone)


def serving(strategy):
    """An exported model returns what the trained one predicts."""
    with strategy.scope():
        model = make("information")
    train(model, "information")
    folder = tempfile.mkdtemp()
    model.export(folder, verbose=False)
    served = tf.saved_model.load(folder)
    outputs = served.serve(PROBLEM.test[0])
    predicted = model.predict(PROBLEM.test[0], batch_size=13, verbose=0)
    np.testing.assert_allclose(outputs["logits"], predicted["logits"], 1e-5, 1e-5)


CHECKS = (
    compiling,
    cutting,
    mixing,
    scheduling,
    gathering,
    refusals,
    mixed_precision,
    normalization,
    resuming,
    serving,
    streaming,
)


def make_strategy(devices):
    """Returns a strategy of some virtual devices, or of the workers of TF_CONFIG."""
    if "TF_CONFIG" in os.environ:
        return tf.distribute.MultiWorkerMirroredStrategy()
    (cpu,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(
        cpu, [tf.config.LogicalDeviceConfiguration()] * devices
    )
    return tf.distribute.MirroredStrategy([f"CPU:{i}" for i in range(devices)])


if __name__ == "__main__":
    # One for all cases: several mix up their messages.
    strategy = make_strategy(int(sys.argv[1]))
    checks = {check.__name__: check for check in CHECKS}
    for name in sys.argv[2:]:
        checks.get(name, functools.partial(compare, case=name))(strategy)
        print(name, flush=True)
