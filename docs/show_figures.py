"""Makes the figures of the repository a part of the site.

MkDocs takes files from `docs/` only, and the figures are in `figures/`.
"""

import pathlib

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the figures to the files of the site."""
    folder = pathlib.Path(config.config_file_path).parent / "figures"
    for path in sorted(folder.glob("*.png")):
        name = f"figures/{path.name}"
        files.append(File.generated(config, name, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, **_) -> str:
    """Replaces paths in the repository by paths in the site."""
    return markdown.replace("](../../figures/", "](../figures/")
