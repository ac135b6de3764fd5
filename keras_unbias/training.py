"""One run, from its config to its record: load, build, fit, audit, export."""

import hashlib
import inspect
import json
import logging
import shutil
import time

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from keras_unbias import (
    baselines,
    callbacks,
    datasets,
    environment,
    fresh_estimators,
    methods,
    metrics,
    mutual_information,
    networks,
    runs,
)
from keras_unbias.datasets import base

logger = logging.getLogger(__name__)

SETTINGS = {
    "batch_size",
    "epochs",
    "learning_rate",
    "decay",
    "weight_averaging",
    "precision",
    "prior_strength",
}
ESTIMATOR_SETTINGS = {
    "critic",
    "standardize",
    "estimator_steps",
    "estimator_learning_rate",
}
MI_SETTINGS = {
    "mi_weight",
    "conditional",
    "estimator_batches",
    "own_optimizer",
    "clip",
}
ADVERSARY_SETTINGS = {"attribute_hidden", "attribute_rate"}
METHOD_SETTINGS = {
    "mi_backprop": MI_SETTINGS | ESTIMATOR_SETTINGS,
    "chi_squared": {"penalty_weight"},
    "attribute_confusion": {"confusion_weight"} | ADVERSARY_SETTINGS,
    "adversarial_unlearning": {"entropy_weight", "reversal_weight"}
    | ADVERSARY_SETTINGS,
}
# What may be left out, with what it is then. With `jit_compile` None XLA
# compiles where `environment.worth_compiling`.
DEFAULTS = {
    "jit_compile": None,
    "epochs_per_report": 1,
    "critic_hidden": (64, 64, 64),
    "estimator_optimizer": "adam",
    "estimator_accumulate": 1,
}
PRECISIONS = ("float32", "mixed_bfloat16")
OPTIMIZERS = {"adam": keras.optimizers.Adam, "sgd": keras.optimizers.SGD}


def train(config, *, output_dir="runs", data_dir=None, threads=None):
    """Carries out one run, or goes on where it was killed.

    The run's directory holds `config.json`, `history.csv` (a line per
    epoch), `data.json`, `backup/` while it runs, and in the end `model/`
    (SavedModel), `model.keras` and `record.json`; that of a scikit-learn
    classifier (`baselines`) only JSON files. A finished run is only read.
    Keras's session is cleared and its global seed set.

    Args:
        config: the `RunConfig`. `settings` holds the data set's own
            arguments, `batch_size`, `epochs`, `learning_rate`, `decay`
            (`"cosine"` to 0 over the run, or `"constant"`),
            `weight_averaging` (momentum of the weight average; 0 for none),
            `precision` (one of `PRECISIONS`; see `environment.precision`),
            `prior_strength` (of `LabelPrior`; 0 for none), and for
            `mi_backprop` the arguments of `MutualInformationBackpropagation`
            and its estimator, for other methods their weights
            (`METHOD_SETTINGS`); for a scikit-learn classifier those of
            `baselines.fit` alone. It may hold any of `DEFAULTS` and of the
            encoder's own arguments: `jit_compile`, `epochs_per_report` (small
            data: so many epochs are one line of the history, one call of the
            test and, compiled, one execution), `critic_hidden`,
            `estimator_accumulate` and `estimator_optimizer` (a name in
            `OPTIMIZERS`).
        output_dir: directory of all runs.
        data_dir: directory of the data, where they are not to be had
            otherwise.
        threads: int, threads of TensorFlow, which must not have run an
            operation yet. `None` (the default) leaves them as they are.

    Returns:
        The `Record`, `status` `"done"` or `"diverged"`. A run has diverged
        when its loss is not finite, or its bound above H(C).

    Raises:
        ValueError: the config is wrong, before any data are read; or the run
            was begun on other data.
        FileNotFoundError: there are no data, or no file of weights.
        PermissionError: the output directory cannot be written.
    """
    _check(config)
    directory = runs.open_run(config, output_dir)
    if (directory / "record.json").exists():
        return runs.read_record(directory / "record.json")
    if threads is not None:
        # TensorFlow refuses once it has run an operation: set them first.
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    started = time.monotonic()
    keras.backend.clear_session()
    keras.utils.set_random_seed(config.seed)
    # A missing file of weights is reported before any image is read.
    weights = _weights(config, data_dir)
    dataset = _load(config, data_dir)
    facts = {**dataset.facts, **weights}
    _check_data(directory / "data.json", facts)
    if config.method in baselines.SETTINGS:
        result, earlier = _run_baseline(config, dataset), 0.0
    else:
        result, earlier = _run(config, dataset, directory, data_dir)
    record = runs.Record(
        config=config,
        data=facts,
        environment=environment.describe(
            config.settings.get("precision", "float64"), threads
        ),
        wall_seconds=round(earlier + time.monotonic() - started, 1),
        **result,
    )
    record.write(directory / "record.json")
    shutil.rmtree(directory / "backup", ignore_errors=True)
    logger.info("%s: %s", config.run_id, record.metrics)
    return record


