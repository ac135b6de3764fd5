import dataclasses

import pytest
from synthetic import record, settings

from reproduce.experiment.groups import Erm, ImdbFaces, PeerClassifier
from reproduce.experiment.results import Cell
from reproduce.experiment.selection import select
from reproduce.experiment.settings import change


def run(weight, loss, information, status="done", epochs=2, **changes):
    first = epochs - 1
    made = record(
        settings(weight, epochs=epochs, **changes),
        # Test accuracy points the other way: it must not be looked at.
        None if status == "diverged" else 1 / (1 + weight),
        # What the first epochs say must not count.
        history={
            "loss": [*first * [9.0 - loss], loss],
            "mutual_information": [*first * [5.0 - information], information],
        },
    )
    return Cell(f"λ = {weight:g}", "", made.settings), made


def of_another(pair, **changes):
    cell, made = pair
    other = change(made.settings, **changes)
    history = made.history if other.method.trains_network else {}
    return cell, dataclasses.replace(made, settings=other, history=history)


CURVE = [
    run(0.0, 0.02, 2.5),
    run(0.5, 0.05, 2.1),
    run(1.0, 0.10, 1.9),
    run(2.0, 1.50, 0.3),
]


def test_the_largest_weight_that_fits():
    assert select(CURVE) == 1.0
    assert select(CURVE[::-1]) == 1.0
    assert select(CURVE, loss_tolerance=0.04) == 0.5
    assert select(CURVE, loss_tolerance=2.0) == 2.0
    assert select(CURVE, loss_tolerance=0.001) == 0.0


def test_a_weight_that_does_not_lower_the_information_is_none():
    assert select([*CURVE[:2], run(1.0, 0.1, 2.6)]) == 0.5


def test_seeds_are_averaged():
    # One lucky seed fits, the mean does not.
    more = [
        run(0.0, 0.02, 2.5, seed=2),
        run(0.5, 0.05, 2.1, seed=2),
        run(1.0, 1.0, 1.9, seed=2),
    ]
    assert select([*CURVE[:3], *more]) == 0.5


def test_a_diverged_weight_does_not_fit():
    assert select([*CURVE[:2], run(1.0, 0.1, 1.9, status="diverged")]) == 0.5


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ([], "at least two values of mi_weight"),
        (CURVE[:1], r"at least two.*Received: \[0.0\]"),
        (
            [*CURVE, of_another(CURVE[0], method=Erm())],
            r"Received: \[.*None\]",
        ),
        (
            [run(0.0, 0.1, 1.0, status="diverged"), CURVE[1]],
            "a diverged run at mi_weight=0.0",
        ),
        (
            [*CURVE, run(4.0, 0.1, 0.1, epochs=9)],
            r"differ in \['epochs'\]",
        ),
        (
            [*CURVE[:2], of_another(CURVE[2], data=ImdbFaces())],
            r"differ in \[.*'dataset'",
        ),
        (
            [*CURVE[:2], of_another(CURVE[2], method=PeerClassifier())],
            r"differ in \[.*'method'",
        ),
        (
            [*CURVE[:2], run(0.5, 0.1, 0.1, seed=2)],
            r"same seeds.*Received: \{0.0: \[1\], 0.5: \[1, 2\]\}",
        ),
    ],
)
def test_records_that_do_not_fit_each_other(found, message):
    with pytest.raises(ValueError, match=message):
        select(found)


@pytest.mark.parametrize("tolerance", [-0.1, float("nan"), float("inf")])
def test_a_tolerance_is_a_loss(tolerance):
    with pytest.raises(ValueError, match=f">= 0.*: {tolerance}"):
        select(CURVE, loss_tolerance=tolerance)
