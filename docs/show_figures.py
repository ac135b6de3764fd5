"""Shows `figures/` on the site too, which else holds this folder alone."""

import pathlib

from mkdocs.structure.files import File


def on_files(files, config):
    """Adds the figures that pages may show."""
    folder = pathlib.Path(config.config_file_path).parent / "figures"
    for path in sorted(folder.glob("*.png")):
        name = f"figures/{path.name}"
        files.append(File.generated(config, name, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown, **_):
    """Pages name figures as they lie in the repository."""
    return markdown.replace("](../../figures/", "](../figures/")