def _run_baseline(config, dataset):
    """Fits a scikit-learn classifier; returns what the record says of it."""
    classifier = baselines.fit(config.method, config.settings, dataset)
    train, test = (
        classifier.predict(split.inputs)
        for split in (dataset.train, dataset.test)
    )
    return {
        "status": "done",
        "metrics": {
            "test_accuracy": metrics.accuracy(dataset.test.labels, test),
            "train_accuracy": metrics.accuracy(dataset.train.labels, train),
            **_of_binary_task(dataset, test),
        },
        "history": {},
    }


def _run(config, dataset, directory, data_dir):
    """Trains a Keras model, or goes on where it was killed.

    Returns:
        Dict of what the record says of it, and the seconds that epochs of
        earlier attempts took.
    """
    settings = config.settings
    steps = len(dataset.train) // settings["batch_size"]
    steps *= _setting(config, "epochs_per_report")
    if steps == 0:
        raise ValueError(
            "A batch cannot be larger than the training split. Expected: "
            f"batch_size <= {len(dataset.train)}. Received: batch_size="
            f"{settings['batch_size']}."
        )
    model = build_model(config, dataset, steps, data_dir)
    clock = callbacks.Clock()
    divergence = callbacks.StopOnDivergence(_attribute_entropy(dataset))
    test = dataset.batches("test", dataset.evaluation_batch)
    _fit(config, model, dataset, test, steps, directory, [divergence, clock])
    history = _history(directory / "history.csv")
    tested = model.evaluate(test, verbose=0, return_dict=True)
    predicted, audited = {}, {}
    if not divergence.reason:
        for name in dataset.further:
            batches = dataset.batches(name, dataset.evaluation_batch)
            evaluated = model.evaluate(batches, verbose=0, return_dict=True)
            predicted[f"{name}_accuracy"] = evaluated["accuracy"]
        audited = fresh_estimators.held_out_information(
            model, dataset, seed=config.seed
        )
        if _is_binary_task(dataset):
            audited["probe_auc"] = fresh_estimators.probe_auc(model, dataset)
            outputs = model.predict(test, verbose=0)
            predicted.update(
                _of_binary_task(dataset, outputs["logits"].argmax(-1))
            )
        model.export(str(directory / "model"), verbose=False)
        model.save(directory / "model.keras")
    result = {
        "status": "diverged" if divergence.reason else "done",
        "reason": divergence.reason,
        "metrics": {
            "test_accuracy": tested["accuracy"],
            **predicted,
            **{
                name: history[name][-1]
                for name in ("train_accuracy", "mutual_information")
                if name in history
            },
        },
        "history": history,
        "audit": audited,
    }
    return result, sum(history["seconds"]) - clock.total


def _is_binary_task(dataset):
    """Two labels, and an attribute that is one number, 0 or 1."""
    return (
        dataset.num_classes == 2
        and dataset.attribute_size == 1
        and np.isin(dataset.attributes("train"), (0, 1)).all()
    )


def _of_binary_task(dataset, predictions):
    if not _is_binary_task(dataset):
        return {}
    return metrics.binary_task(
        dataset.test.labels,
        predictions,
        dataset.attributes("test")[:, 0].astype(np.int32),
    )


def _load(config, data_dir):
    return datasets.load(
        config.dataset,
        seed=config.seed,
        data_dir=data_dir,
        **{
            name: config.settings[name]
            for name in _data_settings(config.dataset)
            if name in config.settings
        },
    )


def _setting(config, name):
    return config.settings.get(name, DEFAULTS[name])


def _fit(config, model, dataset, test, steps, directory, observers):
    """Trains from the backup on, or from the start where there is none.

    Keras's epochs are reports here: `steps` is their number of steps.
    """
    settings = config.settings
    epochs_per_report = _setting(config, "epochs_per_report")
    backup = callbacks.Backup(directory / "backup" / "latest.weights.h5")
    # Creates the metrics: where they come to be inside the compiled step,
    # TensorFlow traces it twice.
    model.test_step(next(iter(test)))
    model.reset_metrics()
    first_epoch = backup.restore(model, steps)
    _trim_history(directory / "history.csv", first_epoch)
    averaging = (
        [keras.callbacks.SwapEMAWeights()] if model.optimizer.use_ema else []
    )
    model.fit(
        dataset.stream(
            settings["batch_size"],
            seed=config.seed,
            first_epoch=first_epoch * epochs_per_report,
            estimator_batches=settings.get("estimator_batches", 0),
        ),
        initial_epoch=first_epoch,
        epochs=settings["epochs"] // epochs_per_report,
        steps_per_epoch=steps,
        validation_data=test,
        shuffle=False,  # The stream has its own order.
        verbose=0,
        callbacks=[
            *averaging,
            *observers,
            keras.callbacks.CSVLogger(directory / "history.csv", append=True),
            backup,
        ],
    )


