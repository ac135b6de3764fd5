"""The code of the README runs, and prints what the README shows."""

import pathlib

import pytest
import shown

README = (pathlib.Path(__file__).parents[2] / "README.md").read_text("utf-8")


@pytest.mark.slow
def test_the_examples_print_what_is_shown(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    variables = shown.run(README)
    # They show what the package is for.
    rows = variables["X"][variables["test"]], variables["y"][variables["test"]]
    plain, classifier = (variables[name] for name in ("plain", "classifier"))
    assert classifier.score(*rows) > plain.score(*rows) + 0.1


def test_the_output_of_a_block_is_compared():
    text = "```python\nprint('a 0.50')\nprint(1)\nprint('b')\n```\n"
    good = ["a 0.50\n1\nb", "a  0.52\n1\nb", "...\nb", "a 0.50\n..."]
    for lines in good:
        shown.run(f"{text}\n```\n{lines}\n```\n")
    bad = ["a 0.60\n1\nb", "a 0.50\n1", "a 0.50\n2\nb", "c 0.50\n...", "...\nc"]
    for lines in bad:
        with pytest.raises(AssertionError):
            shown.run(f"{text}\n```\n{lines}\n```\n")


def test_the_readme_is_one_page():
    assert len(README.splitlines()) <= 150
