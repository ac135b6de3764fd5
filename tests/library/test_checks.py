import numpy as np
import pytest

from keras_unbias import checks


@pytest.mark.parametrize("value", [0, -1, 1.5, "2", None])
def test_integers_have_a_least_value(value):
    with pytest.raises(ValueError, match=f"integer >= 1.*steps={value!r}"):
        checks.check_integer("steps", value, minimum=1)
    assert type(checks.check_integer("steps", np.int64(1), minimum=1)) is int


@pytest.mark.parametrize("value", [-1, np.nan, np.inf])
def test_weights_are_finite_and_not_negative(value):
    with pytest.raises(ValueError, match=f">= 0. Received: weight={value}"):
        checks.check_weight("weight", value)
    checks.check_weight("weight", 0)


def test_an_unknown_width_agrees_with_all():
    with pytest.raises(ValueError, match="Expected: 4. Received: 3"):
        checks.check_width(3, 4)
    for widths in ((3, None), (None, 4), (4, 4)):
        checks.check_width(*widths)


def test_vectors_are_filled_and_of_one_length():
    for values in (np.zeros((2, 1)), [], 3):
        with pytest.raises(ValueError, match="Expected: shape .rows,."):
            checks.check_vector(values)
    with pytest.raises(ValueError, match="{'a': 2, 'b': 1}"):
        checks.check_same_length(a=[0, 1], b=[1])


def test_choices_are_checked():
    checks.check_choice("color", "red", {"red": 1})
    with pytest.raises(ValueError, match=r"Unknown color.*\['red'\].*color='blue'"):
        checks.check_choice("color", "blue", {"red": 1})
