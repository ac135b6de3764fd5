"""Audit and UnbiasedClassifier against known truths and other packages."""

import argparse
import importlib.util
import pathlib
import sys
import time
import warnings

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import numpy as np
import pandas as pd
import tabulate
import tqdm

from keras_unbias import reporting, runs
from reproduce import arguments, peer_problems, sweep

PROFILE = "peers"
ROWS = 10_000
AUDIT = "audit"
OURS = "UnbiasedClassifier"
# The layers and passes of ours, for peers whose defaults are smaller.
LAYERS = [64, "relu", 32, "relu"]
EPOCHS = 13
CLASSIFIERS = {
    OURS: {"package": "keras_unbias", "method": "mi_backprop"},
    "reweighing, same network": {
        "package": "keras_unbias",
        "method": "erm",
        "reweighing": True,
    },
    "plain training, same network": {
        "package": "keras_unbias",
        "method": "erm",
    },
    "AdversarialFairnessClassifier": {
        "package": "fairlearn",
        "predictor_model": [],
        "epochs": 1,
        "shuffle": False,
    },
    "AdversarialFairnessClassifier, same network": {
        "package": "fairlearn",
        "predictor_model": LAYERS,
        "epochs": EPOCHS,
        "shuffle": True,
    },
}


def configs(seeds):
    """The cells: an audit and all classifiers for each problem and seed."""
    from keras_unbias import UnbiasedClassifier

    cells = {AUDIT: {"package": "keras_unbias"}}
    for row, chosen in CLASSIFIERS.items():
        cells[row] = chosen
        if chosen["package"] == "keras_unbias":
            defaults = UnbiasedClassifier().get_params()
            for name in ("encoder", "random_state", "verbose"):
                del defaults[name]
            cells[row] = {**defaults, **chosen}
    return [
        runs.RunConfig(
            dataset=f"peers_{problem}",
            method=AUDIT if row == AUDIT else chosen["package"],
            row=row,
            profile=PROFILE,
            seed=seed,
            settings={"rows": ROWS, **chosen},
        )
        for problem in peer_problems.PROBLEMS
        for seed in range(seeds)
        for row, chosen in cells.items()
    ]


