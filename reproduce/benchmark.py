"""Microseconds per update of the estimator: ours against plain Keras.

Those of a training step, divided by its K updates. With --peers before other
flags it is `reproduce/peers.py` that runs, with its flags.
"""

import argparse
import dataclasses
import pathlib
import statistics
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import tabulate

from reproduce import arguments, cells, peers, sweep
from reproduce.settings import german_credit

# One model, one data set; only how Keras is asked to run a step differs.
LOOPS = {
    "plain Keras, a call a step": {
        "jit_compile": False,
        "epochs_per_report": 1,
    },
    "XLA, a call a step": {"jit_compile": True, "epochs_per_report": 1},
    "XLA, a call for 50 epochs (Table 3)": {},
}


def main(argv=None):
    """Times Table 3's network in this process; returns the exit code."""
    argv = sys.argv[1:] if argv is None else argv
    if argv[:1] == ["--peers"]:
        return peers.main(argv[1:])
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", help="directory of the customers")
    parser.add_argument("--repeats", type=arguments.positive, default=5)
    options = parser.parse_args(argv)
    with sweep.environment():
        times = _times(options, parser)
    (first, *_) = times.values()
    print(
        tabulate.tabulate(
            [
                (name, f"{t:.0f}", f"{first / t:.1f}")
                for name, t in times.items()
            ],
            headers=["loop", "microseconds per update", "times as fast"],
            disable_numparse=True,
        )
    )
    return 0


def _times(options, parser):
    """Dict from loops to microseconds per update."""
    from keras_unbias import datasets

    try:
        (config,) = german_credit.table3(
            "paper",
            rows=[german_credit.LAMBDA_1],
            seeds=1,
            customers=cells.customers(options),
        )
    except (OSError, ValueError) as problem:
        parser.error(str(problem))
    dataset = datasets.load(
        config.dataset,
        seed=config.seed,
        data_dir=options.data_dir,
        age_input=config.settings["age_input"],
        customers=config.settings["customers"],
    )
    steps = len(dataset.train) // config.settings["batch_size"]
    steps *= config.settings["epochs_per_report"]
    return {
        name: _microseconds(
            dataclasses.replace(
                config, settings={**config.settings, **changes}
            ),
            dataset,
            steps,
            options.repeats,
        )
        for name, changes in LOOPS.items()
    }


def _microseconds(config, dataset, steps, repeats):
    """Median over `repeats` times `steps` steps, after those that compile."""
    from keras_unbias import callbacks, training

    chosen = config.settings
    model = training.build_model(config, dataset, steps)
    history = model.fit(
        dataset.stream(
            chosen["batch_size"],
            seed=config.seed,
            estimator_batches=chosen["estimator_batches"],
        ),
        epochs=1 + repeats,
        steps_per_epoch=steps,
        shuffle=False,
        verbose=0,
        callbacks=[callbacks.Clock()],
    ).history
    updates = steps * chosen["estimator_steps"]
    return 1e6 * statistics.median(history["seconds"][1:]) / updates


if __name__ == "__main__":
    sys.exit(main())
