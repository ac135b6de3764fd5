"""The driver: the command for what is missing, pages and figures."""

import dataclasses
import re

import pytest
from scripts import drawn
from toy_experiments import (
    Trainer,
    cells_of,
    command,
    few,
    figure,
    ids,
    listed,
    release,
    table,
)

from reproduce.experiment import driver, records
from reproduce.experiment.results import Cell
from reproduce.experiment.settings import change

# The command that fills a `-`.


@pytest.mark.parametrize(
    ("profile", "there", "flags"),
    [
        ("fast", slice(0, 1), []),
        ("fast", slice(4, 9), []),
        ("quick", slice(0, 1), []),
        ("fast", slice(0, 1), ["--methods", "ERM", "long"]),
        # All rows that were asked for, but not all that there are.
        ("fast", slice(1, 2), ["--methods", "ERM"]),
        ("fast", slice(0, 1), ["--seeds", "4", "--variances", "0.03", "0.02"]),
        ("fast", slice(0, 2), ["--set", "epochs=3", "batch_size=8"]),
        # The label of a column is what can be asked for.
        ("fast", slice(0, 1), ["--set", "color_variance=0.3"]),
    ],
)
@pytest.mark.parametrize("make", [table, figure])
def test_the_command_asks_for_what_is_missing(
    call, tmp_path, make, profile, there, flags
):
    shown = ["--profile", profile, *flags]
    wanted = listed(call(make(), *shown, "--dry-run"))
    # Some of them are there.
    asked = cells_of(make(), shown)
    held = release(tmp_path / "records", asked[there])
    answer = call(make(), *shown, *held)
    listing = call(make(), *shown, *held, "--dry-run").out
    missing = {
        line.split()[-1] for line in listing.splitlines() if line.startswith("missing ")
    }
    assert missing and missing < {*wanted} | {""}
    text = answer.out + answer.err
    assert re.search(r"\d+ of \d+ cells are missing", text)
    words = command(text)
    # Records that are shown are no finished runs: it says so.
    assert f"and others of these rows that {tmp_path / 'runs'} lacks:" in text
    again = listed(call(make(), *words, "--dry-run"))
    assert missing <= {*again} <= {*wanted}
    if "--methods" in flags:
        rows = words[words.index("--methods") + 1 : words.index("--variances")]
        assert {*rows} <= {*flags[1:]}


def test_the_command_can_be_typed(call, tmp_path):
    flags = ["--data-dir", "my data", "--set", "decay=cosine", "epochs=3"]
    cell = few(row="bias-balanced")[2]
    bad = [change(cell.settings, decay="cosine", epochs=3)]
    experiment = table(train=Trainer(*bad))
    answer = call(experiment, *flags)
    assert answer.code == 1
    words = command(answer.out)
    assert words == [
        *("--profile", "quick", "--methods", "bias-balanced"),
        *("--variances", "0.05", "--seeds", "1"),
        *("--set", "decay=cosine", "epochs=3", "--data-dir", "my data"),
        *("--output-dir", str(tmp_path / "runs")),
    ]
    # It runs these alone: the others are there.
    assert "To run them: python" in answer.out
    mended = table(train=Trainer())
    assert call(mended, *words).code == 0
    assert mended.train.trained == [settings.id for settings in bad]
    assert "missing" not in call(table(), *flags).out


# Pages.


@pytest.fixture
def page(tmp_path, monkeypatch):
    """A page of blocks, and the flags that show the records of two rows."""
    monkeypatch.setattr(driver, "ROOT", tmp_path)
    monkeypatch.setattr(records, "RELEASED", (tmp_path / "records").resolve())
    release(
        tmp_path / "records",
        [*few("fast", digits="mnist"), *few("quick", digits="kim")],
    )
    path = tmp_path / "page.md"
    path.write_text(
        "# T\n<!-- toys fast -->\nold\n<!-- /toys fast -->\n"
        "<!-- toys fast seeds_1 -->\n<!-- /toys fast seeds_1 -->\nend\n"
    )
    return path


