"""Audit and UnbiasedClassifier against known truths and other packages."""

import dataclasses
import sys

from reproduce.experiment import driver, peers, sources
from reproduce.experiment.tables import Column, make_table
from reproduce.recipes.peers import AUDIT, AUDITED, FEW, OWN, PROFILES, cells


def tables(results, title, notes):
    """Accuracy without the bias, and the information that the audit finds."""

    def part(wanted):
        chosen = [cell for cell in results.cells if wanted(cell)]
        return dataclasses.replace(results, cells=chosen)

    few = part(lambda cell: cell.column in FEW and cell.row in OWN)
    columns = dict.fromkeys(cell.column for cell in few.cells)
    many = part(lambda cell: cell.column not in FEW and cell.row != AUDIT)
    audits = [
        # A row for each problem.
        dataclasses.replace(cell, row=cell.column, column=AUDIT)
        for cell in part(lambda cell: cell.row == AUDIT).cells
    ]
    return [
        make_table(
            few,
            [Column(name, metric("group_accuracy"), name) for name in columns],
            title=f"Unbiased test accuracy by problem, {title}",
            notes=notes,
        ),
        make_table(
            few,
            [Column(name, metric("worst_group"), name) for name in columns],
            title=f"Accuracy of the worst group, {title}",
        ),
        make_table(
            part(lambda cell: cell.column == AUDITED),
            [
                Column("unbiased accuracy", metric("group_accuracy")),
                Column("worst group", metric("worst_group")),
                Column("I(Z;C), nats", metric("information")),
                Column("seconds", metric("fit_seconds")),
            ],
            title=f"Other packages on {AUDITED}, {title}",
        ),
        make_table(
            many, title=f"Unbiased test accuracy, one row in ten contradicts, {title}"
        ),
        make_table(
            dataclasses.replace(results, cells=audits),
            [
                Column("I(X;C), nats", metric("truth")),
                Column("audit, nats", metric("information")),
                Column("relative error", relative_error),
            ],
            title=f"Audit of problems with known information, {title}",
            corner="problem",
        ),
    ]


def metric(name):
    """A function from a record to one of its metrics."""
    return lambda record: record.metrics.get(name)


def relative_error(record):
    """How far the audit is off, in parts of the truth."""
    found, truth = record.metrics["information"], record.metrics["truth"]
    return abs(found / truth - 1) if truth and found is not None else None


PEERS = driver.Table(
    name="peers",
    description=__doc__,
    cells=cells,
    profiles=PROFILES,
    source=sources.PEERS,
    train=peers.train,
    tables=tables,
)

if __name__ == "__main__":
    sys.exit(driver.main(PEERS))
