import numpy as np
import pytest

from keras_unbias.information import (
    ConcatenatedCritic,
    SeparableCritic,
    roll,
    shuffle_within_classes,
)


def test_a_roll_moves_every_row_to_another_and_varies():
    rolls = {tuple(roll(6, [3, seed]).numpy()) for seed in range(60)}
    assert rolls == {tuple((np.arange(6) + places) % 6) for places in range(1, 6)}
    assert roll(1, [0, 0]).numpy().tolist() == [0]


def test_partners_stay_in_the_class_and_moves_every_row():
    labels = np.random.default_rng(0).integers(0, 4, 200)
    partners = shuffle_within_classes(labels, [3, 5]).numpy()
    np.testing.assert_array_equal(np.sort(partners), np.arange(200))
    np.testing.assert_array_equal(labels[partners], labels)
    assert not (partners == np.arange(200)).any()
    assert (partners != shuffle_within_classes(labels, [3, 6]).numpy()).mean() > 0.9


def test_one_hot_codes_need_no_constant():
    c = np.eye(4, dtype="float32")[np.arange(64) % 4]
    three = np.concatenate([c, c, c], 1)
    for codes in (c, three):
        assert not SeparableCritic.for_attributes(codes).constant
    assert SeparableCritic.for_attributes(c[:, :3]).constant
    # Rows that add up to 0 cannot carry a constant.
    assert SeparableCritic.for_attributes(c - c.mean(1)[:, None]).constant
    concatenated = ConcatenatedCritic.for_attributes(c, hidden=(4,))
    assert concatenated.hidden == (4,)
    # An attribute of one number always has it.
    critic = SeparableCritic(constant=False)
    critic.build((None, 3), (None, 1))
    assert critic.get_config()["constant"]


@pytest.mark.parametrize("labels", [None, [0, 1, 0, 1, 1]])
def test_the_concatenated_critic_is_an_mlp_on_both(labels):
    rng = np.random.default_rng(0)
    z = rng.normal(size=(5, 3)).astype("float32")
    c = rng.normal(size=(5, 2)).astype("float32")
    critic = ConcatenatedCritic(hidden=(4, 6), seed=2)
    joint, marginal, pairs = critic(z, c, labels=labels, seed=[1, 2])

    def by_hand(c):
        hidden = np.concatenate([c, z], 1)
        *first, kernel, bias = critic.get_weights()
        for w, b in zip(first[::2], first[1::2], strict=True):
            hidden = hidden @ w + b
            hidden = np.where(hidden > 0, hidden, 0.2 * hidden)
        return hidden @ kernel + bias

    partners = (
        roll(5, [1, 2]) if labels is None else shuffle_within_classes(labels, [1, 2])
    ).numpy()
    np.testing.assert_allclose(joint, by_hand(c)[:, 0], atol=1e-5)
    np.testing.assert_allclose(marginal, by_hand(c[partners]), atol=1e-5)
    np.testing.assert_array_equal(pairs, np.ones((5, 1)))


@pytest.mark.parametrize("constant", [True, False])
def test_the_separable_critic_scores_all_pairs(constant):
    rng = np.random.default_rng(0)
    z = rng.normal(size=(4, 3)).astype("float32")
    c = rng.normal(size=(4, 2)).astype("float32")
    labels = np.array([0, 1, 1, 0])
    critic = SeparableCritic(hidden=(5,), constant=constant)
    joint, marginal, pairs = critic(z, c, labels=labels, seed=[0, 0])
    scores = np.zeros((4, 4))
    outputs = critic.network(z).numpy()
    for i in range(4):
        for j in range(4):
            scores[i, j] = sum(outputs[i, :2] * c[j])
            if constant:
                scores[i, j] += outputs[i, 2]
    np.testing.assert_allclose(marginal, scores, atol=1e-5)
    np.testing.assert_allclose(joint, np.diag(scores), atol=1e-5)
    np.testing.assert_array_equal(pairs, labels[:, None] == labels)


def test_a_seed_fixes_the_weights_and_layers_differ():
    one, other = (SeparableCritic(hidden=(4, 4), seed=3) for _ in range(2))
    for critic in (one, other):
        critic.build((None, 4), (None, 3))
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    first, _, second, *_ = one.get_weights()
    assert (first != second).all()
