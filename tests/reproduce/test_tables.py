import dataclasses
import math
import pathlib
import re

import numpy as np
import pytest
from scipy import stats
from synthetic import FULL, SMALL, record, results, settings

from reproduce.experiment.tables import (
    Column,
    accuracy,
    make_table,
    paired_table,
    seeds_in_words,
)

GOLDEN = pathlib.Path(__file__).parent / "golden" / "table1.txt"
ROWS = ("ERM", "conditional MI", "bias-balanced", "other", "MI")


def run(row, column, seed, value=None, data=FULL, **changes):
    """A labeled record, with settings of its own."""
    made = settings(
        seed=seed,
        color_variance=float(column or 0.02),
        epochs=1 + (ROWS.index(row) if row in ROWS else len(ROWS)),
    )
    return row, column, record(made, value, data=data, **changes)


def by_column(found, **changes):
    """The table of the test accuracy by the labels of the columns."""
    columns = [Column(name, accuracy, name) for name in found.columns]
    return make_table(found, columns, title="Table 1. Accuracy", **changes)


def cell_of(*labeled, missing=()):
    """The text of the cell that the labeled records of ERM make."""
    missing = [("ERM", "0.020", seed) for seed in missing]
    return by_column(results(*labeled, missing=missing)).ours.iloc[0, 0]


def test_golden_table():
    """Every kind of cell once; read by eye."""
    found = results(
        *(run("ERM", "0.020", s, a, SMALL) for s, a in enumerate((0.3, 0.5))),
        *(run("ERM", "0.050", s, a, SMALL) for s, a in enumerate((0.8, 0.8))),
        run("conditional MI", "0.020", 0, 0.9, SMALL),
        run("conditional MI", "0.050", 0, 0.96, SMALL),
        run("conditional MI", "0.050", 1, None, SMALL),
        run("bias-balanced", "0.050", 0, None, SMALL),
        run("bias-balanced", "0.050", 1, None, SMALL),
        missing=[("bias-balanced", "0.020", 0)],
    )
    made = by_column(
        found,
        corner="color variance",
        published={
            "Plain, lambda = 0": {
                "0.020": (0.476, 0.005),
                "0.050": (0.87, 0.001),
            },
            "Others 2018": {"0.020": (0.676,), "0.050": (0.917,)},
        },
        notes=["To fill what is missing: python reproduce/table1.py"],
    )
    assert made.render() + "\n" == GOLDEN.read_text(encoding="utf-8")


def test_cell_is_mean_and_sample_standard_deviation():
    values = [0.81, 0.84, 0.93]
    mean = sum(values) / 3
    deviation = math.sqrt(sum((v - mean) ** 2 for v in values) / 2)
    runs = [run("ERM", "0.020", s, v) for s, v in enumerate(values)]
    assert cell_of(*runs) == f"{mean:.3f} ± {deviation:.3f}"


def test_one_seed_has_no_deviation():
    made = by_column(results(run("ERM", "0.020", 0, 0.5)))
    assert made.ours.loc["ERM", "0.020"] == "0.500"
    assert made.caption == ["Table 1. Accuracy: seed 0, one run per cell."]


def test_diverged_runs_are_marked_and_in_no_mean():
    found = results(
        run("ERM", "0.020", 0, 0.5),
        run("ERM", "0.020", 1, None),
        run("ERM", "0.020", 2, 0.5),
    )
    made = by_column(found)
    assert made.ours.loc["ERM", "0.020"] == "0.500 ± 0.000 †"
    assert "† Diverged and left out: ERM at 0.020, 1 of 3 seeds." in made.notes


def test_cell_of_diverged_runs_alone():
    runs = [run("ERM", "0.020", seed) for seed in range(3)]
    assert cell_of(*runs) == "diverged †"


def test_cell_with_another_number_of_seeds_says_so():
    runs = [run("ERM", "0.020", 0, 0.25), run("ERM", "0.020", 2, 0.75)]
    assert cell_of(*runs, missing=[1]) == "0.500 ± 0.354 (n=2)"
    assert cell_of(*runs) == "0.500 ± 0.354"


def test_cell_without_records():
    assert cell_of(missing=[1]) == "-"


def test_a_cell_that_is_not_in_the_design_is_empty():
    found = results(run("ERM", "0.020", 0, 0.5), run("other", "0.050", 0, 0.6))
    made = by_column(found)
    assert made.ours.loc["ERM"].tolist() == ["0.500", "-"]
    assert made.ours.loc["other"].tolist() == ["-", "0.600"]


def test_published_rows_are_marked_and_apart():
    made = by_column(
        results(run("ERM", "0.010", 0, 0.5), run("ERM", "0.020", 0, 0.5)),
        published={"Plain": {"0.020": (0.476, 0.005)}},
    )
    assert list(made.ours.index) == ["ERM"]
    assert made.published.loc["Plain (published)", "0.020"] == "0.476 ± 0.005"
    assert made.published.loc["Plain (published)", "0.010"] == "-"
    lines = made.render("text").splitlines()
    ours = next(i for i, line in enumerate(lines) if line.startswith("ERM"))
    assert set(lines[ours + 1]) == {"-", " "}
    assert lines[ours + 2].startswith("Plain (published)")


