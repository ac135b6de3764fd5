import pathlib
import re

import pytest

import keras_unbias
from reproduce import (
    ablation,
    digit_table,
    search,
    stress,
    table1,
    table2,
    table3,
)

README = pathlib.Path(__file__).parents[1] / "README.md"


@pytest.mark.slow
def test_the_example_for_own_data_runs(tmp_path, monkeypatch, capsys):
    (code,) = re.findall(
        r"## Your own data.*?```python\n(import.*?)```",
        README.read_text(),
        re.S,
    )
    monkeypatch.chdir(tmp_path)
    audits = []

    def audit(*arguments):
        # The intervals, which take long, are looked at elsewhere.
        found = keras_unbias.auditing.audit(*arguments, resamples=10)
        audits.append(found)
        return audits[-1]

    monkeypatch.setattr(keras_unbias, "audit", audit)
    variables = {}
    exec(compile(code, str(README), "exec"), variables)
    # It shows what the package is for.
    (audit,) = audits
    assert str(audit) in capsys.readouterr().out
    assert audit.worst_group[1] > 0.9
    assert audit.conditional_leakage.information.value < 0.15
    assert (tmp_path / "classifier" / "saved_model.pb").exists()
    assert variables["classifier"](variables["x"])["features"].shape == (
        2048,
        8,
    )


def test_the_first_command_prints_what_the_readme_shows(capsys):
    records = README.parent / "reproduce" / "records"
    flags = ["--profile", "quick", "--from-records", str(records)]
    assert table1.main(flags) == 0
    # What was run beside it, of which the command knows nothing.
    lines = [
        line
        for line in capsys.readouterr().out.splitlines()
        if not line.startswith("  Not shown:")
    ]
    assert "\n".join(lines) in README.read_text("utf-8")


@pytest.mark.parametrize(
    ("script", "block", "flags"),
    [
        (table1, "table1 fast", []),
        (search, "search fast", []),
        (stress, "stress fast seeds_1", ["--seeds", "1"]),
        (ablation, "ablation fast seeds_1", ["--seeds", "1"]),
        (ablation, "ablation quick", ["--profile", "quick"]),
        (
            ablation,
            "ablation paper seeds_1",
            ["--profile", "paper", "--seeds", "1"],
        ),
        (
            table2,
            "table2 quick seeds_3",
            ["--profile", "quick", "--seeds", "3"],
        ),
        (table3, "table3 fast", ["--profile", "fast"]),
        (table3, "table3 paper", ["--profile", "paper"]),
        (
            table3,
            "table3 paper seeds_100",
            ["--profile", "paper", "--seeds", "100"],
        ),
    ],
)
def test_tables_are_what_the_records_show(
    script, block, flags, tmp_path, monkeypatch, capsys
):
    home = script if hasattr(script, "PAGE") else digit_table
    page = home.PAGE
    copy = tmp_path / page.name
    copy.write_text(page.read_text("utf-8"), "utf-8")
    monkeypatch.setattr(home, "PAGE", copy)
    records = README.parent / "reproduce" / "records"
    flags = [*flags, "--from-records", str(records), "--update-docs"]
    assert script.main(flags) == 0
    assert f"<!-- /{block} -->" in page.read_text("utf-8")
    # What an update would write is there already.
    assert copy.read_text("utf-8") == page.read_text("utf-8")
