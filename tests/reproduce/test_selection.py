import dataclasses

import pytest
from keras_unbias.selection import select_mi_weight

from reproduce.experiment import records


def record(weight, loss, information, seed=0, status="done", **settings):
    settings = {"epochs": 2, **settings}
    if weight is not None:
        settings["mi_weight"] = weight
    return records.Record(
        config=records.RunConfig(
            dataset="toy",
            method="mi_backprop",
            row="MI",
            profile="fast",
            seed=seed,
            settings=settings,
        ),
        status=status,
        # Test accuracy points the other way: it must not be looked at.
        metrics={"test_accuracy": 1 / (1 + (weight or 0))},
        data={},
        # What the first epochs say must not count.
        history={
            "loss": [9.0 - loss, loss],
            "mutual_information": [5.0 - information, information],
        },
        environment={},
        wall_seconds=1.0,
    )


def of_another(record, **changes):
    config = dataclasses.replace(record.config, **changes)
    return dataclasses.replace(record, config=config)


CURVE = [
    record(0.0, 0.02, 2.5),
    record(0.5, 0.05, 2.1),
    record(1.0, 0.10, 1.9),
    record(2.0, 1.50, 0.3),
]


def test_the_largest_weight_that_fits():
    assert select_mi_weight(CURVE) == 1.0
    assert select_mi_weight(CURVE[::-1]) == 1.0
    assert select_mi_weight(CURVE, loss_tolerance=0.04) == 0.5
    assert select_mi_weight(CURVE, loss_tolerance=2.0) == 2.0
    assert select_mi_weight(CURVE, loss_tolerance=0.001) == 0.0


def test_a_weight_that_does_not_lower_the_information_is_none():
    records = [*CURVE[:2], record(1.0, 0.1, 2.6)]
    assert select_mi_weight(records) == 0.5


def test_seeds_are_averaged():
    # One lucky seed fits, the mean does not.
    more = [
        record(0.0, 0.02, 2.5, seed=1),
        record(0.5, 0.05, 2.1, seed=1),
        record(1.0, 1.0, 1.9, seed=1),
    ]
    assert select_mi_weight([*CURVE[:3], *more]) == 0.5


def test_a_diverged_weight_does_not_fit():
    records = [*CURVE[:2], record(1.0, 0.1, 1.9, status="diverged")]
    assert select_mi_weight(records) == 0.5


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([], "at least two values of mi_weight"),
        (CURVE[:1], r"at least two.*Received: \[0.0\]"),
        ([*CURVE, record(None, 0.1, 0.1)], r"Received: \[.*None\]"),
        (
            [record(0.0, 0.1, 1.0, status="diverged"), CURVE[1]],
            "a diverged run at mi_weight=0.0",
        ),
        (
            [*CURVE, record(4.0, 0.1, 0.1, epochs=9)],
            r"differ in \['epochs'\]",
        ),
        (
            [*CURVE[:2], of_another(CURVE[2], dataset="faces")],
            r"differ in \['dataset'\]",
        ),
        (
            [*CURVE[:2], of_another(CURVE[2], method="erm")],
            r"differ in \['method'\]",
        ),
        (
            [*CURVE[:2], record(0.5, 0.1, 0.1, seed=1)],
            r"same seeds.*Received: \{0.0: \[0\], 0.5: \[0, 1\]\}",
        ),
    ],
)
def test_records_that_do_not_fit_each_other(records, message):
    with pytest.raises(ValueError, match=message):
        select_mi_weight(records)


@pytest.mark.parametrize("tolerance", [-0.1, float("nan"), float("inf")])
def test_a_tolerance_is_a_loss(tolerance):
    with pytest.raises(ValueError, match=f">= 0, finite. .*: {tolerance}"):
        select_mi_weight(CURVE, loss_tolerance=tolerance)