def test_caption_begins_with_what_qualifies_the_data():
    made = by_column(results(run("ERM", "0.020", 0, 0.5, SMALL)))
    first = "5,000 digits (4,000 to train, 1,000 to test)."
    assert made.render("text").splitlines()[0] == first
    assert made.render("markdown").splitlines()[0] == f"**{first}**"
    assert rf"\caption{{{first}" in made.render("latex")


def test_the_same_data_from_two_places_are_not_mixed():
    same = {**FULL, "checksum": "1f"}
    found = results(
        run("ERM", "0.020", 0, 0.5, same),
        run("ERM", "0.020", 1, 0.5, {**same, "source": "a mirror"}),
    )
    assert len(by_column(found).caption) == 1


def test_caption_says_when_data_are_mixed():
    found = results(
        run("ERM", "0.020", 0, 0.5, SMALL),
        run("ERM", "0.020", 1, 0.5, FULL),
        run("other", "0.020", 0, 0.5, FULL),
    )
    assert by_column(found).caption[0] == (
        "Not comparable, the data are mixed: 5,000 digits (4,000 to train, "
        "1,000 to test) in ERM; idx (60,000 to train, 10,000 to test) in ERM, "
        "other."
    )


@pytest.mark.parametrize(
    ("key", "other"), [("source", "7"), ("train_size", 7), ("test_size", 7)]
)
def test_each_fact_of_the_data_tells_them_apart(key, other):
    found = results(
        run("ERM", "0.020", 0, 0.5),
        run("ERM", "0.020", 1, 0.5, {**FULL, key: other}),
    )
    assert by_column(found).caption[0].startswith("Not comparable")


def test_columns_may_be_trained_on_parts_of_different_size():
    other = {**FULL, "train_size": 7}
    runs = [run("ERM", "0.020", 0, 0.5), run("ERM", "0.050", 0, 0.5, other)]
    assert len(by_column(results(*runs)).caption) == 1
    # Other digits are another matter.
    runs[1] = run("ERM", "0.050", 0, 0.5, {**other, "source": "a mirror"})
    assert by_column(results(*runs)).caption[0].startswith("Not comparable")


def test_full_data_need_no_words():
    assert len(by_column(results(run("ERM", "0.020", 0, 0.5))).caption) == 1