def build_model(config, dataset, steps, data_dir=None):
    """Builds and compiles the model of a run, all its state created.

    Args:
        config: the `RunConfig`.
        dataset: its `BiasedDataset`.
        steps: int, steps of a report, which is an epoch if there is one each.
        data_dir: as in `train`.

    Returns:
        A `RepresentationClassifier`, ready for `fit` or a backup.
    """
    arguments = _arguments(config, dataset)
    encoder = _encoder(config, dataset, data_dir)
    model = methods.METHODS[config.method](
        encoder, dataset.num_classes, **arguments
    )
    epochs_per_report = _setting(config, "epochs_per_report")
    jit_compile = _setting(config, "jit_compile")
    model.compile(
        _optimizer(
            config, steps * config.settings["epochs"] // epochs_per_report
        ),
        jit_compile=environment.worth_compiling()
        if jit_compile is None
        else jit_compile,
        # A small step costs less than its call.
        steps_per_execution=1 if epochs_per_report == 1 else steps,
    )
    model.build(encoder.input_shape)
    model.build_optimizers()
    return model


def _encoder(config, dataset, data_dir):
    settings = config.settings
    own = {
        name: settings[name]
        for name in _encoder_settings(config.dataset)
        if name in settings
    }
    if own:
        own["data_dir"] = data_dir
    precision = environment.precision(settings["precision"])
    if precision != settings["precision"]:
        logger.warning(
            "%s: in %s, for this processor has no instructions for %s.",
            config.run_id,
            precision,
            settings["precision"],
        )
    return networks.ENCODERS[config.dataset](
        dtype=precision, shape=dataset.input_shape, **own
    )


def _arguments(config, dataset):
    """Those of the method, beyond the encoder and the number of classes."""
    settings = config.settings
    own = METHOD_SETTINGS.get(config.method, set()) - ESTIMATOR_SETTINGS
    arguments = {name: settings[name] for name in own}
    if settings["prior_strength"]:
        prior = methods.LabelPrior(
            dataset.num_classes, strength=settings["prior_strength"]
        )
        prior.adapt(dataset.attributes("train"), dataset.train.labels)
        arguments["label_prior"] = prior
    if issubclass(methods.METHODS[config.method], methods.AttributeAdversary):
        arguments["attribute_parts"] = dataset.attribute_parts
    if config.method == "mi_backprop":
        arguments["attribute_size"] = dataset.attribute_size
        arguments["estimator"] = _estimator(config, dataset)
    return arguments


def _optimizer(config, steps):
    """The task's optimizer, for a run of `steps` steps."""
    rate = config.settings["learning_rate"]
    if config.settings["decay"] == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(rate, steps)
    averaging = config.settings["weight_averaging"]
    return keras.optimizers.Adam(
        rate, use_ema=averaging > 0, ema_momentum=averaging or 0.99
    )


def _estimator(config, dataset):
    settings = config.settings
    return mutual_information.MutualInformationEstimator(
        critic=mutual_information.CRITICS[settings["critic"]].for_attributes(
            dataset.attributes("train"),
            hidden=_setting(config, "critic_hidden"),
        ),
        # The estimator follows a moving target to the end: no decay.
        optimizer=OPTIMIZERS[_setting(config, "estimator_optimizer")](
            settings["estimator_learning_rate"]
        ),
        steps=settings["estimator_steps"],
        accumulate=_setting(config, "estimator_accumulate"),
        num_classes=dataset.num_classes if settings["conditional"] else None,
        standardize=settings["standardize"],
        seed=config.seed,
    )


def _data_settings(name):
    """The parameters of the data set's loader that are settings of a run."""
    parameters = dict(inspect.signature(datasets.DATASETS[name]).parameters)
    del parameters["seed"], parameters["data_dir"]
    return parameters


def _encoder_settings(name):
    """The parameters of the data set's encoder that are settings of a run."""
    parameters = inspect.signature(networks.ENCODERS[name]).parameters
    return set(parameters) - {"dtype", "shape", "data_dir"}


