"""The tables of the page on coloured digits that are written by hand."""

import re

import pytest
from keras_unbias.selection import select_mi_weight

from reproduce import digit_table, selection, table1
from reproduce.experiment import records
from reproduce.settings import colored_mnist, studies

RECORDS = digit_table.PAGE.parents[2] / "reproduce" / "records"


@pytest.fixture(scope="module")
def records():
    return {r.config.run_id: r for r in records.read_records(RECORDS)}


def table(start):
    """The cells of the first table below a text, header first."""
    _, _, text = digit_table.PAGE.read_text("utf-8").partition(start)
    assert text
    _, _, text = text.partition("\n|")
    lines = f"|{text}".split("\n\n")[0].replace(r"\|", "/").splitlines()
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in lines
        if not line.startswith("|-")
    ]


# The names of the page for settings, and for the rows that a value is of.
SETTINGS = {
    "eta": ["estimator_learning_rate"],
    "batch": ["batch_size"],
    "averaging": ["weight_averaging"],
    "K, P": ["estimator_steps", "estimator_batches"],
    "lambda": ["mi_weight"],
}
OF = {
    "for I(Z;C)": lambda s: s.get("conditional") is False,
    "for conditional MI": lambda s: (
        s.get("conditional") is True and not s["prior_strength"]
    ),
    "beside a prior": lambda s: s["prior_strength"] > 0,
    "with a decay": lambda s: s["decay"] == "cosine",
    "at a constant rate": lambda s: s["decay"] == "constant",
}


@pytest.mark.parametrize("name", SETTINGS)
def test_the_values_of_fast(name):
    _, *rows = table("By setting of `fast`")
    stated, setting = {}, None
    for first, cell, _ in rows:
        setting = first or setting
        if setting == name:
            for part in re.split("; |(?<=decay), ", cell):
                values, of = re.fullmatch(
                    r"([\d., e-]*\d) ?(.*)", part
                ).groups()
                stated[of] = [float(value) for value in values.split(", ")]
    for config in colored_mnist.table1("fast", seeds=1, variances=[0.02]):
        settings = config.settings
        if SETTINGS[name][0] in settings:
            of = [of for of in stated if of and OF[of](settings)] or [""]
            found = [settings[key] for key in SETTINGS[name]]
            assert found == stated[of[0]], config.row


def curve(records, variance, **change):
    """The record of figure 4's row with some settings changed, seed 1."""
    (config,) = colored_mnist.table1(
        "fast", rows=[studies.CURVES], variances=[variance], seeds=1
    )
    settings = {**config.settings, **change}
    (record,) = [
        record
        for record in records.values()
        if (record.config.profile, record.config.seed) == ("fast", 1)
        and record.config.settings == settings
    ]
    return record


def test_what_lambda_does(records):
    header, *rows = table("What lambda does to the row")
    weights = [float(cell.removeprefix("lambda = ")) for cell in header[3:]]
    assert [row[0] != "" for row in rows] == [True, False, False] * (
        len(rows) // 3
    )
    for accuracy, training, information in zip(*[iter(rows)] * 3):
        variance = float(accuracy[0])
        found = [curve(records, variance, mi_weight=w) for w in weights]
        assert accuracy[1:] == [
            f"{found[0].data['floor_nats']:.2f}",
            "test accuracy",
            *(f"{r.metrics['test_accuracy']:.3f}" for r in found),
        ]
        assert training[2:] == [
            "training accuracy",
            *(f"{r.metrics['train_accuracy']:.3f}" for r in found),
        ]
        assert information[2:] == [
            "I(Z;C)",
            *(f"{r.audit['mutual_information']:.2f}" for r in found),
        ]


def test_what_the_number_of_updates_does(records):
    header, *rows = table("What K does to that row")
    steps = [int(cell.removeprefix("K = ")) for cell in header[1:]]
    found = [curve(records, 0.02, estimator_steps=number) for number in steps]
    values = {
        "test accuracy": [r.metrics["test_accuracy"] for r in found],
        "training accuracy": [r.metrics["train_accuracy"] for r in found],
        "training loss (nats)": [r.history["loss"][-1] for r in found],
        "I(Z;C/Y) by a fresh estimator (nats)": [
            r.audit["conditional_mutual_information"] for r in found
        ],
    }
    assert rows == [
        [name, *(f"{value:.3f}" for value in row)]
        for name, row in values.items()
    ]


def test_the_rule_against_the_oracle(records):
    _, *rows = table("### The rule against the oracle")
    variances = [float(row[0]) for row in rows]
    assert variances == [*studies.SELECTION_VARIANCES]
    for row in rows:
        configs = selection.configs("quick", variances=[float(row[0])], seeds=1)
        group = {
            config.settings["mi_weight"]: records[config.run_id]
            for config in configs
        }
        accuracies = {
            weight: record.metrics["test_accuracy"]
            for weight, record in group.items()
        }
        rule = select_mi_weight(list(group.values()))
        oracle = max(accuracies, key=accuracies.get)
        assert row[1:] == [
            f"{rule:g}",
            f"{accuracies[rule]:.3f}",
            f"{oracle:g}",
            f"{accuracies[oracle]:.3f}",
            f"{accuracies[0]:.3f}",
        ]


def test_what_the_printed_recipe_gives(records):
    _, *rows = table("### The paper's own settings")
    found = [
        records[config.run_id].metrics["test_accuracy"]
        for config in colored_mnist.table1(
            "paper", rows=["ERM", studies.CURVES], variances=[0.02], seeds=1
        )
    ]
    published = table1.published()
    assert rows == [
        [f"lambda = {weight}", f"{ours:.3f}", "{:.3f} ± {:.3f}".format(*other)]
        for weight, ours, other in zip(
            (0, 1),
            found,
            (
                published["ERM, lambda = 0"][0.02],
                published["MI backpropagation, lambda = 1.0"][0.02],
            ),
        )
    ]
