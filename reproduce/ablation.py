"""A row of Table 1 with some of its settings changed."""

import sys

from reproduce.experiment import driver
from reproduce.experiment.tables import Column, accuracy, make_table
from reproduce.recipes import digits, studies

EARLY = studies.EARLY["epochs"]


def early_accuracy(record):
    """Test accuracy where runs of all lengths can be compared."""
    history = record.history["test_accuracy"]
    # A history is rounded, the end of a run is not.
    if len(history) == EARLY:
        return accuracy(record)
    return history[EARLY - 1] if len(history) > EARLY else None


COLUMNS = {
    "test accuracy": accuracy,
    "training accuracy": lambda r: r.metrics["train_accuracy"],
    # A fresh estimator's, after the training, and the training's own, its
    # mean over the last epoch.
    "held-out I(Z;C), nats": lambda r: r.estimates.get("mutual_information"),
    "held-out I(Z;C|Y), nats": lambda r: r.estimates.get(
        "conditional_mutual_information"
    ),
    "bound in training, nats": lambda r: r.metrics["mutual_information"],
}


def tables(results, title, notes):
    """A table for each color variance."""
    shown = dict(COLUMNS)
    if any(c.settings.training.epochs > EARLY for c in results.cells):
        shown = {f"test accuracy, epoch {EARLY}": early_accuracy, **shown}
    return [
        make_table(
            results,
            [Column(name, value, variance) for name, value in shown.items()],
            title=(
                "Ablation. A row as it is, and with changes, color variance "
                f"{variance}, {title}"
            ),
            notes=notes,
        )
        for variance in results.columns
    ]


ABLATION = digits.Table(
    name="ablation",
    description=__doc__,
    cells=studies.ablation,
    profiles={name: digits.PROFILES[name] for name in studies.ABLATIONS},
    usual_variances=studies.ABLATION_VARIANCES,
    usual_seeds=3,
    tables=tables,
)

if __name__ == "__main__":
    sys.exit(driver.main(ABLATION))
