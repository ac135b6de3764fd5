"""Microseconds per update of the estimator: ours against plain Keras.

Those of a training step of Table 3's network, divided by its K updates.
"""

import argparse
import statistics
import sys

import tabulate

from reproduce.experiment import flags, sweep
from reproduce.experiment.settings import change
from reproduce.recipes import credit

# One model, one data set; only how Keras is asked to run a step differs.
LOOPS = {
    "plain Keras, a call a step": {"jit_compile": False, "epochs_per_report": 1},
    "XLA, a call a step": {"jit_compile": True, "epochs_per_report": 1},
    "XLA, a call for 50 epochs (Table 3)": {},
}


def main(argv=None):
    """Times the loops in this process; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data-dir", type=flags.path, help="directory of the customers"
    )
    parser.add_argument("--repeats", type=flags.count, default=5)
    options = parser.parse_args(argv)
    with flags.errors_told(parser):
        with sweep.environment():
            times = measure(options.data_dir, options.repeats)
        (first, *_) = times.values()
        print(
            tabulate.tabulate(
                [(name, f"{t:.0f}", f"{first / t:.1f}") for name, t in times.items()],
                headers=["loop", "microseconds per update", "times as fast"],
                disable_numparse=True,
            )
        )
    return 0


def measure(data_dir, repeats):
    """Returns microseconds per update by the name of the loop."""
    from reproduce.experiment import build

    (cell,) = credit.cells("paper", rows=[credit.LAMBDA_1], seeds=1)
    dataset = build.load_data(cell.settings, data_dir)
    steps = len(dataset.train) // cell.settings.training.batch_size
    steps *= cell.settings.training.epochs_per_report
    return {
        name: _microseconds(change(cell.settings, **changes), dataset, steps, repeats)
        for name, changes in LOOPS.items()
    }


def _microseconds(settings, dataset, steps, repeats):
    """Median over `repeats` times `steps` steps, after those that compile."""
    from reproduce.experiment import backup, build

    model = build.build_model(settings, dataset, steps)
    history = model.fit(
        dataset.stream(
            settings.training.batch_size,
            seed=settings.seed,
            estimator_batches=settings.estimator.estimator_batches,
        ),
        epochs=1 + repeats,
        steps_per_epoch=steps,
        shuffle=False,
        verbose=0,
        callbacks=[backup.Clock()],
    ).history
    updates = steps * settings.estimator.estimator_steps
    return 1e6 * statistics.median(history["seconds"][1:]) / updates


if __name__ == "__main__":
    sys.exit(main())
