"""A row of Table 1 with some of its settings changed."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from reproduce import digit_table
from reproduce.settings import studies

EARLY = studies.EARLY["epochs"]


def main(argv=None):
    """Runs what is missing and prints the table; returns the exit code."""
    return digit_table.main(
        argv,
        name="ablation",
        description=__doc__,
        title="Ablation. A row as it is, and with changes",
        make_configs=configs,
        profiles=list(studies.ABLATIONS),
        variances=studies.ABLATION_VARIANCES,
        columns=columns,
    )


def columns(profile):
    """What is shown of a record: dict from headers to functions."""
    # Where runs of all lengths can be compared.
    early = {f"test accuracy, epoch {EARLY}": _early_accuracy}
    return {
        **(early if profile == "paper" else {}),
        "test accuracy": lambda r: r.metrics["test_accuracy"],
        "training accuracy": lambda r: r.metrics["train_accuracy"],
        # A fresh estimator's, after training, and the training's own, its
        # mean over the last epoch.
        "held-out I(Z;C), nats": lambda r: r.audit.get("mutual_information"),
        "held-out I(Z;C|Y), nats": lambda r: r.audit.get(
            "conditional_mutual_information"
        ),
        "bound in training, nats": lambda r: r.metrics["mutual_information"],
    }


def _early_accuracy(record):
    # A history is rounded, the end of a run is not.
    if record.config.settings["epochs"] == EARLY:
        return record.metrics["test_accuracy"]
    return record.history["test_accuracy"][EARLY - 1]


def configs(profile, **cells):
    """The cells: changes of the row that the profile is there for."""
    row, changes = studies.ABLATIONS[profile]
    return studies.variants(row, changes, profile=profile, **cells)


if __name__ == "__main__":
    sys.exit(main())
