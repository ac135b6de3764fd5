"""Trains the same model on one device and on several, in a process of its own.

`python replica_runs.py 2 erm chi_squared` compares the weights of these cases on
two virtual devices. They must exist before TensorFlow starts.
"""

import functools
import os
import pathlib
import sys

os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
sys.path.insert(0, str(pathlib.Path(__file__).parent))

import keras
import numpy as np
import small_models
import tensorflow as tf
from conftest import Problem

from keras_unbias.information import (
    ConcatenatedCritic,
    MutualInformationEstimator,
    SeparableCritic,
)
from keras_unbias.methods import MutualInformationBackpropagation

# Four global batches of 30 rows, and one of 10 or, for two mini-batches more, of 4.
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


AVERAGES = {"use_ema": True, "ema_momentum": 0.5}
CASES = {
    "erm": {"method": "erm"},
    "weights": {"method": "erm", "class_weight": {0: 2.0}, "weighted": True},
    "bias_balanced": with_prior({"method": "bias_balanced"}),
    "attribute_confusion": {"method": "attribute_confusion"},
    "adversarial_unlearning": {"method": "adversarial_unlearning"},
    "chi_squared": {"method": "chi_squared", "weighted": True},
    "information": information(),
    "conditional": information(conditional=True, own_optimizer=False),
    "concatenated": information("concatenated", conditional=True),
    "fresh": information("concatenated", estimator_batches=2),
    "accumulated": information(
        conditional=True, accumulate=2, estimator_batches=2, own_optimizer=False
    ),
    "averages": {
        **with_prior(information(clip=False)),
        "optimizer": lambda: keras.optimizers.SGD(
            0.05, clipnorm=0.5, weight_decay=0.1, **AVERAGES
        ),
    },
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
    # SGD, for Adam makes of a gradient's rounding a step of full length.
    optimizer = case.get("optimizer", lambda: keras.optimizers.SGD(0.05, 0.9))
    model.compile(optimizer())
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


def compare(strategy, case):
    """Compares the trainings of a case on one device and on several."""
    alone = make(case)
    expected = train(alone, case)
    with strategy.scope():
        model = make(case)
    found = train(model, case)
    assert_alike(model)
    assert_close(model, alone)
    assert found.keys() == expected.keys()
    for name, values in found.items():
        np.testing.assert_allclose(values, expected[name], 1e-4, 1e-5, err_msg=name)


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
    for case in sys.argv[2:] or CASES:
        compare(strategy, case)
        print(case, flush=True)
