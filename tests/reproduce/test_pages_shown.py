"""Pages and figures show what the released records say, to the byte."""

import functools
import json
import re
import shutil

import matplotlib.figure
import numpy as np
import pytest
from scipy import stats
from scripts import EXPERIMENTS, RECORDS, ROOT, rows

from keras_unbias.data import colored_mnist
from reproduce.experiment import driver, records

PAGES = sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md")])
FIGURES = ROOT / "figures"
# Drawn from data or models, which the tests do not need.
OF_DATA = {"figure3", "figure_faces", "figure_features", "figure_features_digits"}
# What the data were is found out, not asked for.
OF_SOURCE = ("digits", "faces")
SHOWN = ["--from-records", str(RECORDS)]


# For time.
read_all = functools.cache(records.read_all)


@pytest.fixture(autouse=True)
def read_once(monkeypatch):
    monkeypatch.setattr(records, "read_all", read_all)


def flags_of(words):
    """The flags that a block or a figure is named by, after the script's name.

    Args:
        words: such as `["fast", "variances_0.02_0.05", "seeds_1"]`.
    """
    profile, *others = words
    flags = ["--profile", profile]
    for word in others:
        flag, *values = word.split("_")
        if flag not in OF_SOURCE:
            flags += [f"--{flag}", *values]
    return flags


# Blocks of pages.


def blocks():
    """Pairs of a page and the name of a block in it."""
    return [
        (page, name)
        for page in PAGES
        for name in re.findall(r"^<!-- ([^/].*) -->$", page.read_text(), re.M)
    ]


def content(page, name):
    text = page.read_text("utf-8").partition(f"\n<!-- {name} -->\n")[2]
    return text.partition(f"<!-- /{name} -->")[0]


@pytest.mark.parametrize(
    ("page", "name"), [pytest.param(*b, id=b[1]) for b in blocks()]
)
def test_a_block_is_what_the_records_show(page, name, tmp_path, monkeypatch, capsys):
    script, *words = name.split()
    flags = [*flags_of(words), *SHOWN, "--update-docs"]
    flags += ["--format", "markdown"]
    copy = tmp_path / page.relative_to(ROOT)
    copy.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(page, copy)
    monkeypatch.setattr(driver, "ROOT", tmp_path)
    if not content(page, name):
        # It waits for records.
        with pytest.raises(SystemExit):
            driver.main(EXPERIMENTS[script], flags)
        assert f"No records of {script}, profile" in capsys.readouterr().err
        return
    assert driver.main(EXPERIMENTS[script], flags) == 0
    assert copy.read_text("utf-8") == page.read_text("utf-8")
    # What is printed is what stands between the markers.
    assert capsys.readouterr().out == content(page, name)


def test_every_table_with_records_of_its_own_is_on_a_page():
    held = {record.id for record in records.read_all(str(RECORDS))}
    shown = {name.split()[0] for _, name in blocks()}
    ids = {
        name: {
            cell.settings.id
            for profile in experiment.profiles
            for cell in experiment.cells(profile)
        }
        for name, experiment in EXPERIMENTS.items()
        if isinstance(experiment, driver.Table)
    }
    # The row of a study "as it is" stands in the table that it studies.
    on_pages = set().union(*(ids[name] for name in shown))
    for name, own in ids.items():
        assert name in shown or not (own - on_pages) & held


# Figures.


@pytest.mark.parametrize(
    "stem", sorted({path.stem for path in FIGURES.iterdir()} - OF_DATA)
)
def test_a_figure_is_what_the_records_show(stem, tmp_path, monkeypatch, capsys):
    for end in ("json", "pdf", "png"):
        assert (FIGURES / f"{stem}.{end}").exists()
    names = [name for name in EXPERIMENTS if stem.startswith(f"{name}_")]
    name = max(names, key=len)
    first, *others = stem.removeprefix(f"{name}_").split("_")
    # A word begins a flag, unless it is a number or names the data.
    words = [first]
    for word in others:
        if re.fullmatch(r"[\d.]+", word) or words[-1] in OF_SOURCE:
            words[-1] += f"_{word}"
        else:
            words.append(word)
    # The points alone are compared.
    monkeypatch.setattr(
        matplotlib.figure.Figure, "savefig", lambda *args, **kwargs: None
    )
    flags = [*flags_of(words), *SHOWN, "--figures-dir", str(tmp_path)]
    assert driver.main(EXPERIMENTS[name], flags) == 0
    drawn = (tmp_path / f"{stem}.json").read_text()
    assert drawn == (FIGURES / f"{stem}.json").read_text()


