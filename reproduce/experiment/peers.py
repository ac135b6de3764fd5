"""One run of the comparison: an audit, or a classifier of some package."""

import importlib.metadata
import os
import time
import warnings
from typing import Any

import numpy as np
import pandas as pd
from sklearn import linear_model

from reproduce.experiment import (
    peer_problems,
    peer_rows,
    records,
    run_files,
    tensorflow_process,
)
from reproduce.experiment.groups import (
    PeerAudit,
    PeerClassifier,
    PeerFairlearn,
    PeerLeace,
    PeerReductions,
)
from reproduce.experiment.settings import Settings


def train(
    settings: Settings,
    *,
    output_dir: str | os.PathLike = "runs",
    data_dir: str | os.PathLike | None = None,
    threads: int | None = None,
    devices: int | None = None,
) -> records.Record:
    """Carries out one run and writes its record, as `run.train` does.

    Args:
        settings: settings on a `PeerProblem`.
        output_dir: directory of all runs.
        data_dir: where German credit's file is, see `peer_rows.draw`.
        threads: not used.
        devices: not used.

    Returns:
        The `Record`.

    Raises:
        ImportError: if the row's package is not installed.
    """
    return run_files.recorded(
        settings, output_dir, lambda: _carry_out(settings, data_dir)
    )


def _carry_out(settings, data_dir):
    tensorflow_process.import_tensorflow()
    from reproduce.experiment import environment

    train_rows, test_rows = peer_rows.draw(settings.data, settings.seed, data_dir)
    package = PACKAGES.get(type(settings.method))
    described = environment.describe("float32", None)
    if package:
        described["versions"][package] = _version(package)
    began = time.monotonic()
    if isinstance(settings.method, PeerAudit):
        problem = peer_problems.PROBLEMS[settings.data.problem]
        metrics = _audit(settings, problem, train_rows)
    else:
        metrics = _accuracy(settings, train_rows, test_rows)
    return records.Record(
        settings=settings,
        status="done",
        metrics=metrics,
        data={"train_size": len(train_rows.labels), "test_size": len(test_rows.labels)},
        history={},
        environment=described,
        wall_seconds=round(time.monotonic() - began, 2),
    )