def test_markdown():
    made = by_column(
        results(run("ERM", "0.020", 0, 0.5)),
        corner="color variance",
        published={"Plain": {"0.020": (0.476,)}},
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
    made = make_table(
        results(run("P | Q", "", 0, 0.5)),
        [Column("I(Z;C|Y)", lambda r: 0.25)],
        title="A table",
    )
    *_, header, _, row = made.render("markdown").splitlines()
    # As GitHub and Python-Markdown split a row.
    cells = [re.split(r"(?<!\\)\|", line)[1:-1] for line in (header, row)]
    assert [[c.strip() for c in line] for line in cells] == [
        ["method", r"I(Z;C\|Y)"],
        [r"P \| Q", "0.250"],
    ]


def test_latex():
    made = by_column(
        results(
            run("ERM", "0.020", 0, 0.25),
            run("ERM", "0.020", 1),
            missing=[("50 % & more_or_less", "0.020", 2)],
        ),
        published={"Plain": {"0.020": (0.476, 0.005)}},
        notes=["run table_1.py --seeds 3"],
    )
    latex = made.render("latex")
    assert "0.250 † (n=1)" in latex
    assert r"50 \% \& more\_or\_less" in latex
    assert r"\par run table\_1.py -{}-seeds 3" in latex
    assert latex.count(r"\begin{") == latex.count(r"\end{") == 2
    rows = [line.split()[0] for line in latex.splitlines()]
    assert rows.index(r"\midrule") < rows.index("ERM") < rows.index("Plain")
    assert rows.count(r"\midrule") == 2
    # A row ends in two backslashes, which no cell holds.
    assert latex.count("\\\\\n") == 4


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
    assert seeds_in_words(seeds) == words


def test_unknown_format():
    with pytest.raises(ValueError, match="Received: format='html'"):
        by_column(results(run("ERM", "0.020", 0, 0.5))).render("html")


def test_two_settings_of_one_cell_and_seed():
    first, second = run("ERM", "0.020", 0, 0.5), run("other", "0.020", 0, 0.6)
    with pytest.raises(ValueError, match=r"two records of one seed.*Expected"):
        by_column(results(first, ("ERM", *second[1:])))
    # Side by side in one row they have one seed too.
    third = run("ERM", "0.050", 0, 0.7)
    beside = [Column("accuracy", accuracy)]
    with pytest.raises(ValueError, match="two records of one seed"):
        make_table(results(first, third), beside, title="")


def test_finished_run_without_test_accuracy():
    broken = run("ERM", "0.020", 0, 0.5, metrics={"a": 1.0})
    with pytest.raises(ValueError, match=r"no test accuracy.*\['a'\]"):
        by_column(results(broken))


COLUMNS = [
    Column("accuracy", accuracy),
    Column("EO", lambda r: r.metrics.get("eo")),
    Column("AUC", lambda r: r.estimates.get("auc")),
]


def with_numbers(row, seed, value, eo=None, **estimates):
    row, column, made = run(row, "", seed, value, estimates=estimates)
    numbers = {**made.metrics, **({} if eo is None else {"eo": eo})}
    return row, column, dataclasses.replace(made, metrics=numbers)


def test_a_row_has_several_numbers():
    found = results(
        with_numbers("ERM", 1, 0.7, 0.1),
        with_numbers("ERM", 2, 0.8, 0.3),
        with_numbers("MI", 1, 0.6, 0.2, auc=0.9),
        with_numbers("MI", 2, 0.6, auc=0.7),
    )
    made = make_table(
        found,
        COLUMNS,
        title="Table 3",
        published={"Others": {"EO": (0.05, 0.01)}},
        notes=["a note"],
    )
    assert made.ours.columns.name == "method"
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
    assert made.caption == ["Table 3: mean ± standard deviation over the seeds 1, 2."]


def test_a_row_tells_once_what_diverged_and_what_is_missing():
    found = results(
        run("ERM", "", 1),
        run("MI", "", 1, 0.5),
        missing=[("MI", "", 2)],
    )
    made = make_table(found, COLUMNS, title="Table 3")
    assert made.ours.loc["ERM", "accuracy"] == "diverged † (n=0)"
    assert made.ours.loc["MI", "accuracy"] == "0.500 (n=1)"
    assert made.notes == ["† Diverged and left out: ERM, 1 of 1 seeds."]


def test_columns_show_numbers_of_the_cells_of_their_label():
    found = results(
        run("ERM", "0.020", 1, 0.5, metrics={"test_accuracy": 0.5, "eb": 0.25}),
        run("ERM", "0.050", 1, 0.75),
        run("MI", "0.050", 1),
    )
    columns = [
        Column("on A: B", lambda r: r.metrics.get("eb"), "0.020"),
        Column("on A: test", accuracy, "0.020"),
        Column("on B: B", lambda r: r.metrics.get("eb"), "0.050"),
        Column("on B: test", accuracy, "0.050"),
    ]
    made = make_table(found, columns, title="Table 2")
    assert made.ours.loc["ERM"].tolist() == ["0.250", "0.500", "-", "0.750"]
    # Two columns show the run that diverged, and one note tells of it.
    assert made.ours.loc["MI"].tolist() == ["-", "-", *["diverged †"] * 2]
    assert made.notes == ["† Diverged and left out: MI at 0.050, 1 of 1 seeds."]


def test_changes_are_paired_by_seed():
    rng = np.random.default_rng(0)
    base, other = rng.random(8), rng.random(8)
    runs = [with_numbers("ERM", s, v) for s, v in enumerate(base)]
    # A seed of one row alone is of no use, nor is a run that diverged.
    runs += [with_numbers("ERM", seed, 0.0) for seed in (98, 99)]
    runs += [run("MI", "", 98)]
    runs += [with_numbers("MI", s, v, auc=0.5) for s, v in enumerate(other)]
    runs += [with_numbers("other", 0, 0.5)]
    found = results(*runs, missing=[("bias-balanced", "", 0)])
    made = paired_table(found, COLUMNS, title="Table 3", reference="ERM", ratio=0.5)
    assert list(made.ours.index) == ["MI"]
    assert made.ours.columns.name == "change from ERM"
    low, high = stats.ttest_rel(other, base).confidence_interval(0.95)
    half = (high - low) / 2
    corrected = half * ((1 / 8 + 0.5) / (1 / 8)) ** 0.5
    assert made.ours.loc["MI"].tolist() == [
        f"{(low + high) / 2:+.3f} ± {half:.3f} (± {corrected:.3f}) (n=8)",
        "-",
        "-",
    ]
    assert "over 10 splits" in made.caption[0]


def test_changes_from_a_row_without_records():
    found = results(run("MI", "", 1, 0.5), missing=[("ERM", "", 1)])
    made = paired_table(found, COLUMNS, title="", reference="ERM", ratio=0.5)
    assert made.ours.empty


def test_changes_of_the_columns_that_a_row_has():
    runs = [run("ERM", v, s, 0.5) for v in ("0.020", "0.050") for s in (1, 2)]
    runs += [run("MI", "0.050", s, 0.75) for s in (1, 2)]
    found = results(*runs)
    columns = [Column(name, accuracy, name) for name in found.columns]
    made = paired_table(found, columns, title="", reference="ERM", ratio=0.5)
    assert made.ours.loc["MI"].tolist() == ["-", "+0.250 ± 0.000 (± 0.000)"]
