"""A network of pairs on top of a copula.

The copula knows the pairs that lie on curves and in heavy tails, the network
what is left, such as rings and spirals. Its score is a product of two vectors,
so a batch has as many pairs as the square of its rows.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_unbias.dependence.columns import NORMAL, Columns
from keras_unbias.dependence.copula import Copula, inverse_root
from keras_unbias.dependence.critics import fit_critic
from keras_unbias.information import Critic

EPOCHS = 30
PATIENCE = 8
BATCH_SIZE = 256
LEARNING_RATE = 4e-3
WEIGHT_DECAY = 1e-2


class CopulaCritic(Critic):
    """The log-ratio of a copula plus `f(x) . g(y)` with two networks.

    Features and attributes are rows of `Copula.embed`, followed by the inputs
    of the networks. The network has the first `k + 2` numbers of neither.

    Args:
        copula: `Copula`, stays as it is.
        size: int, the length of f and g. Defaults to 32.
        hidden: sequence of int, see `Critic`. Defaults to `(128, 128)`.
        seed: int, see `Critic`.
    """

    def __init__(
        self,
        copula: Copula,
        size: int = 32,
        hidden: tuple[int, ...] = (128, 128),
        seed: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(hidden, seed, **kwargs)
        self.copula = copula
        self.size = size
        self.embedded = len(copula.correlations) + 2

    def build(self, features_shape: Any, attributes_shape: Any) -> None:
        """Creates the weights for `(n, d)` features, `(n, a)` attributes."""
        self.towers = []
        for side, shape in enumerate((features_shape, attributes_shape)):
            layers = [
                keras.layers.Dense(
                    units,
                    activation="gelu" if number < len(self.hidden) else None,
                    kernel_initializer=keras.initializers.GlorotUniform(
                        self.seed + 10 * side + number
                    ),
                    dtype="float32",
                )
                for number, units in enumerate((*self.hidden, self.size + 1))
            ]
            tower = keras.Sequential(layers, name=f"tower_{side}")
            tower.build((None, shape[-1] - self.embedded))
            self.towers.append(tower)

    def call(
        self,
        features: tf.Tensor,
        attributes: tf.Tensor,
        labels: tf.Tensor | None,
        seed: tf.Tensor,
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Scores all pairs of the batch; the observed ones are not marginal."""
        (first, f), (second, g) = (
            (rows[:, : self.embedded], tower(rows[:, self.embedded :]))
            for rows, tower in zip((features, attributes), self.towers, strict=True)
        )
        product = tf.matmul(first[:, :-2], second[:, :-2], transpose_b=True)
        distance = first[:, None, -2] + second[None, :, -2] - product
        joint = -distance / 2
        if self.copula.freedom != NORMAL:
            width = sum(matrix.shape[1] for matrix in self.copula.maps)
            freedom = self.copula.freedom
            joint = -(freedom + width) / 2 * tf.math.log1p(distance / freedom)
        scores = joint + first[:, None, -1] + second[None, :, -1]
        scores += tf.matmul(f[:, 1:], g[:, 1:], transpose_b=True) / self.size**0.5
        scores += f[:, None, 0] + g[None, :, 0]
        pairs = 1.0 - tf.eye(tf.shape(scores)[0])
        return tf.linalg.diag_part(scores), scores, pairs


def fit_network(
    sides: tuple[Columns, Columns],
    copula: Copula,
    split: list[np.ndarray],
    seed: int,
) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Fits the network, and stops it on the rows for choice.

    Args:
        sides: the two `Columns`.
        copula: their `Copula`.
        split: three int arrays of row numbers, for the fit, for choice, and
            held out.
        seed: int, the seed of the weights and of the order of the rows.

    Returns:
        Function from two int arrays of row numbers, of the same length, to
        the log-ratios of these pairs.
    """
    embedded = [copula.embed(side, columns) for side, columns in enumerate(sides)]
    inputs = [
        np.concatenate([known, _inputs(columns, split[0])], 1).astype(np.float32)
        for known, columns in zip(embedded, sides, strict=True)
    ]
    critic = CopulaCritic(copula, seed=seed)
    batch_size = min(BATCH_SIZE, len(split[0]) // 4)
    steps = EPOCHS * (len(split[0]) // batch_size)
    fit_critic(
        *inputs,
        None,
        num_classes=None,
        split=split,
        generator=np.random.default_rng(seed),
        critic=critic,
        epochs=EPOCHS,
        patience=PATIENCE,
        batch_size=batch_size,
        optimizer=keras.optimizers.AdamW(
            keras.optimizers.schedules.CosineDecay(LEARNING_RATE, steps),
            weight_decay=WEIGHT_DECAY,
        ),
        standardize=False,
        seed=seed,
    )
    f, g = (
        tower(rows[:, critic.embedded :]).numpy().astype(float)
        for tower, rows in zip(critic.towers, inputs, strict=True)
    )

    def log_ratio(first, second):
        known = copula.log_ratio(embedded[0][first], embedded[1][second])
        product = np.sum(f[first, 1:] * g[second, 1:], 1) / critic.size**0.5
        return known + product + f[first, 0] + g[second, 0]

    return log_ratio


def _inputs(columns, fitted):
    """Returns uncorrelated inputs, and the radius that turns in a spiral."""
    scores = columns.scores()
    covariances = np.atleast_2d(np.cov(scores[fitted].T, ddof=0))
    white = (scores @ inverse_root(covariances)).clip(-5, 5)
    width = white.shape[1]
    radius = (np.sum(white**2, 1, keepdims=True) - width) / np.sqrt(2 * width)
    return np.concatenate([white, radius.clip(-5, 5)], 1)
