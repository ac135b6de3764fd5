"""Table 1: test accuracy on coloured MNIST, ours beside the published."""

import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from keras_unbias import reporting, runs
from reproduce import arguments, settings, sweep

README = ROOT / "README.md"
DATASET = "colored_mnist"
# The better data first.
DIGITS = ("mnist", "kim", "mnist-5000")

# As the paper prints them: (mean, standard deviation) or (mean,).
PUBLISHED = {
    "ERM, lambda = 0": (
        (0.476, 0.005),
        (0.542, 0.004),
        (0.664, 0.007),
        (0.720, 0.010),
        (0.785, 0.003),
        (0.838, 0.002),
        (0.870, 0.001),
    ),
    "Alvi et al. 2018": (
        (0.676,),
        (0.713,),
        (0.794,),
        (0.825,),
        (0.868,),
        (0.890,),
        (0.917,),
    ),
    "Kim et al. 2019": (
        (0.818,),
        (0.882,),
        (0.911,),
        (0.929,),
        (0.936,),
        (0.954,),
        (0.955,),
    ),
    "MI backpropagation, lambda = 1.0": (
        (0.864, 0.052),
        (0.925, 0.020),
        (0.959, 0.008),
        (0.973, 0.003),
        (0.975, 0.001),
        (0.980, 0.001),
        (0.982, 0.001),
    ),
}
NOTES = (
    "The paper prints the color variances as the standard deviation sigma; "
    "they are variances.",
    "Kim et al. report for their own baseline 0.4055, 0.4813, 0.5996, 0.6626, "
    "0.7333, 0.7973, 0.8450 at 0.020, 0.025, ..., 0.050.",
)


def main(argv=None):
    """Runs what is missing and prints the table; returns the exit code."""
    profiles = {k: list(v["rows"]) for k, v in settings.PROFILES.items()}
    parser = arguments.parser(
        __doc__, profiles=profiles, variances=settings.VARIANCES
    )
    options = arguments.parse(parser, argv, profiles)
    error, notes = None, []
    try:
        if options.from_records:
            configs, records, notes = _held(options)
        else:
            configs = _wanted(options)
            records = sweep.finished(configs, options.output_dir)
    except (OSError, ValueError) as problem:
        parser.error(str(problem))
    if options.dry_run:
        _print_cells(configs, records)
        return 0
    if not options.from_records:
        try:
            records = sweep.run(
                configs,
                output_dir=options.output_dir,
                data_dir=options.data_dir,
                jobs=options.jobs,
                backend=options.backend,
            )
        except sweep.SweepError as problem:
            error, records = problem, problem.records
    table = _table(configs, records, notes, options)
    print(table.render(options.format))
    if options.update_readme:
        text = reporting.replace_block(
            README.read_text("utf-8"), "table1", table.render("markdown")
        )
        runs.write_text(README, text)
    if error:
        print(error, file=sys.stderr)
    return 1 if error else 0


def _wanted(options):
    """The cells of the flags, on the best digits that can be had here."""
    with sweep.environment():
        from keras_unbias.datasets import colored_mnist
    return settings.table1(
        options.profile,
        rows=options.methods,
        variances=options.variances,
        seeds=options.seeds,
        digits=colored_mnist.available_digits(options.data_dir),
    )


def _held(options):
    """The cells that released records hold, those records, and notes."""
    records = [
        record
        for record in runs.read_records(options.from_records)
        if record.config.dataset == DATASET
    ]
    held = {record.config.profile for record in records}
    profile = options.profile
    if not profile:
        known = [name for name in ("fast", *settings.PROFILES) if name in held]
        profile = (known or ["fast"])[0]
    records = [r for r in records if r.config.profile == profile]
    if not records:
        raise ValueError(
            f"No records of Table 1 to show. Expected: some of profile "
            f"{profile} below --from-records. Received: "
            f"{options.from_records}, which holds the profiles {sorted(held)}."
        )
    found = {key: {_key(r.config)[i] for r in records} for i, key in ...}
