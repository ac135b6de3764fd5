"""Critics: the statistics networks T(z, c) of the bound."""

import keras
import numpy as np
import tensorflow as tf


def shuffle_within_classes(labels, seed):
    """Random partners inside each class; never oneself where avoidable.

    The rows of a class are put in random order and each takes the next one's
    place. A plain permutation has fixed points, which are joint pairs and
    bias the bound.

    Args:
        labels: `(n,)` int tensor.
        seed: `(2,)` int tensor, the seed of the order.

    Returns:
        `(n,)` int32 tensor: row i is re-paired with row `partners[i]`.
    """
    rows = tf.shape(labels)[0]
    noise = tf.random.stateless_uniform((rows,), seed, dtype=tf.float32)
    order = tf.argsort(tf.cast(labels, tf.float32) + 0.999 * noise)
    in_order = tf.gather(labels, order)
    first = tf.searchsorted(in_order, in_order, side="left")
    last = tf.searchsorted(in_order, in_order, side="right") - 1
    position = tf.range(rows)
    following = tf.where(position == last, first, position + 1)
    return tf.gather(tf.gather(order, following), tf.argsort(order))


def roll(rows, seed):
    """Partners a random number of places on, the same for every row.

    For one class: `shuffle_within_classes` sorts, which takes longer than an update of a
    small critic.

    Args:
        rows: int or scalar tensor, the number n of rows.
        seed: `(2,)` int tensor.

    Returns:
        `(n,)` int32 tensor, as in `shuffle_within_classes`.
    """
    # With one row there is none but oneself.
    most = tf.maximum(rows, 2)
    places = tf.random.stateless_uniform((), seed, 1, most, tf.int32)
    return (tf.range(rows) + places) % rows


class Critic(keras.layers.Layer):
    """A statistics network T(z, c): the contract of the critics.

    `call(features, attributes, labels, seed)` takes `(n, d)` features,
    `(n, a)` attributes, `(n,)` int labels (re-pairings stay inside a class;
    `None` for one class) and a `(2,)` int seed, and returns `joint (n,)`,
    `marginal (n, m)` and `pairs (n, m)`, the arguments of
    `donsker_varadhan_bound`.

    Args:
        hidden: tuple of ints, units of the hidden layers (leaky ReLU 0.2,
            as in the released code). Defaults to `(64, 64, 64)`.
        seed: int, of the initial weights. `None` (the default) draws them
            from Keras's global seed.
    """

    def __init__(self, hidden=(64, 64, 64), seed=None, **kwargs):
        # Half the digits are too few for a bound, whatever the policy.
        super().__init__(**{"dtype": "float32", **kwargs})
        self.hidden = tuple(hidden)
        self.seed = seed

    @classmethod
    def for_attributes(cls, attributes, **kwargs):
        """A critic for these attributes, an array `(rows, a)`."""
        return cls(**kwargs)

    def _network(self, outputs):
        layers = []
        for units in self.hidden:
            layers.append(self._dense(units, len(layers)))
            layers.append(
                keras.layers.LeakyReLU(negative_slope=0.2, dtype="float32")
            )
        layers.append(self._dense(outputs, len(layers)))
        network = keras.Sequential(layers, name="network")
        network.dtype_policy = "float32"
        return network

    def _dense(self, units, number):
        # Layers of one shape must not begin with the same weights.
        seed = None if self.seed is None else self.seed + number
        return keras.layers.Dense(
            units,
            kernel_initializer=keras.initializers.GlorotUniform(seed),
            dtype="float32",
        )

    def get_config(self):
        return {
            **super().get_config(),
            "hidden": self.hidden,
            "seed": self.seed,
        }


@keras.saving.register_keras_serializable("keras_unbias")
class ConcatenatedCritic(Critic):
    """The paper's critic: an MLP on `[c, z]`, one random re-pairing a batch."""

    def build(self, features_shape, attributes_shape):
        self.network = self._network(1)
        self.network.build((None, features_shape[-1] + attributes_shape[-1]))

    def call(self, features, attributes, labels, seed):
        if labels is None:
            partners = roll(tf.shape(attributes)[0], seed)
        else:
            partners = shuffle_within_classes(labels, seed)
        # Joint and marginal pairs have the same features: what the first
        # layer makes of them is computed once, half of the whole work.
        first, *others = self.network.layers
        of_attributes, of_features = tf.split(
            first.kernel, [attributes.shape[-1], features.shape[-1]]
        )
        shared = tf.matmul(features, of_features) + first.bias
        joint, marginal = (
            shared + tf.matmul(paired, of_attributes)
            for paired in (attributes, tf.gather(attributes, partners))
        )
        for layer in others:
            joint, marginal = layer(joint), layer(marginal)
        return joint[:, 0], marginal, tf.ones_like(marginal)


@keras.saving.register_keras_serializable("keras_unbias")
class SeparableCritic(Critic):
    """`T(z, c) = f(z) . [c, 1]`, all pairs of the batch as the marginal.

    The optimal critic of a one-hot attribute is linear in it, so nothing is
    lost there, and one small matrix product gives all `n x n` pairs. Of an
    attribute with several ones (a color's bins in three channels) it adds up
    what each of them tells, and misses what only several tell together. The
    pairs i = j stay in, a bias of about 1/n.

    Args:
        hidden: as in `Critic`.
        seed: as in `Critic`.
        constant: bool, whether the 1 stands beside c: without it a c of
            zeros would score 0 whatever z is. It changes nothing where the
            numbers of every row add up to the same, but for 0, as those of
            one-hot codes do (`for_attributes` leaves it out there); an
            attribute of one number has it in any case. Defaults to `True`.
    """

    def __init__(self, hidden=(64, 64, 64), seed=None, constant=True, **kwargs):
        super().__init__(hidden, seed, **kwargs)
        self.constant = constant

    @classmethod
    def for_attributes(cls, attributes, **kwargs):
        sums = np.sum(attributes, 1)
        same = np.allclose(sums, sums[0]) and not np.allclose(
            sums, 0, atol=1e-3
        )
        return cls(constant=not same, **kwargs)

    def build(self, features_shape, attributes_shape):
        width = attributes_shape[-1]
        self.constant = self.constant or width == 1
        self.network = self._network(width + self.constant)
        self.network.build((None, features_shape[-1]))

    def call(self, features, attributes, labels, seed):
        if self.constant:
            ones = tf.ones_like(attributes[:, :1])
            attributes = tf.concat([attributes, ones], -1)
        scores = tf.matmul(self.network(features), attributes, transpose_b=True)
        if labels is None:
            pairs = tf.ones_like(scores)
        else:
            same_class = labels[:, None] == labels[None, :]
            pairs = tf.cast(same_class, scores.dtype)
        return tf.linalg.diag_part(scores), scores, pairs

    def get_config(self):
        return {**super().get_config(), "constant": self.constant}


CRITICS = {"concatenated": ConcatenatedCritic, "separable": SeparableCritic}
