"""Neural estimation of mutual information (MINE).

The Donsker-Varadhan bound and its class-conditional form, two critics, and
the estimator that fits a critic to the features of the moment. All values
are in nats.

References:
    Belghazi et al., "Mutual Information Neural Estimation", ICML 2018.
    Ragonesi et al., "Learning Unbiased Representations via Mutual
    Information Backpropagation", equations 5 and 6.
"""

import keras
import tensorflow as tf

from keras_unbias import backend
from keras_unbias.checks import check_integer
from keras_unbias.information.bounds import donsker_varadhan_bound
from keras_unbias.information.critics import SeparableCritic


def check_width(received, expected):
    """Refuses attribute vectors of another width, if both are known.

    Raises:
        ValueError: the widths differ.
    """
    if None not in (received, expected) and received != expected:
        raise ValueError(
            "The attribute has another width than before. Expected: "
            f"{expected}. Received: {received}. Encode all rows alike, e.g. "
            "by one fitted AttributeEncoder."
        )


@keras.saving.register_keras_serializable("keras_unbias")
class MutualInformationEstimator(keras.layers.Layer):
    """Fits a critic to the present features and reads the bound off it.

    The critic's weights, the optimizer's, the standardisation of the
    features and the count of updates (which seeds the re-pairings) are Keras
    state: saved and restored with the model. To a model that holds the
    estimator they are non-trainable weights; only `update` changes them.

    Args:
        critic: a `Critic`. Defaults to `SeparableCritic()`.
        optimizer: a Keras optimizer of the critic. Its rate is the paper's
            eta. Defaults to `Adam(2e-3)`.
        steps: int, gradient steps of one `update`: the paper's K.
            Defaults to 16.
        accumulate: int, the number of mini-batches whose gradient makes one
            step, as the paper's supplement does where memory allows only
            small ones to be embedded. Their rows make one batch here, with
            one mean over all marginal pairs: the bound of each mini-batch by
            itself would be the looser, the smaller it is. Defaults to 1.
        num_classes: int or `None`. With a number the estimator bounds
            I(Z;C|Y) for labels in `0..num_classes-1`; `None` (the default)
            bounds I(Z;C).
        standardize: bool, whether the features are standardised with the
            mean and deviation of the last `update`'s rows, as constants for
            the gradient. Those of fewer than `ENOUGH` rows (the last batch of
            an epoch may hold but one) count only in part. Defaults to `True`.
        jit_compile: bool, whether XLA compiles the K steps. `None` (the
            default) means on a GPU: on a CPU it gains nothing.
        seed: int, seed of the re-pairings. Defaults to 0.

    Raises:
        ValueError: `steps` or `accumulate` is no integer >= 1.
        ImportError: Keras does not run on TensorFlow.
    """

    # Rows whose mean and deviation may take the place of the last ones.
    ENOUGH = 64

    def __init__(
        self,
        critic=None,
        optimizer=None,
        steps=16,
        accumulate=1,
        num_classes=None,
        standardize=True,
        jit_compile=None,
        seed=0,
        **kwargs,
    ):
        backend.check_backend()
        super().__init__(**{"dtype": "float32", **kwargs})
        check_integer("steps", steps, minimum=1)
        check_integer("accumulate", accumulate, minimum=1)
        self.critic = SeparableCritic() if critic is None else critic
        self.optimizer = (
            keras.optimizers.Adam(2e-3) if optimizer is None else optimizer
        )
        self.steps = steps
        self.accumulate = accumulate
        self.num_classes = num_classes
        self.standardize = standardize
        self.jit_compile = jit_compile
        self.seed = seed

    def build(self, features_shape, attributes_shape):
        """Creates the critic's, the optimizer's and the own weights."""
        width = features_shape[-1]
        self.attribute_size = attributes_shape[-1]
        if not self.critic.built:
            self.critic.build(features_shape, attributes_shape)
        # A surrounding model must not train the critic with its own loss.
        for variable in self.critic.variables:
            variable.trainable = False
        self.mean = self.add_weight(
            shape=(width,), initializer="zeros", trainable=False, name="mean"
        )
        self.scale = self.add_weight(
            shape=(width,), initializer="ones", trainable=False, name="scale"
        )
        # On a GPU an int32 variable stays on the host, where what XLA
        # compiles cannot read it.
        self.updates = self.add_weight(
            shape=(),
            initializer="zeros",
            dtype="int64",
            trainable=False,
            name="updates",
        )
        self.built = True
        self.compile(self.optimizer)

    def compile(self, optimizer):
        """Takes an optimizer of the critic, which has learned nothing yet.

        Args:
            optimizer: a Keras optimizer or its name.
        """
        self.optimizer = keras.optimizers.get(optimizer)
        if not self.built:
            return
        self.optimizer.build(self.critic.variables)
        jit_compile = self.jit_compile
        if jit_compile is None:
            jit_compile = backend.should_jit_compile()
        self._fit_critic = tf.function(
            self._critic_steps, jit_compile=jit_compile
        )

    def bound(self, features, attributes, labels=None):
        """The bound of the present critic, differentiable in the features.

        Args:
            features: `(n, d)` float tensor.
            attributes: `(n, a)` float tensor.
            labels: `(n,)` int tensor; needed when `num_classes` is set.

        Returns:
            Scalar tensor, nats.

        Raises:
            ValueError: labels are missing, or attributes are of another
                width than before.
        """
        features = tf.cast(features, tf.float32)
        attributes = tf.cast(attributes, tf.float32)
        self._ensure_built(features, attributes)
        return self._bound(
            self._standardized(features),
            attributes,
            self._classes(features, labels),
            self.updates + 0,
        )

    def update(self, features, attributes, labels=None):
        """K gradient steps of the critic (lines 5-8 of Algorithm 1).

        Args:
            features: `(P, n, d)` float tensor: P mini-batches, visited in
                turn, `accumulate` at a time. They are constants here.
            attributes: `(P, n, a)` float tensor.
            labels: `(P, n)` int tensor; needed when `num_classes` is set.

        Raises:
            ValueError: these are no mini-batches, P is no multiple of
                `accumulate`, labels are missing, or attributes are of
                another width than before.
        """
        features = tf.stop_gradient(tf.cast(features, tf.float32))
        attributes = tf.cast(attributes, tf.float32)
        if len(features.shape) != 3 or len(attributes.shape) != 3:
            raise ValueError(
                "An update takes mini-batches. Expected: features (P, n, d) "
                f"and attributes (P, n, a). Received: {features.shape} and "
                f"{attributes.shape}. A single batch is `x[None]`."
            )
        if (features.shape[0] or 0) % self.accumulate:
            raise ValueError(
                "The mini-batches cannot be accumulated evenly. Expected: a "
                f"multiple of accumulate={self.accumulate}. Received: "
                f"{features.shape[0]} mini-batches."
            )
        self._ensure_built(features, attributes)
        if self.standardize:
            self._adapt(features)
        self._fit_critic(
            self._accumulated(self._standardized(features)),
            self._accumulated(attributes),
            self._accumulated(self._classes(features, labels)),
        )

    def _adapt(self, features):
        mean, variance = tf.nn.moments(features, (0, 1))
        # Dead ReLU units have no deviation: the constant keeps them 0.
        scale = tf.sqrt(variance) + 1e-2
        rows = tf.shape(features)[0] * tf.shape(features)[1]
        share = tf.minimum(rows / self.ENOUGH, 1.0)
        # There are none before the first.
        share = tf.where(self.updates > 0, tf.cast(share, tf.float32), 1.0)
        for state, present in ((self.mean, mean), (self.scale, scale)):
            state.assign(
                tf.where(share < 1, state + share * (present - state), present)
            )

    def _accumulated(self, batches):
        """`(P, n, ...)` to `(P / A, A * n, ...)`."""
        if self.accumulate == 1:
            return batches
        rows = self.accumulate * tf.shape(batches)[1]
        return tf.reshape(batches, (-1, rows, *batches.shape[2:]))

    def _critic_steps(self, features, attributes, labels):
        batches = tf.shape(features)[0]
        variables = self.critic.variables
        # Read and written once: the loop's own state is handed on in order.
        first = self.updates + 0
        # Gathering by number, not slicing: a slice that moves would make XLA
        # compile anew at every call.
        for step in tf.range(self.steps):
            # TensorFlow may run ten iterations at a time otherwise, and one
            # could read the state before the last has written it.
            tf.autograph.experimental.set_loop_options(parallel_iterations=1)
            batch = step % batches
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch([variable.value for variable in variables])
                loss = -self._bound(
                    tf.gather(features, batch),
                    tf.gather(attributes, batch),
                    tf.gather(labels, batch),
                    first + tf.cast(step, first.dtype),
                )
            gradients = tape.gradient(
                loss, [variable.value for variable in variables]
            )
            self.optimizer.apply(gradients, variables)
        self.updates.assign(first + self.steps)

    def _bound(self, features, attributes, labels, update):
        if self.num_classes is None:
            labels = None
        joint, marginal, pairs = self.critic(
            features, attributes, labels, tf.stack([self.seed, update])
        )
        return donsker_varadhan_bound(
            joint, marginal, labels, self.num_classes, pairs
        )

    def _standardized(self, features):
        return (features - self.mean) / self.scale

    def _classes(self, features, labels):
        if self.num_classes is None:
            return tf.zeros(tf.shape(features)[:-1], tf.int32)
        if labels is None:
            raise ValueError(
                "An estimator of I(Z;C|Y) needs the labels. "
                f"Expected: labels in 0..{self.num_classes - 1}. "
                "Received: labels=None. Pass `labels`, or build the "
                "estimator with `num_classes=None` for I(Z;C)."
            )
        # A column of labels is one label a row.
        labels = tf.reshape(labels, tf.shape(features)[:-1])
        return tf.cast(labels, tf.int32)

    def _ensure_built(self, features, attributes):
        if not self.built:
            # Also called while a training step is traced; the variables
            # belong outside its graph.
            with tf.init_scope():
                self.build(features.shape[-1:], attributes.shape[-1:])
        check_width(attributes.shape[-1], self.attribute_size)

    def get_config(self):
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
    def from_config(cls, config):
        parts = {
            key: keras.saving.deserialize_keras_object(config[key])
            for key in ("critic", "optimizer")
        }
        return cls(**{**config, **parts})
