"""Critics: the statistics networks T(z, c) of the Donsker-Varadhan bound."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_unbias.checks import check_integer


def shuffle_within_classes(labels: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Draws a random partner for each row, from the row's own class.

    The rows of each class are put in a random order, and each row takes the
    next one as its partner. No row is its own partner unless it is alone in
    its class. The fixed points of a plain permutation would be joint pairs,
    which bias the bound.

    Args:
        labels: int tensor of shape `(n,)`.
        seed: int tensor of shape `(2,)`.

    Returns:
        Int32 tensor of shape `(n,)`, the number of each row's partner.

    Example:

    >>> partners = shuffle_within_classes(tf.constant([0, 1, 0, 1]), [0, 0])
    >>> partners.numpy().tolist()
    [2, 3, 0, 1]
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


def roll(rows: int | tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Draws a partner for each row, a common random distance away.

    This is the fast form of `shuffle_within_classes` for one class. Sorting
    takes longer than an update of a small critic.

    Args:
        rows: int or scalar tensor, the number n of rows.
        seed: int tensor of shape `(2,)`.

    Returns:
        Int32 tensor of shape `(n,)`, the number of each row's partner.

    Example:

    >>> roll(2, [0, 0]).numpy().tolist()
    [1, 0]
    """
    # A single row has no partner but itself.
    most = tf.maximum(rows, 2)
    distance = tf.random.stateless_uniform((), seed, 1, most, tf.int32)
    return (tf.range(rows) + distance) % rows


class Critic(keras.layers.Layer):
    """Base class of the critics, which score pairs of features and attributes.

    A subclass implements `call(features, attributes, labels, seed)`:

    - `features` and `attributes` are float tensors of shapes `(n, d)` and
      `(n, a)`.
    - `labels` is an int tensor of shape `(n,)`. Rows are paired with rows of
      their own class only. `None` stands for one class.
    - `seed` is an int tensor of shape `(2,)` for random pairs.

    It returns the arguments of `donsker_varadhan_bound`: `joint_scores` of
    shape `(n,)`, `marginal_scores` of shape `(n, m)`, and `pairs` of shape
    `(n, m)`.

    Args:
        hidden: sequence of int, the units of the hidden layers. Each is
            followed by a leaky ReLU of slope 0.2, as in the released code.
            Defaults to `(64, 64, 64)`.
        seed: int, the seed of the initial weights. Defaults to `None`, which
            draws them from Keras's global seed.

    Example:

    >>> critic = CRITICS["separable"](hidden=(8,))
    >>> isinstance(critic, Critic)
    True
    """

    def __init__(
        self,
        hidden: Sequence[int] = (64, 64, 64),
        seed: int | None = None,
        **kwargs: Any,
    ):
        # A bound needs float32, whatever the global dtype policy is.
        super().__init__(**{"dtype": "float32", **kwargs})
        self.hidden = tuple(check_integer("hidden", u, minimum=1) for u in hidden)
        self.seed = None if seed is None else check_integer("seed", seed, minimum=0)

    @classmethod
    def for_attributes(cls, attributes: np.ndarray, **kwargs: Any) -> "Critic":
        """Creates the critic that suits some attributes.

        Args:
            attributes: float array of shape `(rows, a)`.
            **kwargs: arguments of the constructor.

        Returns:
            The critic.
        """
        return cls(**kwargs)

    def _network(self, outputs):
        layers = []
        for units in (*self.hidden, outputs):
            if layers:
                relu = keras.layers.LeakyReLU(negative_slope=0.2, dtype="float32")
                layers.append(relu)
            # Layers of one shape must not start with the same weights.
            seed = None if self.seed is None else self.seed + len(layers)
            initial = keras.initializers.GlorotUniform(seed)
            layers.append(
                keras.layers.Dense(units, kernel_initializer=initial, dtype="float32")
            )
        network = keras.Sequential(layers, name="network")
        network.dtype_policy = "float32"
        return network

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "hidden": self.hidden, "seed": self.seed}


