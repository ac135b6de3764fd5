"""Small experiments for the driver, whose runs are not trained."""

import dataclasses
import re
import shlex

import matplotlib.figure
import synthetic

from reproduce.experiment import driver, flags, records, run_files
from reproduce.experiment.groups import BiasBalanced
from reproduce.experiment.profile import Profile
from reproduce.experiment.settings import change
from reproduce.experiment.sources import Source
from reproduce.experiment.tables import Column, accuracy, make_table
from reproduce.recipes.digits import by_variance

ROWS = {
    "ERM": {},
    "bias-balanced": {"method": BiasBalanced()},
    # A row that shares its runs with the first.
    "plain": {},
    "long": {"epochs": 9},
}
PROFILES = {
    name: Profile(
        base=synthetic.settings(batch_size=batch_size),
        rows={row: ROWS[row] for row in rows},
        columns=by_variance((0.02, 0.05)),
        seeds=2,
    )
    for name, batch_size, rows in (
        ("paper", 16, ROWS),
        ("fast", 64, ROWS),
        ("quick", 32, ["ERM", "bias-balanced", "plain"]),
    )
}
CHOICES = [{"digits": name} for name in ("mnist", "kim", "mnist-5000")]


def cells(profile, *, digits, variances=None, seeds=None):
    columns = variances and by_variance(variances)
    return [
        dataclasses.replace(cell, settings=change(cell.settings, digits=digits))
        for cell in PROFILES[profile].cells(None, columns, seeds)
    ]


def few(profile="quick", row="ERM", seeds=2, digits="mnist-5000"):
    """The cells of one row, variance by variance."""
    made = cells(profile, digits=digits, seeds=seeds)
    return [cell for cell in made if cell.row == row]


def made(settings, **changes):
    """A record whose accuracy is 0.25 with odd seeds, 0.75 with even ones."""
    accuracy = 0.25 if settings.seed % 2 else 0.75
    return synthetic.record(settings, accuracy, **changes)


def release(directory, chosen):
    """Releases records of cells; returns the flag that shows them."""
    directory.mkdir(exist_ok=True)
    records.release([made(cell.settings) for cell in chosen], directory)
    return ["--from-records", str(directory)]


class Trainer:
    """Stands in for training."""

    def __init__(self, *failing):
        self.failing = {settings.id for settings in failing}
        self.trained = []

    def __call__(self, settings, *, output_dir, data_dir, threads):
        self.trained.append(settings.id)
        if settings.id in self.failing:
            raise ArithmeticError("it went wrong")
        path = run_files.open_directory(settings, output_dir)
        records.write(made(settings), path / "record.json")


def tables(results, title, notes):
    return [
        make_table(
            results,
            [Column(v, accuracy, v) for v in results.columns],
            title=f"Toys, {title}",
            notes=notes,
        )
    ]


def shared(**changes):
    return {
        "name": "toys",
        "description": "Toys.",
        "cells": cells,
        "profiles": PROFILES,
        "source": Source(
            choices=CHOICES, find=lambda options: {"digits": "mnist-5000"}
        ),
        "variances": (0.02, 0.03, 0.05),
        "train": Trainer(),
        **changes,
    }


def table(**changes):
    return driver.Table(**shared(**{"tables": tables, **changes}))


def draw(results):
    if not results.found:
        raise ValueError("A figure needs records.")
    points = [str(cell) for cell, _ in results.found]
    return matplotlib.figure.Figure(), points


def figure(**changes):
    return driver.Figure(**shared(**{"draw": draw, **changes}))


def lines(answer):
    """Cells of a printed table by the name of their row."""
    parts = [re.split("  +", line.strip()) for line in answer.out.splitlines() if line]
    return {name: values for name, *values in parts}


def listed(answer):
    """Ids of the cells that a dry run lists."""
    assert answer.code == 0, answer.err
    return [line.split()[-1] for line in answer.out.splitlines()[:-1]]


def ids(chosen):
    return [cell.settings.id for cell in chosen]


def command(text):
    """The words of the command that fills what is missing."""
    (found,) = re.findall("To run them[^:]*: (python .*)", text)
    python, script, *words = shlex.split(found)
    assert (python, script) == ("python", "reproduce/toys.py")
    return words


def cells_of(experiment, words):
    parser = flags.make_parser("", PROFILES, experiment.variances)
    options = flags.parse(parser, words)
    return experiment.make_cells(options, {"digits": "mnist-5000"})