def main(argv=None):
    """Runs what is missing, prints both tables; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=arguments.positive, default=3)
    parser.add_argument("--output-dir", default="runs", help="of all runs")
    parser.add_argument(
        "--from-records", metavar="DIR", help="only show what is there"
    )
    options = parser.parse_args(argv)
    if not options.from_records and not importlib.util.find_spec("fairlearn"):
        parser.error(
            "The comparison trains a classifier of fairlearn. Expected: that "
            "it is installed. Received: it is not. Run `pip install -e "
            '".[test]"`, or show --from-records.'
        )
    with sweep.environment():
        wanted = configs(options.seeds)
        if not options.from_records:
            for config in tqdm.tqdm(
                _missing(wanted, options.output_dir), unit="run"
            ):
                directory = runs.open_run(config, options.output_dir)
                _run(config).write(directory / "record.json")
    try:
        records = runs.read_records(options.from_records or options.output_dir)
    except (OSError, ValueError) as problem:
        parser.error(str(problem))
    ids = {config.run_id for config in wanted}
    found = [record for record in records if record.config.run_id in ids]
    if not found:
        print("There are no records of these cells.", file=sys.stderr)
        return 1
    print(render(found))
    if len(found) < len(wanted):
        print(
            f"{len(wanted) - len(found)} of {len(wanted)} cells are missing.",
            file=sys.stderr,
        )
    return 0


def _missing(wanted, output_dir):
    return [
        config
        for config in wanted
        if not (config.directory(output_dir) / "record.json").exists()
    ]


def render(records):
    """Two tables in Markdown: information found, accuracy without the bias."""
    rows = pd.DataFrame(
        {
            "problem": record.config.dataset.removeprefix("peers_"),
            "row": record.config.row,
            **record.metrics,
        }
        for record in records
    )
    audits = [
        (
            problem,
            f"{group.truth.iloc[0]:.3f}",
            ", ".join(f"{value:.3f}" for value in group.information),
            f"{100 * (group.information / group.truth - 1).abs().max():.0f} %",
        )
        for problem, group in rows[rows.row == AUDIT].groupby("problem")
    ]
    accuracies = [
        (
            row,
            *(
                _mean(rows[(rows.row == row) & (rows.problem == problem)])
                for problem in peer_problems.PROBLEMS
            ),
        )
        for row in CLASSIFIERS
    ]
    return "\n\n".join(
        [
            tabulate.tabulate(
                audits,
                headers=[
                    "problem",
                    "I(X;C) (nats)",
                    "audit, by seed",
                    "largest error",
                ],
                tablefmt="pipe",
                disable_numparse=True,
            ),
            tabulate.tabulate(
                accuracies,
                headers=["unbiased test accuracy", *peer_problems.PROBLEMS],
                tablefmt="pipe",
                disable_numparse=True,
            ),
        ]
    )


def _mean(cell):
    if cell.empty:
        return "-"
    accuracy = cell.test_accuracy
    deviation = accuracy.std() if len(accuracy) > 1 else None
    return reporting.mean_and_deviation(accuracy.mean(), deviation)


def _run(config):
    import fairlearn

    from keras_unbias import environment

    described = environment.describe("float32", None)
    described["versions"]["fairlearn"] = fairlearn.__version__
    problem = peer_problems.PROBLEMS[config.dataset.removeprefix("peers_")]
    train = problem.draw(ROWS, peer_problems.AGREEMENT, 2 * config.seed)
    test = problem.draw(ROWS, 1 / problem.classes, 2 * config.seed + 1)
    began = time.monotonic()
    measure = _audit if config.row == AUDIT else _accuracy
    metrics = measure(config, problem, train, test)
    return runs.Record(
        config=config,
        status="done",
        metrics=metrics,
        data={"train_size": ROWS, "test_size": ROWS},
        history={},
        environment=described,
        wall_seconds=round(time.monotonic() - began, 2),
    )


def _audit(config, problem, train, test):
    import keras_unbias

    vectors = keras_unbias.AttributeEncoder().fit_transform(train.attributes)
    found = keras_unbias.audit(
        train.inputs, (None, {"attribute": vectors}), seed=config.seed
    ).leakage
    return {
        "truth": problem.information(),
        "information": found.information.value,
        "low": found.information.low,
        "high": found.information.high,
        **{f"{n} (nats)": bound.value for n, bound in found.bounds.items()},
    }


def _accuracy(config, problem, train, test):
    if config.settings["package"] == "fairlearn":
        model = _fairlearn(config, train)
    else:
        model = _ours(config, train)
    return {
        "test_accuracy": float(np.mean(model(test.inputs) == test.labels)),
        "train_accuracy": float(np.mean(model(train.inputs) == train.labels)),
    }


def _ours(config, train):
    import keras_unbias

    known = keras_unbias.UnbiasedClassifier().get_params()
    model = keras_unbias.UnbiasedClassifier(
        random_state=config.seed,
        **{k: v for k, v in config.settings.items() if k in known},
    )
    given = {"sensitive_features": train.attributes}
    if config.settings.get("reweighing"):
        given = {"sample_weight": reweighing(train.labels, train.attributes)}
    return model.fit(train.inputs, train.labels, **given).predict


def _fairlearn(config, train):
    from fairlearn.adversarial import AdversarialFairnessClassifier

    chosen = config.settings
    model = AdversarialFairnessClassifier(
        backend="tensorflow",
        predictor_model=list(chosen["predictor_model"]),
        adversary_model=[],
        epochs=chosen["epochs"],
        shuffle=chosen["shuffle"],
        random_state=config.seed,
    )
    # Several attributes: one for each combination of their values.
    combined = train.attributes.astype(str).agg("-".join, axis=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # As strings, labels are classes for it.
        model.fit(
            train.inputs,
            train.labels.astype(str),
            sensitive_features=combined,
        )

    def predict(inputs):
        return np.ravel(model.predict(inputs)).astype(int)

    return predict


def reweighing(labels, attributes):
    """Weights p(y) p(c) / p(y, c) of the rows.

    Reference: Kamiran & Calders, "Data preprocessing techniques for
    classification without discrimination", KAIS 2012.

    Args:
        labels: `(rows,)` array.
        attributes: frame; its columns are one attribute together.

    Returns:
        `(rows,)` float array.
    """
    rows = attributes.assign(label=labels).reset_index(drop=True)
    columns = list(attributes)

    def share(names):
        return rows.groupby(names)["label"].transform("size") / len(rows)

    together = share([*columns, "label"])
    return (share(columns) * share(["label"]) / together).to_numpy()


if __name__ == "__main__":
    sys.exit(main())