def _version(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        raise ImportError(
            f"This row is of another package. Expected: {package}. Received: it is "
            f"not installed. Run `pip install {package}`, or leave the row out with "
            "--methods."
        ) from None


def reweighing(labels: np.ndarray, attributes: pd.DataFrame) -> np.ndarray:
    """Computes the weights p(y) p(c) / p(y, c) of rows.

    Reference: Kamiran & Calders, "Data preprocessing techniques for
    classification without discrimination", KAIS 2012.

    Args:
        labels: array of shape `(rows,)`.
        attributes: frame whose columns are one attribute together.

    Returns:
        Float array of shape `(rows,)`.
    """
    rows = attributes.assign(label=labels).reset_index(drop=True)
    columns = list(attributes)

    def share(names):
        return rows.groupby(names)["label"].transform("size") / len(rows)

    together = share([*columns, "label"])
    return (share(columns) * share(["label"]) / together).to_numpy()


def _audit(settings, problem, rows) -> dict[str, Any]:
    import keras_unbias as ku

    vectors = ku.AttributeEncoder().fit_transform(rows.attributes)
    found = ku.audit(
        rows.inputs, (None, {"attribute": vectors}), seed=settings.seed
    ).leakage
    return {
        "truth": problem.information(),
        "information": found.information.value,
        "low": found.information.low,
        "high": found.information.high,
        **{f"{n} (nats)": bound.value for n, bound in found.information.bounds.items()},
    }


def _accuracy(settings, train_rows, test_rows) -> dict[str, float]:
    began = time.monotonic()
    predict, features = FITS[type(settings.method)](settings, train_rows)
    metrics = {"fit_seconds": round(time.monotonic() - began, 2)}
    right = predict(test_rows.inputs) == test_rows.labels
    groups = test_rows.attributes.assign(label=test_rows.labels, right=right)
    of_groups = groups.groupby([*test_rows.attributes, "label"]).right.mean()
    metrics["test_accuracy"] = float(np.mean(right))
    metrics["group_accuracy"] = float(of_groups.mean())
    metrics["worst_group"] = float(of_groups.min())
    metrics["train_accuracy"] = float(
        np.mean(predict(train_rows.inputs) == train_rows.labels)
    )
    if features and settings.data.audited:
        metrics["information"] = _left(features(test_rows.inputs), test_rows, settings)
    return metrics


def _left(features, rows, settings):
    """Returns what features tell about the attribute of even rows, in nats."""
    import keras_unbias as ku

    vectors = ku.AttributeEncoder().fit_transform(rows.attributes)
    found = ku.audit(
        features,
        (None, {"attribute": vectors}),
        seed=settings.seed,
        rows=2000,
        resamples=10,
    )
    return found.leakage.information.value


def _combined(attributes):
    """Returns one attribute: the combinations of the values of several."""
    return attributes.astype(str).agg("-".join, axis=1)


def _fit_ours(settings, rows):
    import keras_unbias as ku

    method = settings.method
    model = ku.UnbiasedClassifier(
        method.classifier,
        random_state=settings.seed,
        **{
            name: getattr(method, name)
            for name in ku.UnbiasedClassifier().get_params()
            if hasattr(method, name)
        },
    )
    given = {"sensitive_features": rows.attributes}
    if method.reweighing:
        given = {"sample_weight": reweighing(rows.labels, rows.attributes)}
    model.fit(rows.inputs, rows.labels, **given)
    return model.predict, model.transform


def _fit_adversary(settings, rows):
    from fairlearn.adversarial import AdversarialFairnessClassifier

    method = settings.method
    model = AdversarialFairnessClassifier(
        backend="tensorflow",
        predictor_model=list(method.predictor_model),
        adversary_model=[],
        epochs=method.epochs,
        shuffle=method.shuffle,
        random_state=settings.seed,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # As strings, labels are classes for it.
        model.fit(
            rows.inputs,
            rows.labels.astype(str),
            sensitive_features=_combined(rows.attributes),
        )

    def predict(inputs):
        return np.ravel(model.predict(inputs)).astype(int)

    return predict, None


def _fit_reductions(settings, rows):
    from fairlearn import reductions

    model = reductions.ExponentiatedGradient(
        linear_model.LogisticRegression(max_iter=1000),
        getattr(reductions, settings.method.constraint)(),
    )
    model.fit(rows.inputs, rows.labels, sensitive_features=_combined(rows.attributes))
    return lambda inputs: model.predict(inputs, random_state=settings.seed), None


def _fit_leace(settings, rows):
    import concept_erasure
    import torch

    import keras_unbias as ku

    network = ku.UnbiasedClassifier("erm", random_state=settings.seed)
    network.fit(rows.inputs, rows.labels)
    attribute = pd.get_dummies(_combined(rows.attributes)).to_numpy(np.float32)
    erase = concept_erasure.LeaceEraser.fit(
        torch.tensor(network.transform(rows.inputs)), torch.tensor(attribute)
    )

    def features(inputs):
        return erase(torch.tensor(network.transform(inputs))).numpy()

    model = linear_model.LogisticRegression(max_iter=1000)
    model.fit(features(rows.inputs), rows.labels)
    return lambda inputs: model.predict(features(inputs)), features


FITS = {
    PeerClassifier: _fit_ours,
    PeerFairlearn: _fit_adversary,
    PeerReductions: _fit_reductions,
    PeerLeace: _fit_leace,
}
PACKAGES = {
    PeerFairlearn: "fairlearn",
    PeerReductions: "fairlearn",
    PeerLeace: "concept-erasure",
}
