"""The documentation: its code runs, its names exist, and the site builds."""

import html
import importlib
import inspect
import json
import pathlib
import pkgutil
import re
import subprocess
import sys

import mktestdocs
import pytest
import shown
from test_api import public_objects

import keras_unbias
from reproduce.experiment import flags

ROOT = pathlib.Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
SLOW = {"images", "index", "running", "serving", "tabular", "text"}
TEXTS = [*PAGES, ROOT / "README.md", ROOT / "reproduce/IMDB.md"]
by_name = pytest.mark.parametrize(
    "text", [pytest.param(text, id=text.stem) for text in TEXTS]
)


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, id=page.stem, marks=[pytest.mark.slow] * (page.stem in SLOW))
        for page in PAGES
        # Its devices must exist before TensorFlow starts.
        if page.stem != "devices"
    ],
)
def test_the_blocks_of_a_page_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shown.run(page.read_text("utf-8"))
    for picture in re.findall(r"!\[[^]]*\]\((\w+\.png)\)", page.read_text("utf-8")):
        assert (tmp_path / picture).exists(), picture


@pytest.mark.slow
def test_the_script_for_several_devices_runs(tmp_path):
    (script,) = mktestdocs.grab_code_blocks(
        (DOCS / "tutorials/devices.md").read_text("utf-8")
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "devices_audit.png").exists()
    accuracies = re.search(r"\[(.*), (.*)\]", done.stdout).groups()
    assert all(0.5 < float(accuracy) <= 1 for accuracy in accuracies)


def test_the_service_of_the_guide_is_a_whole_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model, service = (
        block
        for block in mktestdocs.grab_code_blocks(
            (DOCS / "tutorials/serving.md").read_text("utf-8")
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
    names = re.findall(
        r"^::: ([\w.]+)\.(\w+)$", (DOCS / "api.md").read_text("utf-8"), re.M
    )
    documented = [
        getattr(importlib.import_module(module), name) for module, name in names
    ]
    missing = [name for name, thing in public_objects() if thing not in documented]
    assert not missing


@by_name
def test_the_names_in_a_text_exist(text):
    words = text.read_text("utf-8")
    for name in re.findall(r"`((?:keras_unbias|reproduce)\.[\w.]+)", words):
        pkgutil.resolve_name(name)
    paths = r"\b((?:keras_unbias|reproduce|figures)/[\w./-]*\w)"
    for path in re.findall(paths, words):
        assert (ROOT / path).exists(), path


@by_name
def test_the_links_in_a_text_lead_somewhere(text):
    prose = re.sub(r"^```.*?^```", "", text.read_text("utf-8"), flags=re.M | re.S)
    for link in re.findall(r"\]\(([^)\s]+)\)", prose):
        path, _, anchor = link.partition("#")
        if "://" in link:
            continue
        target = (text.parent / path).resolve() if path else text
        assert target.exists(), link
        if anchor:
            headings = re.findall(r"^#+ (.*)$", target.read_text("utf-8"), re.M)
            assert anchor in {h.lower().replace(" ", "-") for h in headings}


def test_the_page_on_running_has_all_flags():
    parser = flags.make_parser("", ["quick"], variances=[0.02])
    flags.add_table_flags(parser)
    flags.add_figure_flags(parser)
    page = (DOCS / "experiments/running.md").read_text("utf-8")
    assert set(re.findall(r"^\| `(--[\w-]+)", page, re.M)) == {
        action.option_strings[-1] for action in parser._actions if action.dest != "help"
    }


def test_every_tutorial_ends_with_an_audit():
    for page in (DOCS / "tutorials").glob("*.md"):
        assert f"]({page.stem}_audit.png)" in page.read_text("utf-8"), page


def test_the_audits_are_drawn_anew(tmp_path, monkeypatch, capsys):
    monkeypatch.syspath_prepend(DOCS)
    script = importlib.import_module("draw_audits")
    monkeypatch.setattr(script, "TUTORIALS", tmp_path)
    blocks = ["name = 'a_audit.png'", "open(name, 'w').write('drawn')"]
    page = "\n\n".join(f"```python\n{block}\n```" for block in blocks)
    (tmp_path / "a.md").write_text(page)
    script.main()
    assert (tmp_path / "a_audit.png").read_text() == "drawn"
    assert capsys.readouterr().out == f"{tmp_path / 'a_audit.png'}\n"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The directory of the built site."""
    path = tmp_path_factory.mktemp("site")
    subprocess.run(
        [
            *(sys.executable, "-m", "mkdocs", "build", "--strict"),
            *("--config-file", ROOT / "mkdocs.yml", "--site-dir", path),
        ],
        check=True,
        cwd=path,
    )
    return path


def test_the_reference_shows_docstrings(site):
    reference = html.unescape((site / "api/index.html").read_text("utf-8"))
    for name in keras_unbias.__all__:
        described = inspect.getdoc(getattr(keras_unbias, name))
        assert re.match("[^`\n]+", described)[0] in reference, name
    assert "Trains the network." in reference
    # Examples are code, not quotations.
    assert "<blockquote>" not in reference


def test_tutorials_are_notebooks_with_the_same_code(site):
    for page in (DOCS / "tutorials").glob("*.md"):
        text = page.read_text("utf-8")
        notebook = json.loads((site / f"tutorials/{page.stem}.ipynb").read_text())
        code = [
            "".join(cell["source"])
            for cell in notebook["cells"]
            if cell["cell_type"] == "code"
        ]
        blocks = mktestdocs.grab_code_blocks(text)
        assert [cell.strip() for cell in code] == [block.strip() for block in blocks]
        assert ".md)" not in json.dumps(notebook)
        link = f'href="../{page.stem}.ipynb"'
        assert link in (site / f"tutorials/{page.stem}/index.html").read_text()


def test_the_gallery_shows_all_figures(site):
    gallery = (site / "gallery/index.html").read_text("utf-8")
    for path in (ROOT / "figures").glob("*.png"):
        assert f'src="../figures/{path.name}"' in gallery
        assert (site / "figures" / path.name).exists()
    # The title is that of the script.
    assert "Figure 3, left: colored digits, training and test</h2>" in gallery


def test_pages_show_pictures_that_there_are(site):
    for page in site.rglob("index.html"):
        for path in re.findall(r'<img [^>]*src="([^":]+)"', page.read_text("utf-8")):
            assert (page.parent / path).is_file(), (page, path)


def test_the_search_finds_words_of_pages(site):
    index = json.loads((site / "search/search_index.json").read_text("utf-8"))
    found = [doc["location"] for doc in index["docs"] if "overlap" in doc["text"]]
    assert any(place.startswith("experiments/faces/") for place in found)
