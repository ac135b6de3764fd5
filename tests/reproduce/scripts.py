"""All scripts, and records for whatever they show."""

import importlib
import json
import pathlib
import re

import synthetic
import utk

from reproduce.experiment import driver, flags, records, sources

ROOT = pathlib.Path(__file__).parents[2]
RECORDS = ROOT / "reproduce" / "records"
SCRIPTS = sorted((ROOT / "reproduce").glob("*.py"))
# What is neither a table nor a figure of cells.
OTHERS = {
    "benchmark",
    "figure3",
    "figure_faces",
    "figure_features",
    "figure_features_digits",
    "gpu_check",
    "release",
}


def specifications():
    """The `Table` or `Figure` of each script, by its name."""
    found = {}
    for path in SCRIPTS:
        module = importlib.import_module(f"reproduce.{path.stem}")
        for thing in vars(module).values():
            if isinstance(thing, driver.Experiment):
                found.setdefault(thing.name, thing)
    return found


EXPERIMENTS = specifications()
HISTORY = ("loss", "mutual_information", "test_accuracy", "train_accuracy")


def record(settings, number=0, **changes):
    """A record with whatever a table or figure may ask for."""
    has_bound = settings.method.has_estimator
    bound = {"mutual_information": 0.25} if has_bound else {}
    has_epochs = settings.method.trains_network
    training = settings.training
    reports = training.epochs // training.epochs_per_report
    history = [1 / (1 + number), *(reports - 1) * [0.5]]
    return synthetic.record(
        settings,
        **{
            "metrics": {
                "test_accuracy": 0.5 + number % 50 / 100,
                "train_accuracy": 0.75,
                "eb1_accuracy": 0.4,
                "eb2_accuracy": 0.3,
                "equal_opportunity": 0.1,
                "balanced_accuracy": 0.65,
                "share_predicted_positive": 0.75,
                "true_positive_rates": {"0": 0.85, "1": 0.75},
                "positives": {"0": 177.0, "1": 33.0},
                "truth": 0.5,
                "information": 0.45,
                **bound,
            },
            "data": {
                "source": "somewhere",
                "train_size": 60000,
                "test_size": 10000,
                "floor_nats": 1.9,
                "split_sizes": {"eb1": 4000, "eb2": 3000, "test": 2000},
                "left_out": {"unknown gender": 7},
                "note": "",
            },
            "history": dict.fromkeys(HISTORY if has_epochs else (), history),
            "estimates": {
                "mutual_information": 2.0,
                "conditional_mutual_information": 0.1,
                "probe_auc": 0.9,
            },
            **changes,
        },
    )


def publish(directory, cells, **changes):
    """Releases records of cells; returns the flags that show them."""
    directory.mkdir(exist_ok=True)
    made = [
        record(cell.settings, number, **changes) for number, cell in enumerate(cells)
    ]
    records.release(made, directory)
    return ["--from-records", str(directory)]


def cells_of(experiment, *words):
    """The cells that flags ask for, on the best data that have some."""
    parser = flags.make_parser("", experiment.profiles, experiment.variances)
    experiment.add_flags(parser)
    options = flags.parse(parser, words)
    options.profile = options.profile or "fast"
    choices = experiment.source.choices
    return next(filter(None, (experiment.make_cells(options, c) for c in choices)))


def data_flags(experiment, tmp_path):
    """The flags of a script whose first profile needs data of one's own."""
    if experiment.source is sources.FACES and "quick" not in experiment.profiles:
        return ["--data-dir", str(utk.write(tmp_path / "faces", rows=3))]
    return []


def listed(answer):
    """The cells of a dry run: pairs of a status and an id."""
    code, out, err = answer
    assert code == 0, err
    lines = [line.split() for line in out.splitlines()]
    return [(line[0], line[-1]) for line in lines[:-1]]


def ids(cells):
    return [cell.settings.id for cell in cells]


def rows(text):
    """Cells of printed tables by the name of their row, the last one's."""
    shown = [line for line in text.splitlines() if line[:2] != "--"]
    lines = [re.split("  +", line.strip()) for line in shown]
    return {name: cells for name, *cells in lines if cells}


def drawn(tmp_path, name):
    return json.loads((tmp_path / "figures" / f"{name}.json").read_text())
