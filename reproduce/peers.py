"""Audit and UnbiasedClassifier against known truths and other packages."""

import dataclasses
import sys

from reproduce.experiment import driver, peers
from reproduce.experiment.tables import Column, make_table
from reproduce.recipes.peers import AUDIT, PROFILES, cells


def tables(results, title, notes):
    """The information that the audit finds; accuracy without the bias."""
    audits = [
        # A row for each problem.
        dataclasses.replace(cell, row=cell.column, column=AUDIT)
        for cell in results.cells
        if cell.row == AUDIT
    ]
    classifiers = [cell for cell in results.cells if cell.row != AUDIT]
    return [
        make_table(
            dataclasses.replace(results, cells=audits),
            [
                Column("I(X;C), nats", lambda r: r.metrics["truth"]),
                Column("audit, nats", lambda r: r.metrics["information"]),
                Column("relative error", relative_error),
            ],
            title=f"Audit of problems with known information, {title}",
            corner="problem",
        ),
        make_table(
            dataclasses.replace(results, cells=classifiers),
            title=f"Unbiased test accuracy, {title}",
            notes=notes,
        ),
    ]


def relative_error(record):
    """How far the audit is off, in parts of the truth."""
    found, truth = record.metrics["information"], record.metrics["truth"]
    return abs(found / truth - 1) if truth and found is not None else None


PEERS = driver.Table(
    name="peers",
    description=__doc__,
    cells=cells,
    profiles=PROFILES,
    train=peers.train,
    tables=tables,
)

if __name__ == "__main__":
    sys.exit(driver.main(PEERS))
