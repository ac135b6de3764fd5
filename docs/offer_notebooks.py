"""Offers each tutorial as a notebook."""

import pathlib
import re

import jupytext
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

FOLDER = "tutorials/"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the notebooks to the files of the site."""
    for file in list(files.documentation_pages()):
        if file.src_uri.startswith(FOLDER):
            name = str(pathlib.PurePosixPath(file.src_uri).with_suffix(".ipynb"))
            made = notebook(file.content_string)
            files.append(File.generated(config, name, content=made))
    return files


def on_page_markdown(markdown: str, page: Page, **_) -> str:
    """Adds a link to the notebook below the title of a tutorial."""
    path = pathlib.PurePosixPath(page.file.src_uri)
    if not page.file.src_uri.startswith(FOLDER):
        return markdown
    title, _, text = markdown.partition("\n")
    link = f"[Download this page as a notebook]({path.stem}.ipynb)"
    return f"{title}\n\n{link}\n{text}"


def notebook(markdown: str) -> str:
    """Converts a page to a notebook, as JSON.

    Args:
        markdown: text of the page. Its blocks of Python become cells.
    """
    # Other pages are not beside a notebook.
    text = re.sub(r"\[([^]]+)\]\([^):]+\.md[^)]*\)", r"\1", markdown)
    return jupytext.writes(jupytext.reads(text, fmt="md"), fmt="ipynb")
