"""The report of an audit, from numbers written out by hand."""

import math

from keras_unbias.auditing import Audit, Leakage
from keras_unbias.dependence import Estimate, MutualInformation

BOUNDS = {
    "linear probe": Estimate(0.25, 0.2, 0.3),
    "copula": Estimate(0.5, 0.45, 0.55),
}
LEAKAGE = Leakage(
    MutualInformation(0.48, 0.43, 0.53, "copula", 12000, BOUNDS),
    floor=0.125,
    ceiling=0.6931,
    probe_accuracy={"linear probe": Estimate(0.75, 0.7, 0.8)},
    majority_accuracy=0.5,
)
AUDIT = Audit(
    rows=12000,
    leakage=LEAKAGE,
    accuracy=Estimate(0.9, 0.875, 0.925),
    accuracy_per_attribute={"old": Estimate(0.85, 0.8, 0.9)},
    worst_group=("label 1, attribute old", 0.625),
    equal_opportunity=Estimate(0.1, 0.0, 0.2),
)


TEXT = """\
Audit of 12,000 rows
I(Z;C): 0.480 [0.430, 0.530] nats (copula); floor 0.125, ceiling 0.693

                                                    value 95 % from    to
I(Z;C) (nats)                linear probe           0.250     0.200 0.300
I(Z;C) (nats)                copula                 0.500     0.450 0.550
I(Z;C) (nats)                floor                  0.125
I(Z;C) (nats)                ceiling                0.693
probe accuracy, I(Z;C)       linear probe           0.750     0.700 0.800
probe accuracy, I(Z;C)       majority               0.500
accuracy                     all rows               0.900     0.875 0.925
accuracy                     attribute old          0.850     0.800 0.900
worst-group accuracy         label 1, attribute old 0.625
equal opportunity difference                        0.100     0.000 0.200
"""


def test_an_audit_is_a_text():
    lines = [line.rstrip() for line in str(AUDIT).splitlines()]
    assert lines == TEXT.splitlines()


def test_an_audit_is_a_frame():
    frame = AUDIT.to_frame()
    assert list(frame) == ["quantity", "of", "value", "low", "high"]
    assert frame.iloc[1].tolist() == [
        "I(Z;C) (nats)",
        "copula",
        0.5,
        0.45,
        0.55,
    ]
    floor = frame[frame.of == "floor"].iloc[0]
    assert floor.value == 0.125
    assert math.isnan(floor.low) and math.isnan(floor.high)


def test_what_is_shown_at_a_prompt():
    assert repr(AUDIT) == str(AUDIT)
    assert repr(AUDIT.accuracy) == "Estimate(0.900 [0.875, 0.925])"
    assert repr(LEAKAGE) == (
        "Leakage(0.480 [0.430, 0.530] nats (copula); floor 0.125, ceiling 0.693)"
    )
