"""A row of Table 1 with one setting changed at a time."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from reproduce import digit_table, settings


def main(argv=None):
    """Runs what is missing and prints the table; returns the exit code."""
    return digit_table.main(
        argv,
        name="ablation",
        description=__doc__,
        title="Ablation. One change at a time",
        make_configs=configs,
        profiles=list(settings.PROFILES),
        variances=settings.ABLATION_VARIANCES,
        columns={
            "test accuracy": lambda r: r.metrics["test_accuracy"],
            "training accuracy": lambda r: r.metrics.get("train_accuracy"),
            # Of a fresh estimator, and what the training's own read.
            "held-out I(Z;C|Y), nats": lambda r: r.audit.get(
                "conditional_mutual_information"
            ),
            "bound in training, nats": lambda r: r.metrics[
                "mutual_information"
            ],
        },
    )


def configs(profile, **cells):
    """The cells: every change of the best row, where the profile has it."""
    row, changes = settings.ABLATED, settings.ABLATIONS
    if profile == "quick":
        row = settings.QUICK_MI
    else:
        changes = {**changes, **settings.ABLATED_PARTS}
    return settings.variants(row, changes, profile=profile, **cells)


if __name__ == "__main__":
    sys.exit(main())
