import tomllib

import pytest

from reproduce.recipes import published as module
from reproduce.recipes.published import published


def test_rows_of_a_table():
    rows = published("table3")
    assert rows["MI backpropagation, lambda = 1"] == {
        "accuracy": (0.72, 0.03),
        "EO": (0.05, 0.05),
    }
    # In the order of the paper.
    assert list(rows)[:2] == ["SVM, Donini et al.", "FERM, Donini et al."]


def test_the_papers_table_1():
    rows = published("table1")
    assert list(rows["ERM, lambda = 0"].values()) == [
        (0.476, 0.005),
        (0.542, 0.004),
        (0.664, 0.007),
        (0.720, 0.010),
        (0.785, 0.003),
        (0.838, 0.002),
        (0.870, 0.001),
    ]
    assert rows["MI backpropagation, lambda = 1.0"]["0.020"] == (0.864, 0.052)
    assert rows["Kim et al. 2019"]["0.050"] == (0.955,)
    assert rows["Zhu et al. 2021, CSAD"] == {"0.020": (0.943,)}


def test_numbers_of_a_figure_say_so():
    for table in ("table1", "stress"):
        rows = [row for row in published(table) if "Li et al." in row]
        assert len(rows) == 3
        assert all(row.endswith("read off a figure") for row in rows)


def test_every_row_has_its_source_and_cells_in_range():
    tables = tomllib.loads(module.PATH.read_text(encoding="utf-8"))
    for table, rows in tables.items():
        for row, cells in rows.items():
            assert cells.pop("source"), row
            assert cells == {k: list(v) for k, v in published(table)[row].items()}
            for numbers in cells.values():
                assert len(numbers) in (1, 2)
                if table != "table2_sizes":
                    assert all(0 < number < 1 for number in numbers)


def test_unknown_table():
    with pytest.raises(ValueError, match=r"Received: 'table4'. Correct"):
        published("table4")
