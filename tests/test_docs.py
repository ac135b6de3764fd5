"""The documentation: every block runs, and the pages build."""

import pathlib
import re
import subprocess
import sys

import mktestdocs
import pytest

import keras_unbias

ROOT = pathlib.Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs").rglob("*.md"))
SLOW = {"images", "index", "serving", "tabular", "text"}


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(
            page, id=page.stem, marks=[pytest.mark.slow] * (page.stem in SLOW)
        )
        for page in PAGES
    ],
)
def test_the_blocks_of_a_page_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    mktestdocs.check_md_file(page, memory=True)


def test_the_service_of_the_guide_is_a_whole_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model, service = (
        block
        for block in mktestdocs.grab_code_blocks(
            (ROOT / "docs/tutorials/serving.md").read_text("utf-8")
        )
        if ".export(" in block or "FastAPI(" in block
    )
    exec(model, {})
    variables = {}
    exec(service, variables)
    classifier = variables["predict"]
    rows = variables["Rows"](instances=[[0.0, 1.0, 2.0]])
    (answer,) = classifier(rows)["predictions"]
    assert set(answer["probabilities"]) == {"refuse", "accept"}


def test_the_reference_has_all_public_names():
    documented = re.findall(
        r"^::: (\S+)$", (ROOT / "docs/api.md").read_text(), re.M
    )
    assert {name.rsplit(".", 1)[1] for name in documented} >= set(
        keras_unbias.__all__
    )


def test_the_pages_build(tmp_path):
    subprocess.run(
        [
            *(sys.executable, "-m", "mkdocs", "build", "--strict"),
            *("--config-file", ROOT / "mkdocs.yml", "--site-dir", tmp_path),
        ],
        check=True,
        cwd=tmp_path,
    )
    reference = (tmp_path / "api" / "index.html").read_text()
    for name in keras_unbias.__all__:
        assert name in reference
    assert "Trains the network." in reference