@keras.saving.register_keras_serializable("keras_unbias")
class ConcatenatedCritic(Critic):
    """The paper's critic, an MLP on `[c, z]`.

    The marginal has one random pair per row.

    Args:
        hidden: sequence of int, see `Critic`.
        seed: int, see `Critic`.

    Example:

    >>> critic = ConcatenatedCritic(hidden=(8,))
    >>> joint, marginal, pairs = critic(
    ...     tf.zeros((4, 3)), tf.zeros((4, 2)), labels=None, seed=[0, 0]
    ... )
    >>> joint.shape, marginal.shape
    (TensorShape([4]), TensorShape([4, 1]))
    """

    def build(self, features_shape: Any, attributes_shape: Any) -> None:
        """Creates the weights for `(n, d)` features, `(n, a)` attributes."""
        self.network = self._network(1)
        self.network.build((None, features_shape[-1] + attributes_shape[-1]))

    def call(
        self,
        features: tf.Tensor,
        attributes: tf.Tensor,
        labels: tf.Tensor | None,
        seed: tf.Tensor,
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Scores the observed pairs and one random pair per row."""
        if labels is None:
            partners = roll(tf.shape(attributes)[0], seed)
        else:
            partners = shuffle_within_classes(labels, seed)
        # Joint and marginal pairs share their features. The features' part of
        # the first layer is computed once, which is half of the whole work.
        first, *others = self.network.layers
        attribute_kernel, feature_kernel = tf.split(
            first.kernel, [attributes.shape[-1], features.shape[-1]]
        )
        shared = tf.matmul(features, feature_kernel) + first.bias
        joint, marginal = (
            shared + tf.matmul(paired, attribute_kernel)
            for paired in (attributes, tf.gather(attributes, partners))
        )
        for layer in others:
            joint, marginal = layer(joint), layer(marginal)
        return joint[:, 0], marginal, tf.ones_like(marginal)


@keras.saving.register_keras_serializable("keras_unbias")
class SeparableCritic(Critic):
    """A critic `T(z, c) = f(z) . [c, 1]` with an MLP f.

    One small matrix product scores all `n x n` pairs of a batch, and all are
    the marginal. It includes the n observed pairs, a bias of about 1/n.

    The optimal critic of a one-hot attribute is linear in the attribute, so
    the form loses nothing there. With several categories side by side, such
    as a color's bins in three channels, it adds up the information of each
    and misses what only their combination shows.

    Args:
        hidden: sequence of int, see `Critic`.
        seed: int, see `Critic`.
        constant: bool, whether to append 1 to the attribute. Without it an
            attribute of zeros scores 0 with all features. It makes no
            difference where every row has the same sum other than 0, as with
            one-hot codes, and `for_attributes` leaves it out there. An
            attribute of one number always has it. Defaults to `True`.

    Example:

    >>> critic = SeparableCritic.for_attributes(np.eye(2), hidden=(8,))
    >>> joint, marginal, pairs = critic(
    ...     tf.zeros((4, 3)), tf.zeros((4, 2)), labels=None, seed=[0, 0]
    ... )
    >>> joint.shape, marginal.shape
    (TensorShape([4]), TensorShape([4, 4]))
    """

    def __init__(
        self,
        hidden: Sequence[int] = (64, 64, 64),
        seed: int | None = None,
        constant: bool = True,
        **kwargs: Any,
    ):
        super().__init__(hidden, seed, **kwargs)
        self.constant = constant

    @classmethod
    def for_attributes(cls, attributes: np.ndarray, **kwargs: Any) -> "SeparableCritic":
        """Creates a critic, with the constant only where it is needed.

        Args:
            attributes: float array of shape `(rows, a)`.
            **kwargs: arguments of the constructor.

        Returns:
            The critic.
        """
        sums = np.sum(attributes, 1)
        same = np.allclose(sums, sums[0]) and not np.allclose(sums, 0, atol=1e-3)
        return cls(constant=not same, **kwargs)

    def build(self, features_shape: Any, attributes_shape: Any) -> None:
        """Creates the weights for `(n, d)` features, `(n, a)` attributes."""
        width = attributes_shape[-1]
        self.constant = self.constant or width == 1
        self.network = self._network(width + self.constant)
        self.network.build((None, features_shape[-1]))

    def call(
        self,
        features: tf.Tensor,
        attributes: tf.Tensor,
        labels: tf.Tensor | None,
        seed: tf.Tensor,
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Scores all pairs of the batch, and marks those within a class."""
        if self.constant:
            ones = tf.ones_like(attributes[:, :1])
            attributes = tf.concat([attributes, ones], -1)
        scores = tf.matmul(self.network(features), attributes, transpose_b=True)
        pairs = tf.ones_like(scores)
        if labels is not None:
            pairs = tf.cast(labels[:, None] == labels[None, :], scores.dtype)
        return tf.linalg.diag_part(scores), scores, pairs

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "constant": self.constant}


CRITICS = {"concatenated": ConcatenatedCritic, "separable": SeparableCritic}
