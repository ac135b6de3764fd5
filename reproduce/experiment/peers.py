"""One run of the comparison: an audit, or a classifier of some package."""

import os
import time
import warnings
from typing import Any

import numpy as np
import pandas as pd

from reproduce.experiment import (
    peer_problems,
    records,
    run_files,
    tensorflow_process,
)
from reproduce.experiment.groups import PeerAudit, PeerFairlearn
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
        data_dir: not used; the problems are drawn.
        threads: not used.
        devices: not used.

    Returns:
        The `Record`.

    Raises:
        ImportError: if fairlearn is needed and not installed.
    """
    with run_files.exclusive(settings, output_dir) as path:
        if (path / "record.json").exists():
            return records.read(path / "record.json")
        record = _carry_out(settings)
        records.write(record, path / "record.json")
    return record


def _carry_out(settings):
    tensorflow_process.import_tensorflow()
    import fairlearn

    from reproduce.experiment import environment

    rows = settings.data.rows
    problem = peer_problems.PROBLEMS[settings.data.problem]
    train_rows = problem.draw(rows, peer_problems.AGREEMENT, 2 * settings.seed)
    test_rows = problem.draw(rows, 1 / problem.classes, 2 * settings.seed + 1)
    described = environment.describe("float32", None)
    described["versions"]["fairlearn"] = fairlearn.__version__
    began = time.monotonic()
    if isinstance(settings.method, PeerAudit):
        metrics = _audit(settings, problem, train_rows)
    else:
        metrics = _accuracy(settings, train_rows, test_rows)
    return records.Record(
        settings=settings,
        status="done",
        metrics=metrics,
        data={"train_size": rows, "test_size": rows},
        history={},
        environment=described,
        wall_seconds=round(time.monotonic() - began, 2),
    )


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
        **{f"{n} (nats)": bound.value for n, bound in found.bounds.items()},
    }


def _accuracy(settings, train_rows, test_rows) -> dict[str, float]:
    fairlearn_is_asked = isinstance(settings.method, PeerFairlearn)
    fit = _fit_fairlearn if fairlearn_is_asked else _fit_ours
    predict = fit(settings, train_rows)
    return {
        f"{name}_accuracy": float(np.mean(predict(rows.inputs) == rows.labels))
        for name, rows in (("test", test_rows), ("train", train_rows))
    }


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
    return model.fit(rows.inputs, rows.labels, **given).predict


def _fit_fairlearn(settings, rows):
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
    # Several attributes: one for each combination of their values.
    combined = rows.attributes.astype(str).agg("-".join, axis=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # As strings, labels are classes for it.
        model.fit(rows.inputs, rows.labels.astype(str), sensitive_features=combined)

    def predict(inputs):
        return np.ravel(model.predict(inputs)).astype(int)

    return predict