def test_pages_show_figures_that_there_are():
    for page in PAGES:
        for path in re.findall(r"!\[[^]]*\]\(([^)]+)\)", page.read_text()):
            assert (page.parent / path).is_file(), (page, path)


# Table 3 again, from the lines of the records alone.

NETWORK = {"batch_size": 64, "epochs_per_report": 50, "jit_compile": True}
PAPER_NETWORK = {**NETWORK, "epochs": 500, "learning_rate": 1e-5}
LAMBDA_1 = "MI backpropagation (lambda = 1)"
# The settings of rows, but for what is a default, and the seed.
FAST = {
    "constant": {
        "data": {"name": "german_credit", "age_input": True},
        "method": {"name": "constant"},
    },
    "ERM": {
        "data": {"name": "german_credit", "age_input": True},
        "method": {"name": "erm"},
        "training": {**NETWORK, "epochs": 100},
    },
    LAMBDA_1: {
        "data": {"name": "german_credit", "age_input": True},
        "method": {**{"name": "mi_backprop", "own_optimizer": False, "clip": False}},
        "training": {**NETWORK, "epochs": 100},
        "estimator": {
            "critic_hidden": [64],
            "estimator_batches": 4,
            "estimator_steps": 8,
        },
    },
}
PAPER = {
    "constant": {
        "data": {"name": "german_credit"},
        "method": {"name": "constant"},
    },
    "ERM": {
        "data": {"name": "german_credit"},
        "method": {"name": "erm"},
        "training": PAPER_NETWORK,
    },
    LAMBDA_1: {
        "data": {"name": "german_credit"},
        "method": {"name": "mi_backprop", "own_optimizer": False},
        "training": PAPER_NETWORK,
        "estimator": {
            "critic": "concatenated",
            "critic_hidden": [64],
            "standardize": False,
            "estimator_batches": 6,
            "estimator_steps": 30,
            "estimator_learning_rate": 0.1,
            "estimator_optimizer": "sgd",
        },
    },
}
METRICS = {
    "accuracy": "test_accuracy",
    "EO": "equal_opportunity",
    "balanced accuracy": "balanced_accuracy",
    "predicted good": "share_predicted_positive",
}
ESTIMATES = {
    "age from z (AUC)": "probe_auc",
    "I(Z;C) (nats)": "mutual_information",
}
HEADERS = [
    *("accuracy", "EO", "EO by chance", "balanced accuracy"),
    *("predicted good", "age from z (AUC)", "I(Z;C) (nats)"),
]


@pytest.fixture(scope="module")
def customers():
    """The lines of the released records."""
    text = (RECORDS / "german_credit.jsonl").read_text("utf-8")
    return [json.loads(line) for line in text.splitlines()]


def numbers(lines, settings, seeds):
    """Arrays over seeds by header of the table."""
    chosen = {}
    for line in lines:
        seed = line["settings"]["seed"]
        if line["settings"] == {**settings, "seed": seed} and seed <= seeds:
            assert line["status"] == "done"
            chosen[seed] = line
    assert sorted(chosen) == list(range(1, seeds + 1))
    ordered = [chosen[seed] for seed in sorted(chosen)]
    found = {
        header: [line["metrics"][name] for line in ordered]
        for header, name in METRICS.items()
    }
    for header, name in ESTIMATES.items():
        if ordered[0]["estimates"]:
            found[header] = [line["estimates"][name] for line in ordered]
    # The mean difference of two shares of one rate, of normal shape.
    found["EO by chance"] = []
    for line in ordered:
        rates, positives = (
            np.array([line["metrics"][name][group] for group in ("0", "1")])
            for name in ("true_positive_rates", "positives")
        )
        rate = rates @ positives / positives.sum()
        variance = rate * (1 - rate) * (1 / positives).sum()
        found["EO by chance"].append(np.sqrt(2 / np.pi * variance))
    return {header: np.array(values) for header, values in found.items()}


