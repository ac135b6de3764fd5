"""Where tables and figures are shown: blocks of pages, names of files."""

import argparse
import hashlib
import os
import pathlib
from typing import Any

from reproduce.experiment import records

# Bytes of the name of a file. With suffixes it may have 255.
LONGEST = 200


def update(page: str | os.PathLike, name: str, content: str) -> None:
    """Replaces a block of a page, in one step.

    Args:
        page: path of the page.
        name: name of the block.
        content: what is to stand there.

    Raises:
        ValueError: if the page has no such block.
    """
    records.check_writable(pathlib.Path(page).parent)
    text = pathlib.Path(page).read_text(encoding="utf-8")
    records.write_text(page, replace_block(text, name, content))


def find(root: str | os.PathLike, name: str) -> pathlib.Path:
    """Finds the page that has a block.

    Args:
        root: directory of the repository. Its pages are the `.md` files in it
            and below its `docs`.
        name: name of the block.

    Returns:
        Path of the page.

    Raises:
        ValueError: if no page has the block, or several have it.
    """
    root = pathlib.Path(root)
    pages = sorted([*root.glob("*.md"), *root.glob("docs/**/*.md")])
    # Pages also write of markers: those of a block are lines.
    marker = f"\n<!-- {name} -->\n"
    found = [page for page in pages if marker in page.read_text(encoding="utf-8")]
    if len(found) != 1:
        raise ValueError(
            f"No page, or more than one, has the block '{name}'. Expected: a "
            f"line <!-- {name} --> in one of {len(pages)} pages below {root}. "
            f"Received: it in {[page.name for page in found]}. Add the markers "
            "where the block belongs."
        )
    return found[0]


def replace_block(text: str, name: str, content: str) -> str:
    """Replaces what stands between two markers.

    Args:
        text: text with `<!-- name -->` and, after it, `<!-- /name -->`.
        name: name of the block.
        content: what is to stand between the markers.

    Returns:
        The new text.

    Raises:
        ValueError: if each marker is not there just once, in this order.
    """
    start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    head, _, rest = text.partition(start)
    _, closed, tail = rest.partition(end)
    if not closed or start in rest or end in head + tail:
        raise ValueError(
            f"The text has no block '{name}'. Expected: one {start} and after "
            f"it one {end}. Received: {text.count(start)} and "
            f"{text.count(end)} of them. Add the markers where the block "
            "belongs."
        )
    return f"{head}{start}\n{content}\n{end}{tail}"


def file_stem(*words: str) -> str:
    """Returns the name of a figure's files, without their suffixes.

    Args:
        *words: the name of the script, and those of `choice_words`.
    """
    name = "_".join(words)
    content = name.encode()
    if len(content) <= LONGEST:
        return name
    digest = hashlib.sha256(content).hexdigest()[:12]
    return f"{content[:LONGEST].decode(errors='ignore')}_{digest}"


def choice_words(options: argparse.Namespace, **usual: Any) -> list[str]:
    """Lists the words that say what is shown: the profile and other flags.

    After the name of the script, and joined by spaces, they name the block of
    a table. Joined by underscores they name the files of a figure.

    Args:
        options: the flags, with `profile`.
        **usual: as in `non_default_flags`.
    """
    return [options.profile, *non_default_flags(options, **usual)]


def non_default_flags(options: argparse.Namespace, **usual: Any) -> list[str]:
    """Lists the flags that change what is shown.

    They belong to names, so that another choice does not take the place of
    the usual one.

    Args:
        options: the flags.
        **usual: by name of a flag, the value that it stands for if it is not
            given.

    Returns:
        List of words such as `"variances_0.02_0.05"`.
    """
    words = []
    for flag, value in usual.items():
        received = getattr(options, flag, None)
        if received is None or received == value:
            continue
        values = received if isinstance(received, list) else [received]
        # The name of a file has no folders in it.
        words.append("_".join([flag, *map(str, values)]).replace("/", "-"))
    return words
