"""Bins of age, and the splits in which age and gender go together."""

import numpy as np

from keras_unbias.data import age_bias


def test_bins_of_age():
    ages = [0, 19, 20, 24, 25, 29, 30, 65, 69, 70, 100, 119]
    bins = [0, 0, 1, 1, 2, 2, 3, 10, 10, 11, 11, 11]
    assert age_bias.age_bin(ages).tolist() == bins
    # Bins of five years from 20 on.
    for age in range(20, 70):
        assert age_bias.age_bin(age) == 1 + (age - 20) // 5
    vectors = age_bias.one_hot_bins(ages)
    assert vectors.shape == (12, *age_bias.SPEC.widths)
    assert vectors.nonzero()[1].tolist() == bins and (vectors.sum(1) == 1).all()


def test_the_splits_are_those_of_the_paper():
    ages, genders = np.array([0, 30, 31, 40, 41, 99] * 2), np.repeat([0, 1], 6)
    masks = age_bias.split_masks(ages, genders)
    women, men = ages[genders == 0], ages[genders == 1]
    for name, young, old in (("eb1", women, men), ("eb2", men, women)):
        assert masks[name].sum() == sum(young <= 30) + sum(old >= 41) == 4
    assert ages[masks["eb1"]].tolist() == [0, 30, 41, 99]
    assert genders[masks["eb1"]].tolist() == [0, 0, 1, 1]
    assert ages[masks["eb2"]].tolist() == [41, 99, 0, 30]
    assert genders[masks["eb2"]].tolist() == [0, 0, 1, 1]
