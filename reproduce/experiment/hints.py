"""What a script tells beside its results: how far it is, and what to run next."""

import argparse
import shlex
import sys
from typing import TYPE_CHECKING

from reproduce.experiment.results import Results

# From minutes to days.
LADDER = ("quick", "fast", "paper")

if TYPE_CHECKING:
    from reproduce.experiment.driver import Experiment


def tell(text: object) -> None:
    """Tells something at once, beside the output."""
    sys.stdout.flush()
    print(text, file=sys.stderr, flush=True)


def beginning(options: argparse.Namespace, results: Results) -> str:
    """Says how many runs begin, and where they go."""
    runs = {cell.settings.id for cell in results.missing}
    if not runs:
        return f"All runs are in {options.output_dir}."
    count = "1 run is" if len(runs) == 1 else f"{len(runs)} runs are"
    return (
        f"{count} missing in {options.output_dir}. The longest begins now. The same "
        "command goes on with what was stopped."
    )


def filling_notes(
    experiment: "Experiment", options: argparse.Namespace, results: Results
) -> list[str]:
    """Says how many cells are missing, and which command runs them."""
    missing = results.missing
    if not missing:
        return []
    words = [
        *("python", f"reproduce/{experiment.name}.py"),
        *("--profile", options.profile),
    ]
    rows = list(dict.fromkeys(cell.row for cell in missing))
    if options.methods or rows != results.rows:
        words += ["--methods", *rows]
    if experiment.variances:
        variances = dict.fromkeys(float(cell.column) for cell in missing)
        words += ["--variances", *(f"{v:g}" for v in variances)]
    last = max(cell.settings.seed for cell in missing)
    seeds = 1 + results.seeds.index(last)
    # By default, the rows of a table may have different numbers of seeds.
    usual = options.seeds in (None, experiment.usual(options)["seeds"])
    if not usual or seeds < len(results.seeds):
        words += ["--seeds", str(seeds)]
    if options.set:
        words += ["--set", *options.set]
    words += _data_words(experiment, options, options.profile)
    if options.output_dir != "runs":
        words += ["--output-dir", options.output_dir]
    # A command runs whole rows, and a released record is not a finished run.
    others = (
        f", and others of these rows that {options.output_dir} lacks"
        if options.from_records
        else ""
    )
    return [
        f"{len(missing)} of {len(results.cells)} cells are missing. To run "
        f"them{others}: {shlex.join(words)}"
    ]


def next_step(experiment: "Experiment", options: argparse.Namespace) -> str:
    """Says what to run after a complete table or figure.

    After records it is the first profile, to be trained here. Each profile
    leads to the next one, and the last to the page of all flags.
    """
    later = [name for name in LADDER if name in experiment.profiles]
    if not options.from_records and options.profile in later:
        later = later[1 + later.index(options.profile) :]
    if not later:
        return "Next: docs/experiments/running.md says what else can be changed."
    words = ["python", f"reproduce/{experiment.name}.py", "--profile", later[0]]
    words += _data_words(experiment, options, later[0])
    return f"Next: {shlex.join(words)}"


def _data_words(experiment, options, profile):
    """Returns the flag of the data, with DIR where there has to be one."""
    # The last choice is what every machine has, for the first steps.
    *better, _ = experiment.source.choices
    if options.data_dir:
        return ["--data-dir", options.data_dir]
    needed = experiment.source.by_hand or (better and profile != "quick")
    return ["--data-dir", "DIR"] if needed else []
