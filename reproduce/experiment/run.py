"""One run, from its config to its record: load, build, fit, audit, export."""

import hashlib
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
    run_settings,
    runs,
)

logger = logging.getLogger(__name__)


def train(config, *, output_dir="runs", data_dir=None, threads=None):
    """Carries out one run, or goes on where it was killed.

    The run's directory holds `config.json`, `history.csv` (a line per
    report), `data.json`, `backup/` while it runs, and in the end `model/`
    (SavedModel), `model.keras` and `record.json`; that of a scikit-learn
    classifier (`baselines`) only JSON files. A finished run is only read.
    Keras's session is cleared and its global seed set.

    Args:
        config: the `RunConfig`. `settings` holds the data set's own
            arguments, `batch_size`, `epochs`, `learning_rate`, `decay`
            (`"cosine"` to 0 over the run, or `"constant"`),
            `weight_averaging` (momentum of the weight average; 0 for none),
            `precision` (see `environment.precision`), `prior_strength` (of
            `LabelPrior`; 0 for none), and for `mi_backprop` the arguments of
            `MutualInformationBackpropagation` and its estimator, for other
            methods their weights; for a scikit-learn classifier those of
            `baselines.fit` alone. It may hold any of the encoder's own
            arguments and of `jit_compile`, `epochs_per_report` (small data:
            so many epochs are one line of the history, one call of the test
            and, compiled, one execution), `critic_hidden`,
            `estimator_accumulate` and `estimator_optimizer`; names and
            defaults are in `run_settings`.
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
    run_settings.check(config)
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
    steps *= run_settings.value(config, "epochs_per_report")
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
            for name in run_settings.of_data(config.dataset)
            if name in config.settings
        },
    )


def _fit(config, model, dataset, test, steps, directory, observers):
    """Trains from the backup on, or from the start where there is none.

    Keras's epochs are reports here: `steps` is their number of steps.
    """
    settings = config.settings
    epochs_per_report = run_settings.value(config, "epochs_per_report")
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
    epochs_per_report = run_settings.value(config, "epochs_per_report")
    jit_compile = run_settings.value(config, "jit_compile")
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
        for name in run_settings.of_encoder(config.dataset)
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
    own = run_settings.METHOD_SETTINGS.get(config.method, set())
    arguments = {
        name: settings[name] for name in own - run_settings.ESTIMATOR_SETTINGS
    }
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
            hidden=run_settings.value(config, "critic_hidden"),
        ),
        # The estimator follows a moving target to the end: no decay.
        optimizer=run_settings.OPTIMIZERS[
            run_settings.value(config, "estimator_optimizer")
        ](settings["estimator_learning_rate"]),
        steps=settings["estimator_steps"],
        accumulate=run_settings.value(config, "estimator_accumulate"),
        num_classes=dataset.num_classes if settings["conditional"] else None,
        standardize=settings["standardize"],
        seed=config.seed,
    )


def _weights(config, data_dir):
    """Which weights a backbone begins with, where they are a file's."""
    names = {"backbone", "weights"} & run_settings.of_encoder(config.dataset)
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
