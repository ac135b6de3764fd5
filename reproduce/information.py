"""Mutual information of pairs of which it is known, by three packages."""

import dataclasses
import statistics
import sys

import pandas as pd

from reproduce.experiment import driver, information, sources
from reproduce.experiment.tables import Column, Table, make_table
from reproduce.recipes.information import CHOSEN_WITH, OURS, PROFILES, cells


def tables(results, title, notes):
    """Every task, and how far off each package is."""
    packages = results.columns
    columns = [
        Column("truth", lambda r: r.metrics["truth"], OURS),
        *(Column(p, lambda r: r.metrics["information"], p) for p in packages),
        Column("relative error", relative_error, OURS),
        Column("processor seconds", lambda r: r.metrics.get("processor_seconds"), OURS),
    ]
    done = {cell.row for cell, _ in results.found if cell.column == OURS}
    with_them = [task for task in results.rows if task in CHOSEN_WITH]
    without = [task for task in results.rows if task not in CHOSEN_WITH]
    groups = [
        ("all tasks", results.rows),
        ("tasks that settings were chosen with", with_them),
        ("other tasks", without),
    ]
    lines = [
        (f"{package}, {name}", summary(results, package, group))
        for package in packages
        for name, group in (groups if package == OURS else groups[:1])
    ]
    frame = pd.DataFrame(
        [line for _, line in lines], index=[name for name, _ in lines]
    ).rename_axis(columns="estimates")
    shown = [cell for cell in results.cells if cell.row in done]
    return [
        Table([f"Mutual information, {title}: errors."], frame, frame[:0], notes),
        make_table(
            dataclasses.replace(results, cells=shown),
            columns,
            title=f"Mutual information in nats, {title}",
            corner="task",
        ),
    ]


def summary(results, package, tasks):
    """The errors of a package on some tasks, as strings."""
    errors = [
        relative_error(record)
        for cell, record in results.found
        if cell.column == package and cell.row in tasks
    ]
    count = sum(c.column == package and c.row in tasks for c in results.cells)
    within = sum(abs(error) <= 0.1 for error in errors)
    absolute = map(abs, errors)
    return {
        "tasks": f"{len(errors)} of {count}",
        "within 10 %": str(within),
        "mean absolute error, %": f"{100 * statistics.fmean(absolute):.1f}"
        if errors
        else "-",
        "most above the truth, %": f"{100 * max(errors):.1f}" if errors else "-",
    }


def relative_error(record):
    """How far an estimate is off, in parts of the truth."""
    return record.metrics["information"] / record.metrics["truth"] - 1


INFORMATION = driver.Table(
    name="information",
    description=__doc__,
    cells=cells,
    profiles=PROFILES,
    source=sources.TASKS,
    train=information.train,
    tables=tables,
)

if __name__ == "__main__":
    sys.exit(driver.main(INFORMATION))
