"""Builds the parts of a run from its settings: the data and the model."""

import hashlib
import logging
import os

import keras
import numpy as np

from keras_unbias import backend, data, encoders, methods, replicas
from keras_unbias.data import BiasedDataset
from keras_unbias.information import CRITICS, MutualInformationEstimator
from reproduce.experiment.settings import Settings

logger = logging.getLogger(__name__)


def load_data(
    settings: Settings, data_dir: str | os.PathLike | None = None
) -> BiasedDataset:
    """Loads the data set of a run.

    The loader takes the fields of `settings.data`.

    Args:
        settings: the `Settings` of the run.
        data_dir: as in `run.train`.
    """
    return data.load(
        settings.data.name, seed=settings.seed, data_dir=data_dir, **vars(settings.data)
    )


def weights_facts(
    settings: Settings, data_dir: str | os.PathLike | None = None
) -> dict[str, str]:
    """Describes the file of weights that a backbone begins with.

    Args:
        settings: the `Settings` of the run.
        data_dir: as in `run.train`.

    Returns:
        Dict with the SHA-256 `weights_checksum`, or an empty one if the
        weights are not read from a file.

    Raises:
        FileNotFoundError: if there is no such file.
    """
    if not settings.data.has_backbone:
        return {}
    path = encoders.weights_file(
        settings.network.backbone, settings.network.weights, data_dir
    )
    if path is None:
        return {}
    return {"weights_checksum": hashlib.sha256(path.read_bytes()).hexdigest()}


def build_model(
    settings: Settings,
    dataset: BiasedDataset,
    steps: int,
    data_dir: str | os.PathLike | None = None,
) -> methods.RepresentationClassifier:
    """Builds and compiles the model of a run and creates all its state.

    The method takes the fields of `settings.method`, except that a
    `prior_strength` above 0 makes its `label_prior`, `overlap_width` is for
    `row_weights`, and `discriminant_shrinkage` is for `replace_classifier`. A
    method with an estimator also takes `estimator`, `estimator_batches` and
    `attribute_size`, and an `AttributeAdversary` takes `attribute_parts`.

    Args:
        settings: the `Settings` of the run.
        dataset: its `BiasedDataset`.
        steps: int, the steps of one report, which is `epochs_per_report`
            epochs.
        data_dir: as in `run.train`.

    Returns:
        The model, ready for `fit` or for the weights of a backup.
    """
    training = settings.training
    # Layers draw their seeds when they are made: the order changes results.
    arguments = _arguments(settings, dataset)
    encoder = _encoder(settings, dataset, data_dir)
    model = methods.METHODS[settings.method.name](
        encoder, dataset.num_classes, **arguments
    )
    reports = training.epochs // training.epochs_per_report
    jit_compile = training.jit_compile
    # Keras takes single steps on several devices, and XLA compiles none of them.
    several = replicas.count() > 1
    if several:
        jit_compile = False
    elif jit_compile is None:
        jit_compile = backend.should_jit_compile()
    model.compile(
        _optimizer(settings, steps * reports),
        jit_compile=jit_compile,
        # The call of a small step takes longer than the step.
        steps_per_execution=1 if several or training.epochs_per_report == 1 else steps,
    )
    model.build(encoder.input_shape)
    model.build_optimizers()
    return model


def row_weights(settings: Settings, dataset: BiasedDataset) -> np.ndarray | None:
    """Computes the weights of the training rows.

    Args:
        settings: the `Settings` of the run.
        dataset: its `BiasedDataset`.

    Returns:
        Float32 array of shape `(rows,)`, or `None` for equal weights.
    """
    width = settings.method.overlap_width
    if not width:
        return None
    train = dataset.train
    positions = dataset.attribute_spec.positions(train.attributes)
    return methods.overlap_weights(train.labels, positions, width=width)


def replace_classifier(
    settings: Settings,
    model: methods.RepresentationClassifier,
    dataset: BiasedDataset,
) -> None:
    """Replaces the trained classifier by an adjusted discriminant.

    Args:
        settings: the `Settings` of the run.
        model: the trained model.
        dataset: the `BiasedDataset` of the run.
    """
    train = dataset.train
    batches = dataset.batches("train", dataset.evaluation_batch)
    weights = methods.adjusted_discriminant(
        model.predict(batches, verbose=0)["features"],
        train.labels,
        dataset.attribute_spec.positions(train.attributes),
        sample_weight=row_weights(settings, dataset),
        shrinkage=settings.method.discriminant_shrinkage,
    )
    model.classifier.set_weights(weights)


def _encoder(settings, dataset, data_dir):
    arguments = {}
    if settings.data.has_backbone:
        arguments = {**vars(settings.network), "data_dir": data_dir}
    wanted = settings.training.precision
    precision = backend.precision(wanted)
    if precision != wanted:
        logger.warning(
            "Run %s computes in %s, because this processor has no instructions for %s.",
            settings.id,
            precision,
            wanted,
        )
    return encoders.ENCODERS[settings.data.name](
        dtype=precision, shape=dataset.input_shape, **arguments
    )


def _arguments(settings, dataset):
    """The method's arguments after the encoder and the number of classes."""
    arguments = dict(vars(settings.method))
    del arguments["overlap_width"], arguments["discriminant_shrinkage"]
    strength = arguments.pop("prior_strength")
    if strength:
        prior = methods.LabelPrior(dataset.num_classes, strength=strength)
        prior.adapt(dataset.train.attributes, dataset.train.labels)
        arguments["label_prior"] = prior
    kind = methods.METHODS[settings.method.name]
    if issubclass(kind, methods.AttributeAdversary):
        arguments["attribute_parts"] = dataset.attribute_spec.widths
    if settings.method.has_estimator:
        arguments["estimator"] = _estimator(settings, dataset)
        arguments["estimator_batches"] = settings.estimator.estimator_batches
        arguments["attribute_size"] = dataset.attribute_size
    return arguments


def _optimizer(settings, steps):
    """The task's optimizer for a run of `steps` steps."""
    training = settings.training
    rate = training.learning_rate
    if training.decay == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(rate, steps)
    momentum = training.weight_averaging
    return keras.optimizers.Adam(
        rate, epsilon=training.epsilon, use_ema=momentum > 0, ema_momentum=momentum
    )


def _estimator(settings, dataset):
    own = settings.estimator
    # The features change until the end of the training, so the rate of the
    # estimator does not decay.
    rate = own.estimator_learning_rate
    if own.estimator_optimizer == "adam":
        optimizer = keras.optimizers.Adam(rate, epsilon=settings.training.epsilon)
    else:
        optimizer = keras.optimizers.SGD(rate)
    conditional = getattr(settings.method, "conditional", False)
    return MutualInformationEstimator(
        critic=CRITICS[own.critic].for_attributes(
            dataset.train.attributes, hidden=own.critic_hidden
        ),
        optimizer=optimizer,
        steps=own.estimator_steps,
        accumulate=own.estimator_accumulate,
        num_classes=dataset.num_classes if conditional else None,
        standardize=own.standardize,
        seed=settings.seed,
    )