def _check(config):
    trained = config.method not in baselines.SETTINGS
    for kind, name, known in (
        ("data set", config.dataset, datasets.DATASETS),
        ("method", config.method, {*methods.METHODS, *baselines.SETTINGS}),
    ):
        if name not in known:
            raise ValueError(
                f"Unknown {kind}. Expected: one of {sorted(known)}. "
                f"Received: {name!r}."
            )
    parameters = _data_settings(config.dataset)
    optional = {
        name
        for name, parameter in parameters.items()
        if parameter.default is not parameter.empty
    }
    expected = set(parameters) - optional
    if trained:
        optional |= set(DEFAULTS) | _encoder_settings(config.dataset)
        expected |= SETTINGS | METHOD_SETTINGS.get(config.method, set())
    else:
        expected |= baselines.SETTINGS[config.method]
    received = set(config.settings)
    if not expected <= received <= expected | optional:
        raise ValueError(
            f"The settings of a {config.method} run on {config.dataset} are "
            f"all of {sorted(expected)}, and any of {sorted(optional)}. "
            f"Missing: {sorted(expected - received)}. Received beyond them: "
            f"{sorted(received - expected - optional)}."
        )
    if trained:
        _check_training(config)


def _check_training(config):
    settings = {**DEFAULTS, **config.settings}
    for name, minimum in (
        ("epochs", 1),
        ("batch_size", 1),
        ("epochs_per_report", 1),
        ("estimator_steps", 1),
        ("estimator_batches", 0),
        ("estimator_accumulate", 1),
    ):
        if name in settings:
            base.check_integer(name, settings[name], minimum=minimum)
    for part, whole in (
        ("epochs_per_report", "epochs"),
        ("estimator_accumulate", "estimator_batches"),
    ):
        # Without batches of its own the estimator has the task's, one.
        total = settings.get(whole) or 1
        if whole in settings and total % settings[part]:
            raise ValueError(
                f"`{part}` divides `{whole}` (0 counts as 1). Expected: a "
                f"divisor of {total}. Received: {settings[part]!r}."
            )
    prior_strength = settings["prior_strength"]
    needed = config.method == "bias_balanced"
    if prior_strength < 0 or needed and prior_strength == 0:
        raise ValueError(
            f"`prior_strength` of {config.method} is out of range. Expected: "
            f"a number {'> 0' if needed else '>= 0'}. Received: "
            f"{prior_strength!r}."
        )
    for name, known in (
        ("precision", PRECISIONS),
        ("decay", ("constant", "cosine")),
        ("estimator_optimizer", tuple(OPTIMIZERS)),
        ("critic", tuple(mutual_information.CRITICS)),
    ):
        value = settings.get(name, known[0])
        if value not in known:
            raise ValueError(
                f"Unknown {name}. Expected: one of {known}. Received: "
                f"{value!r}."
            )


def _weights(config, data_dir):
    """Which weights a backbone begins with, where they are a file's."""
    names = {"backbone", "weights"} & _encoder_settings(config.dataset)
    if not names:
        return {}
    settings = {n: config.settings[n] for n in names if n in config.settings}
    path = networks.weights_file(**settings, data_dir=data_dir)
    if path is None:
        return {}
    with path.open("rb") as file:
        checksum = hashlib.file_digest(file, "sha256").hexdigest()
    return {"weights_checksum": checksum}


def _check_data(path, facts):
    """A resumed run must not go on with other rows than it began with."""
    facts = json.loads(json.dumps(facts))
    if not path.exists():
        runs.write_json(path, facts)
    begun = runs.read_json(path)
    # The same bytes may come from another place.
    anywhere = {"source": begun["source"]} if "checksum" in begun else {}
    if begun != {**facts, **anywhere}:
        raise ValueError(
            f"The run was begun on other data. Expected: {begun}, as in "
            f"{path}. Received: {facts}. Name the same `data_dir`, or move "
            "the directory away to start anew."
        )


def _attribute_entropy(dataset):
    _, cells = np.unique(
        dataset.attributes("train"), axis=0, return_inverse=True
    )
    return metrics.entropy(cells.ravel())


def _trim_history(path, first_epoch):
    """Drops the lines of epochs that come again, and a torn last line."""
    if not path.exists():
        return
    # A run killed at its very start leaves an empty file.
    header, *lines = path.read_text().splitlines() or [""]
    kept = [
        line
        for line in lines
        if line.count(",") == header.count(",")
        and int(line.split(",")[0]) < first_epoch
    ]
    if kept:
        runs.write_text(path, "\n".join([header, *kept]) + "\n")
    else:
        path.unlink()


def _history(path):
    frame = pd.read_csv(path).rename(
        columns={
            "accuracy": "train_accuracy",
            "val_accuracy": "test_accuracy",
            "val_loss": "test_loss",
            "val_mutual_information": "test_mutual_information",
        }
    )
    return {
        name: [round(value, 5) for value in frame[name].tolist()]
        for name in frame.columns
        if name != "epoch"
    }
