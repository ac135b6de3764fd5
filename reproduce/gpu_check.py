"""What a GPU gains, in some ten minutes: steps of Table 1 and a start of a run.

It times the steps of the rows at color variance 0.020 in float32 and mixed
precision, with XLA and without, and compares the first epochs of mutual
information backpropagation with the record of a CPU.
"""

import argparse
import json
import sys

import tabulate

from reproduce.experiment import flags, tensorflow_process
from reproduce.experiment.settings import change
from reproduce.recipes import digits

VARIANCE = 0.02
EPOCHS = 3
PRECISIONS = ("float32", "mixed_bfloat16")


def main(argv=None):
    """Prints tables and writes a record of them; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", type=flags.path, help="of the data")
    parser.add_argument(
        "--profile", type=flags.one_of(digits.PROFILES), default="paper"
    )
    parser.add_argument("--steps", type=flags.count, default=30, help="that are timed")
    parser.add_argument("--output", default="gpu_check.json", help="the record's file")
    options = parser.parse_args(argv)
    with flags.errors_told(parser), tensorflow_process.environment():
        record = measure(options.profile, options.data_dir, options.steps)
        with open(options.output, "w", encoding="utf-8") as file:
            json.dump(record, file, indent=1)
    show(record)
    print(options.output)
    return 0


def measure(profile, data_dir, steps):
    """Returns all that is measured, as JSON values."""
    tensorflow_process.import_tensorflow()
    from reproduce.experiment import build, environment
    from reproduce.experiment import gpu_measurements as gpu

    cells = digits.cells(profile, variances=[VARIANCE], seeds=1)
    datasets = {}
    for cell in cells:
        if cell.settings.data not in datasets:
            loaded = build.load_data(cell.settings, data_dir)
            datasets[cell.settings.data] = loaded
    limits = {name: gpu.matrix_limit(name) for name in PRECISIONS}
    times = []
    for cell in cells:
        for precision in PRECISIONS:
            for xla in (False, True):
                settings = change(cell.settings, precision=precision, jit_compile=xla)
                found = gpu.step_time(settings, datasets[settings.data], steps)
                found["share"] = found["flops"] / found["seconds"] / limits[precision]
                times.append(
                    {"row": cell.row, "precision": precision, "xla": xla, **found}
                )
    chosen = next(cell for cell in cells if cell.settings.method.has_estimator)
    return {
        "environment": environment.describe(chosen.settings.training.precision, None),
        "limits": limits,
        "steps": times,
        "start": gpu.start_of_run(
            chosen.settings, datasets[chosen.settings.data], EPOCHS
        ),
    }


def show(record):
    """Prints the measurements."""
    print(record["environment"]["device"])
    print(
        tabulate.tabulate(
            [
                (
                    step["row"],
                    step["precision"],
                    "yes" if step["xla"] else "no",
                    f"{1e3 * step['seconds']:.2f}",
                    f"{100 * step['share']:.0f}%",
                    f"{step['megabytes'] or 0:.0f}",
                )
                for step in record["steps"]
            ],
            headers=["row", "precision", "XLA", "ms a step", "of limit", "MB"],
            disable_numparse=True,
        )
    )
    start = record["start"]
    print(
        tabulate.tabulate(
            [
                (name, epoch + 1, f"{here:.4f}", f"{there:.4f}" if there else "-")
                for name, values in start["here"].items()
                for epoch, here in enumerate(values)
                for there in [dict(enumerate(start["recorded"][name])).get(epoch)]
            ],
            headers=["measure", "epoch", "here", "record"],
            disable_numparse=True,
        )
    )


if __name__ == "__main__":
    sys.exit(main())