@pytest.mark.parametrize(
    ("profile", "of", "seeds"),
    [("fast", FAST, 100), ("paper", PAPER, 10), ("paper", PAPER, 100)],
)
def test_table3_computed_again(profile, of, seeds, customers, capsys):
    flags = ["--profile", profile, "--seeds", str(seeds), *SHOWN]
    assert driver.main(EXPERIMENTS["table3"], flags) == 0
    means, _, changes = capsys.readouterr().out.partition("\nGerman credit, ")
    means, changes = rows(means), rows(changes)
    assert means["method"] == HEADERS
    again = {row: numbers(customers, of[row], seeds) for row in of}
    for row, found in again.items():
        assert means[row] == [
            f"{found[h].mean():.3f} ± {found[h].std(ddof=1):.3f}" if h in found else "-"
            for h in HEADERS
        ]
    headers = [header for header in HEADERS if header != "EO by chance"]
    assert changes["change from ERM"] == headers
    for row in ("constant", LAMBDA_1):
        shown = []
        for header in headers:
            if header not in again[row]:
                shown.append("-")
                continue
            change = again[row][header] - again["ERM"][header]
            quantile = stats.t.ppf(0.975, seeds - 1) * change.std(ddof=1)
            width, corrected = (
                quantile * np.sqrt(1 / seeds + overlap) for overlap in (0, 300 / 700)
            )
            shown.append(f"{change.mean():+.3f} ± {width:.3f} (± {corrected:.3f})")
        assert changes[row] == shown


# Numbers that pages write by hand.


def table_below(page, start):
    """The cells of the first table below a text, header first."""
    _, _, text = (ROOT / page).read_text("utf-8").partition(start)
    assert text
    lines = f"|{text.partition(chr(10) + '|')[2]}".split("\n\n")[0]
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in lines.splitlines()
        if not line.startswith("|-")
    ]


def test_what_a_color_tells():
    page = "docs/notes/digits.md"
    header, floors, accuracies = table_below(page, "What the color alone")
    means = colored_mnist.MEAN_COLORS
    # Colors are rounded, and then binned.
    edges = np.array([0, *(32 * np.arange(1, 8) - 0.5), 255])
    for variance, floor, accuracy in zip(
        header[1:], floors[1:], accuracies[1:], strict=True
    ):
        deviation = 255 * float(variance) ** 0.5
        drawn = stats.truncnorm(
            -means / deviation, (255 - means) / deviation, means, deviation
        )
        bins = np.diff(drawn.cdf(edges[:, None, None]), axis=0)
        # p(c|y), over 8 x 8 x 8 bins.
        of = np.einsum("iy,jy,ky->yijk", *np.moveaxis(bins, 2, 0))
        of = of.reshape(10, -1)
        told = stats.entropy(of, of.mean(0), axis=1).mean()
        assert float(floor) == pytest.approx(told, abs=6e-3), variance
        best = of.max(0).sum() / 10
        assert float(accuracy) == pytest.approx(best, abs=1e-3), variance


def test_the_audits_of_known_problems():
    text = (ROOT / "docs/experiments/peers.md").read_text("utf-8")
    text = " ".join(text.split())
    audits = [
        record
        for record in records.read_all(RECORDS, "peers")
        if record.settings.method.name == "audit"
    ]
    worst = []
    for problem in ("gaussians", "categories", "pictures"):
        found = {
            r.settings.seed: r.metrics["information"]
            for r in audits
            if r.settings.data.problem == problem
        }
        first, second, third = (f"{found[seed]:.3f}" for seed in range(3))
        words = f"{first}, {second} and {third} (nats )?for `{problem}`"
        assert re.search(words, text), words
        (truth,) = {
            r.metrics["truth"] for r in audits if r.settings.data.problem == problem
        }
        errors = [abs(value / truth - 1) for value in found.values()]
        worst.append(round(100 * max(errors)))
    one, two, three = worst
    assert f"largest errors are {one}, {two} and {three} %" in text
    assert f"Its largest error was {max(worst)} %" in text
