"""Makes the figures of the repository a part of the site, and its gallery.

MkDocs takes files from `docs/` only, and the figures are in `figures/`.
"""

import ast
import json
import pathlib
import re

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = pathlib.Path(__file__).parents[1]
FIGURES = sorted((ROOT / "figures").glob("*.png"))
GALLERY = "gallery.md"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the figures to the files of the site."""
    for path in FIGURES:
        name = f"figures/{path.name}"
        files.append(File.generated(config, name, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Page, **_) -> str:
    """Adds all figures to the gallery, and makes their paths those of the site."""
    if page.file.src_uri == GALLERY:
        markdown = "\n\n".join([markdown, *map(entry, FIGURES)])
    return re.sub(r"\]\(\.\./((?:\.\./)*figures/)", r"](\1", markdown)


def entry(path: pathlib.Path) -> str:
    """Returns the part of the gallery that shows a figure.

    Args:
        path: path of the PNG file. Beside it is a JSON file, which says what
            the figure is about.
    """
    script = script_of(path.stem)
    docstring = ast.get_docstring(ast.parse(script.read_text("utf-8")))
    title = docstring.partition("\n")[0].rstrip(".")
    about = json.loads(path.with_suffix(".json").read_text("utf-8"))["about"]
    return (
        f"## {title}\n\n{about[0].upper()}{about[1:]}. "
        f"Drawn by `reproduce/{script.name}`.\n\n"
        f"![{title}: {about}](../figures/{path.name})\n"
    )


def script_of(stem: str) -> pathlib.Path:
    """Returns the path of the script that draws a figure.

    Args:
        stem: name of the figure's files: that of the script, and flags.
    """
    scripts = (ROOT / "reproduce").glob("*.py")
    return max(
        (path for path in scripts if f"{stem}_".startswith(f"{path.stem}_")),
        key=lambda path: len(path.stem),
    )
