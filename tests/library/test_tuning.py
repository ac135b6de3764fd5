import keras
import numpy as np
import pytest

from keras_unbias import tune
from keras_unbias import tuning as selection
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


def test_the_rule_is_applied_to_runs_of_ones_own(problem):
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
    # The rule again, in words: it fits, it lowers, it is the largest.
    fits = table.loss <= table.loss[0] + 0.8
    lowers = table.mutual_information < table.mutual_information[0]
    assert tuned.mi_weight == table.index[fits & lowers].max()
    assert tuned.mi_weight == 3
    assert tuned.model.mi_weight == tuned.mi_weight
    assert tuned.model.optimizer.iterations > 0


@pytest.mark.slow
def test_a_weight_whose_run_diverges_is_none(problem):
    inputs, targets = problem.train

    def build(mi_weight):
        return builder(problem, rate=np.nan if mi_weight else 3e-3)(mi_weight)

    tuned = tune(build, inputs, targets, mi_weights=(0, 1), epochs=2, verbose=0)
    assert tuned.mi_weight == 0
    assert tuned.table.diverged.tolist() == [False, True]


def test_the_smallest_weight_that_diverges_ends_it(problem):
    built = []

    def build(mi_weight):
        built.append(mi_weight)
        return builder(problem, rate=np.nan)(mi_weight)

    with pytest.raises(ValueError, match="diverged run at mi_weight=0.5"):
        tune(build, *problem.train, mi_weights=(1, 0.5), epochs=1, verbose=0)
    assert built == [0.5]


def test_a_tolerance_that_is_none_is_refused_before_training(problem):
    built = []
    with pytest.raises(ValueError, match=">= 0, finite. Received: -1"):
        tune(built.append, *problem.train, loss_tolerance=-1)
    assert not built


def test_one_weight_is_no_choice(problem):
    with pytest.raises(ValueError, match="two or more"):
        tune(builder(problem), *problem.train, mi_weights=(1.0, 1.0))
    with pytest.raises(ValueError, match="two or more"):
        selection.select({1.0: (0.1, 0.1)})