def test_a_block_is_rewritten(call, page):
    shown = ["--from-records", str(page.parent / "records"), "--update-docs"]
    answer = call(table(), *shown, "--format", "markdown")
    assert answer.code == 0
    head, tail = "# T\n<!-- toys fast -->\n", "<!-- /toys fast -->\n"
    other = "<!-- toys fast seeds_1 -->\n<!-- /toys fast seeds_1 -->\nend\n"
    assert page.read_text("utf-8") == head + answer.out + tail + other
    # The page has Markdown whatever is printed, and other seeds a block.
    answer = call(table(), *shown, "--seeds", "1")
    assert "\n- " not in answer.out
    one = page.read_text("utf-8").partition("<!-- toys fast seeds_1 -->\n")[2]
    assert one.startswith("**Toys, profile fast: seed 1, one run per cell.**")
    # As many seeds as usual are no choice.
    before = page.read_text("utf-8")
    assert call(table(), *shown, "--seeds", "2").code == 0
    assert page.read_text("utf-8") == before


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--seeds", "3"], "has the block 'toys fast seeds_3'"),
        # Records on other data do not take the place of the usual ones.
        (["--profile", "quick"], "has the block 'toys quick digits_kim'"),
        (["--profile", "paper"], "No records of toys, profile paper"),
        (["--methods", "ERM"], "Expected: no --methods"),
        (["--variances", "0.02"], "Expected: no --variances"),
        (["--set", "epochs=3"], "Expected: no --set"),
        (["--dry-run"], "Expected: no --dry-run"),
        (["--from-records", "runs"], "the pages show released records"),
    ],
)
def test_a_page_is_left_alone(call, page, flags, message):
    before = page.read_text("utf-8")
    shown = ["--from-records", str(page.parent / "records"), "--update-docs"]
    answer = call(table(), *shown, *flags)
    assert answer.code == 2
    assert message in answer.err
    assert page.read_text("utf-8") == before


# Figures.


def test_a_figure_is_drawn_and_says_of_what(call, tmp_path):
    held = release(tmp_path / "records", few("fast", digits="mnist")[:3])
    answer = call(figure(), *held)
    assert answer.code == 0
    path = tmp_path / "figures" / "toys_fast"
    assert answer.out == f"{path}.png, .pdf and .json\n"
    assert {p.name for p in path.parent.iterdir()} == {
        f"toys_fast.{end}" for end in ("png", "pdf", "json")
    }
    found = drawn(tmp_path, "toys_fast")
    assert found["about"] == (
        "profile fast, 60,000 training rows, seeds 1, 2, 10 of 16 cells missing"
    )
    # `plain` shares the runs of the first row.
    assert found["runs"] == 2 * ids(few("fast", digits="mnist")[:3])
    assert found["points"][0] == "ERM at 0.020, seed 1"
    assert "10 of 16 cells are missing. To run them" in answer.err


@pytest.mark.parametrize(
    ("flags", "name", "about"),
    [
        (["--seeds", "1"], "toys_fast_seeds_1", "profile fast, "),
        (["--seeds", "2"], "toys_fast", "profile fast, "),
        (["--variances", "0.02"], "toys_fast_variances_0.02", "profile fast, "),
        (["--methods", "ERM"], "toys_fast_methods_ERM", "profile fast, "),
        (
            ["--set", "epochs=3", "decay=cosine"],
            "toys_fast_set_epochs=3_decay=cosine",
            "profile fast with epochs=3, decay=cosine, ",
        ),
    ],
)
def test_another_choice_has_files_of_its_own(call, tmp_path, flags, name, about):
    chosen = cells_of(figure(), ["--profile", "fast", *flags])
    best = [
        Cell(cell.row, cell.column, change(cell.settings, digits="mnist"))
        for cell in chosen
    ]
    held = release(tmp_path / "records", best)
    assert call(figure(), *held, "--profile", "fast", *flags).code == 0
    assert drawn(tmp_path, name)["about"].startswith(about)


def test_other_data_have_files_of_their_own(call, tmp_path):
    assert call(figure()).code == 0
    assert drawn(tmp_path, "toys_quick_digits_mnist-5000")["runs"]


def test_a_figure_draws_what_it_chooses(call, tmp_path):
    def first(results):
        (_, record), *_ = results.found
        return dataclasses.replace(results, records={record.id: record})

    held = release(tmp_path / "records", few("fast", digits="mnist"))
    answer = call(figure(choose=first), *held, "--methods", "ERM")
    assert answer.code == 0
    found = drawn(tmp_path, "toys_fast_methods_ERM")
    assert found["runs"] == ids(few("fast", digits="mnist")[:1])
    # The picture tells of those that are in it alone.
    assert "60,000 training rows, seed 1, 3 of 4 cells" in found["about"]
    assert "missing" not in answer.err


@pytest.mark.parametrize("where", ["choose", "draw"])
def test_nothing_is_drawn(call, tmp_path, where):
    def refuse(results):
        raise ValueError("There is nothing to choose from.")

    held = release(tmp_path / "records", few("fast"))
    answer = call(figure(**{where: refuse}), *held)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.endswith("error: There is nothing to choose from.\n")
    # The failure of a cell is not that of the flags.
    bad = few()[0].settings
    answer = call(figure(train=Trainer(bad), **{where: refuse}))
    assert (answer.code, answer.out) == (1, "")
    message = "Nothing is drawn. There is nothing to choose from.\n"
    assert answer.err.endswith(message)
    assert not list(tmp_path.glob("figures/*"))


def test_a_figure_is_drawn_though_a_cell_failed(call, tmp_path):
    bad = few()[0].settings
    answer = call(figure(train=Trainer(bad)))
    assert answer.code == 1
    assert f"{bad.id}: ArithmeticError" in answer.err
    about = drawn(tmp_path, "toys_quick_digits_mnist-5000")["about"]
    assert about.endswith("2 of 12 cells missing")
