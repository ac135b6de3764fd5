import numpy as np
import pytest
from small_models import first, make

from keras_unbias.methods import ChiSquaredPenalty, penalties


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
        float(model.compute_loss(inputs, targets, outputs, weights, training=on))
        for on in (True, False)
    ]
    assert both[0] - both[1] == pytest.approx(3 * penalty, rel=1e-4)


def test_targets_that_are_no_dict_are_named_by_their_kind(problem):
    inputs, targets = problem.train
    model = make(problem, "chi_squared")
    model.compile()
    with pytest.raises(ValueError, match="Received: targets ndarray"):
        model.fit(inputs, targets["label"], verbose=0)


def test_the_positive_class_is_one_of_the_classes(problem):
    with pytest.raises(ValueError, match=r"num_classes=1. Received: positive=1"):
        ChiSquaredPenalty(problem.encoder(), 1)


@pytest.mark.parametrize(
    ("attribute", "message"),
    [
        ([[0.3], [-1.2]], r"widths \(1,\).*other numbers"),
        ([[1, 1], [0, 1]], r"widths \(2,\).*other numbers"),
        ([[0.5, 0], [0, 1]], "other numbers"),
        ([[np.nan, 1], [0, 1]], "known for every row"),
        ([0, 1], r"Received: shape \(2,\)"),
    ],
)
def test_attributes_that_are_not_categories_are_refused(problem, attribute, message):
    model = make(problem, "chi_squared")
    model.compile()
    inputs, targets = first(problem.train, 2)
    with pytest.raises(ValueError, match=message):
        model.fit(inputs, {**targets, "attribute": np.array(attribute)}, verbose=0)
