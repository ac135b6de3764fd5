"""What the README shows: its table, its picture, and the best that there is."""

import re

import numpy as np
import pytest
from scripts import EXPERIMENTS, RECORDS, ROOT, cells_of, drawn, publish, rows

from keras_unbias.data import colored_mnist
from reproduce.recipes import digits

TABLE, FIGURE = EXPERIMENTS["table1_short"], EXPERIMENTS["figure_overview"]


@pytest.mark.parametrize(
    ("profile", "ours", "variances"),
    [
        ("fast", ["ERM", "MI backpropagation", digits.BEST], ["0.02", "0.035", "0.05"]),
        ("paper", ["ERM", "MI backpropagation"], ["0.02", "0.035", "0.05"]),
        ("quick", ["ERM", "bias-balanced", "conditional MI"], ["0.02", "0.05"]),
    ],
)
def test_the_table_has_at_most_five_rows(profile, ours, variances, call, tmp_path):
    words = ["--profile", profile, "--seeds", "1"]
    shown = publish(tmp_path / "records", cells_of(TABLE, *words))
    code, out, _ = call(TABLE, *shown, *words)
    assert code == 0
    found = rows(out)
    columns = found.pop("color variance")
    assert [f"{float(column):g}" for column in columns] == variances
    published = ["ERM, lambda = 0", "MI backpropagation, lambda = 1.0"]
    names = [name for name, cells in found.items() if len(cells) == len(columns)]
    assert names == ours + [f"{name} (published)" for name in published]
    assert found[names[-1]][0] == "0.864 ± 0.052"
    # It shares its runs with Table 1.
    table = {cell.settings.id for cell in cells_of(EXPERIMENTS["table1"], *words)}
    assert {cell.settings.id for cell in cells_of(TABLE, *words)} <= table


def test_the_picture_shows_records_and_digits(call, tmp_path):
    words = ["--profile", "fast", "--seeds", "2"]
    made = cells_of(FIGURE, *words)
    shown = publish(tmp_path / "records", made)
    assert call(FIGURE, *shown, *words)[0] == 0
    points = drawn(tmp_path, "figure_overview_fast_seeds_2")["points"]
    bars = [point for point in points if "bar" in point]
    assert [bar["bar"] for bar in bars[::3]] == [
        "ERM",
        "MI backpropagation, lambda = 1.0",
        digits.BEST,
    ]
    assert [bar["mean"] for bar in bars[3:6]] == [0.864, 0.973, 0.982]
    numbers = {cell: 0.5 + n % 50 / 100 for n, cell in enumerate(made)}
    last = [v for cell, v in numbers.items() if cell.row == digits.BEST]
    assert bars[-1]["mean"] == pytest.approx(np.mean(last[-2:]))
    assert bars[-1]["standard_deviation"] == pytest.approx(
        np.std(last[-2:], ddof=1), abs=1e-5
    )
    splits = [point["split"] for point in points if "split" in point]
    assert splits == [*["training"] * 2, *["test"] * 2]
    test = colored_mnist.load(0.02, seed=1, digits="mnist-5000").test
    point = points[len(splits) - 1]
    assert test.labels[point["row"]].tolist() == point["label"] == [*range(10)]
    colors = test.inputs[point["row"]].reshape(10, -1, 3).max(1)
    assert colors.tolist() == point["color"]


def test_the_lines_are_those_of_the_table(call, tmp_path):
    figure = EXPERIMENTS["figure_variances_short"]
    words = ["--profile", "fast", "--seeds", "1"]
    made = cells_of(figure, *words)
    assert {cell.row for cell in made} == {cell.row for cell in cells_of(TABLE, *words)}
    shown = publish(tmp_path / "records", made)
    assert call(figure, *shown, *words)[0] == 0
    points = drawn(tmp_path, "figure_variances_short_fast_seeds_1")["points"]
    assert len(points) == 5
    assert {tuple(point["color_variance"]) for point in points} == {digits.VARIANCES}


def test_plain_training_without_records_has_no_bar(call, tmp_path):
    words = ["--profile", "fast", "--seeds", "1", "--variances", "0.05"]
    held = [cell for cell in cells_of(FIGURE, *words) if cell.row == digits.BEST]
    shown = publish(tmp_path / "records", held)
    assert call(FIGURE, *shown, *words)[0] == 0
    points = drawn(tmp_path, "figure_overview_fast_variances_0.05_seeds_1")["points"]
    assert [point["bar"] for point in points if "bar" in point] == [
        "MI backpropagation, lambda = 1.0",
        digits.BEST,
    ]


def test_the_readme_shows_the_best_profile(call):
    text = (ROOT / "README.md").read_text("utf-8")
    _, out, _ = call(TABLE, "--from-records", str(RECORDS))
    # Where cells are missing, a command names it again.
    (best,) = set(re.findall(r"profile (\w+)", out))
    (shown,) = re.findall(r"^<!-- table1_short (\w+)", text, re.M)
    (picture,) = re.findall(r"figures/figure_overview_([a-z]+)", text)
    assert shown == picture == best
