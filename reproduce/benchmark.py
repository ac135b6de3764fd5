"""Microseconds per update of the estimator: ours against plain Keras.

Those of a training step of Table 3's network, divided by its K updates. With
--digits, the milliseconds of a step of Table 1's rows, part by part, and of one
that embeds K mini-batches as the released code does. With --devices, those of
Table 3's step on one device and on several, and what replicas exchange.
"""

import argparse
import sys

import tabulate

from reproduce.experiment import flags, tensorflow_process
from reproduce.experiment.settings import change
from reproduce.recipes import credit, digits

# One model, one data set; only how Keras is asked to run a step differs.
LOOPS = {
    "plain Keras, a call a step": {"jit_compile": False, "epochs_per_report": 1},
    "XLA, a call a step": {"jit_compile": True, "epochs_per_report": 1},
    "XLA, a call for 50 epochs (Table 3)": {},
}
# Rows of Table 1 with an estimator.
DIGITS = (digits.MI, digits.CONDITIONAL, digits.BEST)
# The paper's settings of Tables 1 and 2, as arguments of `exchanged`.
NETWORKS = {
    "digits": (1024, 2, 64, 24, 10, 664_960),
    "faces, ResNet50": (24, 20, 128, 12, 2, 36_326_656),
}
# Bytes per second between two GPUs, those of PCIe 4 and of NVLink 3.
LINKS = {"PCIe": 20e9, "NVLink": 250e9}


def main(argv=None):
    """Times the loops in this process; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", type=flags.path, help="of the customers")
    parser.add_argument("--repeats", type=flags.count, default=5)
    parser.add_argument("--devices", type=flags.count, help="to compare with one")
    parser.add_argument("--digits", action="store_true", help="steps of Table 1")
    options = parser.parse_args(argv)
    tensorflow_process.import_tensorflow()
    with flags.errors_told(parser), tensorflow_process.environment():
        if options.digits:
            _show_digits(options)
        elif options.devices:
            _show_devices(options)
        else:
            _show_loops(options)
    return 0


def _show(rows, headers):
    print(tabulate.tabulate(rows, headers=headers, disable_numparse=True))


def _show_loops(options):
    times = measure(options.data_dir, options.repeats)
    first = next(iter(times.values()))
    rows = [(name, f"{t:.0f}", f"{first / t:.1f}") for name, t in times.items()]
    _show(rows, ["loop", "microseconds per update", "times as fast"])


def _show_digits(options):
    from reproduce.experiment import step_parts

    cells = digits.cells("fast", digits="mnist-5000", rows=DIGITS, seeds=1)
    _show(*step_parts.table({c.row: c.settings for c in cells}, options.repeats))


def _show_devices(options):
    from reproduce.experiment.step_times import exchanged

    times = measure_devices(options.data_dir, options.repeats, options.devices)
    rows = [(count, f"{time:.1f}") for count, time in times.items()]
    _show(rows, ["devices", "milliseconds per step"])
    print()
    rows = []
    for name, values in NETWORKS.items():
        gathered, gradients = exchanged(*values)
        # A sum over a ring of many devices sends each gradient twice.
        seconds = [(gathered + 2 * gradients) / link for link in LINKS.values()]
        times = [f"{1e3 * time:.1f}" for time in seconds]
        rows.append((name, f"{gathered:,}", f"{gradients:,}", *times))
    headers = ["network", "bytes gathered per step", "bytes of gradients"]
    _show(rows, [*headers, *(f"milliseconds by {name}" for name in LINKS)])


def measure(data_dir, repeats):
    """Returns microseconds per update by the name of the loop."""
    from reproduce.experiment.step_times import microseconds

    settings, dataset, steps = _customers(data_dir)
    steps *= settings.training.epochs_per_report
    updates = settings.estimator.estimator_steps
    return {
        name: microseconds(change(settings, **changes), dataset, steps, repeats)
        / updates
        for name, changes in LOOPS.items()
    }


def measure_devices(data_dir, repeats, devices):
    """Returns milliseconds per step by the number of devices, one and several."""
    from reproduce.experiment import step_times
    from reproduce.experiment.devices import strategy

    # Virtual devices exist before TensorFlow computes anything.
    several = strategy(devices)
    settings, dataset, steps = _customers(data_dir)
    settings = change(settings, jit_compile=False, epochs_per_report=1)
    return {
        used.num_replicas_in_sync: 1e-3
        * step_times.microseconds(settings, dataset, steps, repeats, used)
        for used in (strategy(1), several)
    }


def _customers(data_dir):
    from reproduce.experiment import build

    (cell,) = credit.cells("paper", rows=[credit.LAMBDA_1], seeds=1)
    dataset = build.load_data(cell.settings, data_dir)
    size = cell.settings.training.batch_size
    return cell.settings, dataset, len(dataset.train) // size


if __name__ == "__main__":
    sys.exit(main())
