"""The selection of the weight, on numbers and on trained models."""

import keras
import numpy as np
import pytest

from keras_unbias import select_mi_weight, tune
from keras_unbias.methods import MutualInformationBackpropagation


def builder(problem, rate=3e-3):
    def build(mi_weight):
        keras.utils.set_random_seed(0)
        model = MutualInformationBackpropagation(
            problem.encoder(), problem.classes, mi_weight=mi_weight
        )
        model.compile(keras.optimizers.Adam(rate))
        return model

    return build


@pytest.mark.slow
def test_tune_applies_the_rule_to_trained_models(problem):
    tuned = tune(
        builder(problem),
        *problem.train,
        mi_weights=(3.0, 0.0, 30.0),
        loss_tolerance=0.8,
        epochs=6,
        batch_size=128,
        verbose=0,
    )
    table = tuned.table.set_index("mi_weight")
    assert table.index.tolist() == [0, 3, 30]
    assert not table.diverged.any()
    # The rule again: the largest weight that fits and lowers.
    fits = table.loss <= table.loss[0] + 0.8
    lowers = table.mutual_information < table.mutual_information[0]
    assert tuned.mi_weight == table.index[fits & lowers].max()
    assert tuned.mi_weight == 3
    assert tuned.model.mi_weight == tuned.mi_weight
    assert tuned.model.optimizer.iterations > 0


@pytest.mark.slow
def test_a_weight_that_diverges_is_not_selected(problem):
    inputs, targets = problem.train

    def build(mi_weight):
        return builder(problem, rate=np.nan if mi_weight else 3e-3)(mi_weight)

    tuned = tune(build, inputs, targets, mi_weights=(0, 1), epochs=2, verbose=0)
    assert tuned.mi_weight == 0
    assert tuned.table.diverged.tolist() == [False, True]


def test_tune_ends_if_the_smallest_weight_diverges(problem):
    built = []

    def build(mi_weight):
        built.append(mi_weight)
        return builder(problem, rate=np.nan)(mi_weight)

    with pytest.raises(ValueError, match=r"diverged run at mi_weight=0.5"):
        tune(build, *problem.train, mi_weights=(1, 0.5), epochs=1, verbose=0)
    assert built == [0.5]


def test_a_negative_tolerance_is_refused_before_training(problem):
    built = []
    with pytest.raises(ValueError, match=r">= 0, finite. Received: -1"):
        tune(built.append, *problem.train, loss_tolerance=-1)
    assert not built


def test_a_selection_needs_two_weights(problem):
    with pytest.raises(ValueError, match="two or more"):
        tune(builder(problem), *problem.train, mi_weights=(1.0, 1.0))
    with pytest.raises(ValueError, match="two or more"):
        select_mi_weight({1.0: (0.1, 0.1)})


CURVE = {
    0.0: (0.10, 1.20),
    0.5: (0.12, 0.90),
    1.0: (0.25, 0.40),
    2.0: (0.60, 0.10),
}


@pytest.mark.parametrize(
    ("tolerance", "expected"),
    [(0.2, 1.0), (0.04, 0.5), (0.001, 0.0), (2.0, 2.0)],
)
def test_the_largest_weight_that_fits_is_selected(tolerance, expected):
    reverse = dict(reversed(CURVE.items()))
    for results in (CURVE, reverse):
        selected = select_mi_weight(results, loss_tolerance=tolerance)
        assert selected == expected


def test_a_weight_must_lower_the_information():
    assert select_mi_weight({**CURVE, 1.0: (0.1, 1.2)}) == 0.5


def test_a_weight_that_diverged_does_not_fit():
    assert select_mi_weight({**CURVE, 1.0: None}) == 0.5
    with pytest.raises(ValueError, match=r"diverged run at mi_weight=0.0"):
        select_mi_weight({**CURVE, 0.0: None})


@pytest.mark.parametrize("tolerance", [-0.1, np.inf, np.nan])
def test_the_tolerance_must_be_a_finite_number(tolerance):
    with pytest.raises(ValueError, match="loss_tolerance >= 0, finite"):
        select_mi_weight(CURVE, loss_tolerance=tolerance)
