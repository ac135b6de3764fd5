"""Neural estimation of mutual information (MINE)."""

import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from scipy import special

from keras_unbias import backend, replicas
from keras_unbias.checks import check_integer, check_width
from keras_unbias.information.bounds import donsker_varadhan_bound
from keras_unbias.information.critics import Critic, SeparableCritic


@keras.saving.register_keras_serializable("keras_unbias")
class MutualInformationEstimator(keras.layers.Layer):
    """Neural estimator of the mutual information of features and attribute.

    `update` fits the critic to features and attributes. `bound` returns the
    Donsker-Varadhan bound of the current critic.

    The weights of the critic and of its optimizer, the standardization of the
    features and the number of updates, which seeds the random pairs, are Keras
    state. They are saved and restored with the model that holds the
    estimator. To that model they are non-trainable weights.

    Args:
        critic: a `Critic`. Defaults to `SeparableCritic()`.
        optimizer: a Keras optimizer of the critic. Its learning rate is the
            paper's eta. Defaults to `Adam(2e-3)`.
        steps: int, the gradient steps of one `update`, the paper's K.
            Defaults to 16.
        accumulate: int, the number of mini-batches that make one gradient
            step, as in the paper's supplement where memory is short. Their
            rows are joined to one batch with one mean over all marginal
            pairs. The bound of each small mini-batch by itself would be
            looser. Defaults to 1.
        num_classes: int, the number of classes, to bound I(Z;C|Y) for labels
            in `0..num_classes-1`. Defaults to `None`, which bounds I(Z;C).
        standardize: bool, whether to standardize the features with the mean
            and the standard deviation of the last `update`, which are
            constants to the gradient. An update with fewer than `MIN_ROWS`
            rows, such as the last batch of an epoch, counts in proportion.
            Defaults to `True`.
        jit_compile: bool, whether XLA compiles the K steps. Defaults to
            `None`, which compiles them on a GPU. XLA has no advantage here on
            a CPU.
        seed: int, the seed of the random pairs. Defaults to 0.

    Raises:
        ValueError: if `steps` or `accumulate` is not an integer >= 1.
        ImportError: if Keras does not run on TensorFlow.

    References:
        Belghazi et al., "Mutual Information Neural Estimation", ICML 2018.

    Example:

    >>> attributes = np.eye(2, dtype="float32")[np.arange(64) % 2]
    >>> features = 3 * attributes
    >>> critic = SeparableCritic(hidden=(16,))
    >>> estimator = MutualInformationEstimator(critic, steps=200)
    >>> estimator.update(features[None], attributes[None])
    >>> 0.6 < float(estimator.bound(features, attributes)) < 0.7
    True
    """

    # An update of so many rows replaces the last mean and deviation in full.
    MIN_ROWS = 64
    # The rows that `evaluate` pairs with each other at a time.
    PART = 2048
    PAIRINGS = 32

    def __init__(
        self,
        critic: Critic | None = None,
        optimizer: keras.optimizers.Optimizer | None = None,
        steps: int = 16,
        accumulate: int = 1,
        num_classes: int | None = None,
        standardize: bool = True,
        jit_compile: bool | None = None,
        seed: int = 0,
        **kwargs: Any,
    ):
        backend.check_backend()
        super().__init__(**{"dtype": "float32", **kwargs})
        self.critic = SeparableCritic() if critic is None else critic
        self.optimizer = keras.optimizers.Adam(2e-3) if optimizer is None else optimizer
        self.steps = check_integer("steps", steps, minimum=1)
        self.accumulate = check_integer("accumulate", accumulate, minimum=1)
        if num_classes is not None:
            num_classes = check_integer("num_classes", num_classes, minimum=1)
        self.num_classes = num_classes
        self.standardize = standardize
        self.jit_compile = jit_compile
        self.seed = check_integer("seed", seed, minimum=0)

    def compute_output_shape(self, features_shape: Any, attributes_shape: Any) -> tuple:
        """Returns the shape of a bound, which `model.summary()` shows."""
        return ()

    def build(self, features_shape: Any, attributes_shape: Any) -> None:
        """Creates the weights for `(n, d)` features, `(n, a)` attributes."""
        width = features_shape[-1]
        self.attribute_size = attributes_shape[-1]
        if not self.critic.built:
            self.critic.build(features_shape, attributes_shape)
        # A model that holds the estimator must not train the critic.
        for variable in self.critic.variables:
            variable.trainable = False
        self.mean = self.add_weight(
            shape=(width,), initializer="zeros", trainable=False, name="mean"
        )
        self.scale = self.add_weight(
            shape=(width,), initializer="ones", trainable=False, name="scale"
        )
        # TensorFlow keeps int32 variables of a GPU on the host, where code
        # compiled with XLA cannot read them.
        self.updates = self.add_weight(
            shape=(),
            initializer="zeros",
            dtype="int64",
            trainable=False,
            name="updates",
        )
        self.built = True
        self.compile(self.optimizer)

    def compile(self, optimizer: keras.optimizers.Optimizer | str) -> None:
        """Replaces the critic's optimizer by one without state.

        Args:
            optimizer: a Keras optimizer or its name.
        """
        self.optimizer = keras.optimizers.get(optimizer)
        if not self.built:
            return
        self.optimizer = replicas.with_own_state(self.optimizer)
        self.optimizer.build(self.critic.variables)
        jit_compile = self.jit_compile
        if jit_compile is None:
            jit_compile = backend.should_jit_compile()
        self._fit_critic = tf.function(self._critic_steps, jit_compile=jit_compile)

    def bound(
        self,
        features: tf.Tensor,
        attributes: tf.Tensor,
        labels: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """Computes the bound of the current critic.

        The bound is differentiable with respect to the features.

        Args:
            features: float tensor of shape `(n, d)`.
            attributes: float tensor of shape `(n, a)`.
            labels: int tensor of shape `(n,)`. Required if `num_classes` is
                set.

        Returns:
            Scalar tensor, the bound in nats.

        Raises:
            ValueError: if labels are missing, or if the attributes have
                another width than before.
        """
        features = tf.cast(features, tf.float32)
        attributes = tf.cast(attributes, tf.float32)
        self._ensure_built(features, attributes)
        return self._bound(
            self._standardized(features),
            attributes,
            self._class_numbers(features, labels),
            self.updates + 0,
        )

    def evaluate(
        self,
        features: np.ndarray,
        attributes: np.ndarray,
        labels: np.ndarray | None = None,
    ) -> float:
        """Computes the bound of the current critic over any number of rows.

        The scores of parts of at most `PART` random rows are accumulated, and
        those of `PAIRINGS` random pairings where a critic pairs at random. So
        the batches of an evaluation do not matter.

        Args:
            features: float array of shape `(rows, d)`.
            attributes: float array of shape `(rows, a)`.
            labels: int array of shape `(rows,)`. Required if `num_classes` is
                set.

        Returns:
            Float, the bound in nats.

        Raises:
            ValueError: as `bound` does.
        """
        features = tf.cast(features, tf.float32)
        attributes = tf.cast(attributes, tf.float32)
        self._ensure_built(features, attributes)
        features = self._standardized(features)
        numbers = self._class_numbers(features, labels)
        order = np.random.default_rng(self.seed).permutation(len(numbers))
        joint_sum, log_sums, log_counts = 0.0, {}, {}
        for part in np.array_split(order, math.ceil(len(order) / self.PART)):
            classes = tf.gather(numbers, part)
            rows = tf.gather(features, part), tf.gather(attributes, part), classes
            classes = np.asarray(classes)
            for pairing in range(self.PAIRINGS):
                joint, marginal, pairs = self._scores(*rows, self.updates + pairing)
                marginal = np.asarray(marginal, float)
                pairs = np.ones_like(marginal) if pairs is None else np.asarray(pairs)
                for label in np.unique(classes):
                    own = classes == label
                    total = special.logsumexp(marginal[own], b=pairs[own])
                    log_sums.setdefault(label, []).append(total)
                    log_counts.setdefault(label, []).append(np.log(pairs[own].sum()))
                if marginal.shape[1] > 1:
                    # These are all pairs.
                    break
            joint_sum += np.sum(joint, dtype=float)
        values, counts = np.unique(numbers, return_counts=True)
        means = [
            special.logsumexp(log_sums[label]) - special.logsumexp(log_counts[label])
            for label in values
        ]
        return float((joint_sum - counts @ means) / len(order))

    def update(
        self,
        features: tf.Tensor,
        attributes: tf.Tensor,
        labels: tf.Tensor | None = None,
    ) -> None:
        """Takes K gradient steps of the critic, lines 5 to 8 of Algorithm 1.

        The steps visit the P mini-batches in turn, `accumulate` at a time. The
        features are constants here.

        Args:
            features: float tensor of shape `(P, n, d)`, P mini-batches.
            attributes: float tensor of shape `(P, n, a)`.
            labels: int tensor of shape `(P, n)`. Required if `num_classes` is
                set.

        Raises:
            ValueError: if the tensors are not mini-batches, if P is not a
                multiple of `accumulate`, if labels are missing, or if the
                attributes have another width than before.
        """
        features = tf.stop_gradient(tf.cast(features, tf.float32))
        attributes = tf.cast(attributes, tf.float32)
        if len(features.shape) != 3 or len(attributes.shape) != 3:
            raise ValueError(
                "An update takes mini-batches. Expected: features of shape (P, n, d) "
                f"and attributes of shape (P, n, a). Received: {features.shape} and "
                f"{attributes.shape}. Pass a single batch as `x[None]`."
            )
        if (features.shape[0] or 0) % self.accumulate:
            raise ValueError(
                "The mini-batches cannot be accumulated evenly. Expected: a "
                f"multiple of accumulate={self.accumulate}. Received: "
                f"{features.shape[0]} mini-batches."
            )
        self._ensure_built(features, attributes)
        if self.standardize:
            self._update_standardization(features)
        labels = self._class_numbers(features, labels)
        arrays = self._standardized(features), attributes, labels
        self._fit_critic(*map(self._accumulated, arrays))

    def _update_standardization(self, features):
        mean, variance = tf.nn.moments(features, (0, 1))
        # A dead ReLU unit has no deviation. The constant keeps it at 0.
        scale = tf.sqrt(variance) + 1e-2
        rows = tf.shape(features)[0] * tf.shape(features)[1]
        share = tf.minimum(rows / self.MIN_ROWS, 1.0)
        # The first update counts in full, for there is none to mix it with.
        share = tf.where(self.updates > 0, tf.cast(share, tf.float32), 1.0)
        for state, new in ((self.mean, mean), (self.scale, scale)):
            state.assign(tf.where(share < 1, state + share * (new - state), new))

    def _accumulated(self, batches):
        """Joins mini-batches, from `(P, n, ...)` to `(P / A, A * n, ...)`."""
        if self.accumulate == 1:
            return batches
        rows = self.accumulate * tf.shape(batches)[1]
        return tf.reshape(batches, (-1, rows, *batches.shape[2:]))

    def _critic_steps(self, features, attributes, labels):
        batches = tf.shape(features)[0]
        variables = self.critic.variables
        # The count is read once before the loop and written once after it.
        first = self.updates + 0
        for step in tf.range(self.steps):
            # TensorFlow may otherwise run ten iterations at a time, and one
            # could read the critic before the last has written it.
            tf.autograph.experimental.set_loop_options(parallel_iterations=1)
            # Gathering by number keeps XLA from compiling anew at every call,
            # as it would for a slice with a moving start.
            batch = step % batches
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch([variable.value for variable in variables])
                loss = -self._bound(
                    tf.gather(features, batch),
                    tf.gather(attributes, batch),
                    tf.gather(labels, batch),
                    first + tf.cast(step, first.dtype),
                )
            gradients = tape.gradient(loss, [variable.value for variable in variables])
            self.optimizer.apply(gradients, variables)
        self.updates.assign(first + self.steps)

    def _bound(self, features, attributes, labels, update):
        joint, marginal, pairs = self._scores(features, attributes, labels, update)
        labels = None if self.num_classes is None else labels
        return donsker_varadhan_bound(joint, marginal, labels, self.num_classes, pairs)

    def _scores(self, features, attributes, labels, update):
        labels = None if self.num_classes is None else labels
        return self.critic(features, attributes, labels, tf.stack([self.seed, update]))

    def _standardized(self, features):
        return (features - self.mean) / self.scale

    def _class_numbers(self, features, labels):
        if self.num_classes is None:
            return tf.zeros(tf.shape(features)[:-1], tf.int32)
        if labels is None:
            raise ValueError(
                "An estimator of I(Z;C|Y) needs the labels. Expected: labels "
                f"in 0..{self.num_classes - 1}. Received: labels=None. Pass "
                "`labels`, or set `num_classes=None` to estimate I(Z;C)."
            )
        # Labels may also be a column, of shape (n, 1).
        labels = tf.reshape(labels, tf.shape(features)[:-1])
        return tf.cast(labels, tf.int32)

    def _ensure_built(self, features, attributes):
        if not self.built:
            # A training step may be traced at this moment. The variables
            # belong outside its graph.
            with tf.init_scope():
                self.build(features.shape[-1:], attributes.shape[-1:])
        check_width(attributes.shape[-1], self.attribute_size)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "critic": keras.saving.serialize_keras_object(self.critic),
            "optimizer": keras.saving.serialize_keras_object(self.optimizer),
            "steps": self.steps,
            "accumulate": self.accumulate,
            "num_classes": self.num_classes,
            "standardize": self.standardize,
            "jit_compile": self.jit_compile,
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "MutualInformationEstimator":
        """Creates the estimator from `get_config`."""
        parts = {
            key: keras.saving.deserialize_keras_object(config[key])
            for key in ("critic", "optimizer")
        }
        return cls(**{**config, **parts})
