"""Shows the examples of docstrings as code.

The docstrings write `Example:` and then doctests without an indent, as Keras
does. Griffe knows `Examples:` with an indent.
"""

import re
import textwrap

import griffe

EXAMPLE = re.compile(r"^Example:\n\n(.+?)(?=\n\n[A-Z]\w+:\n|\Z)", re.M | re.S)


class ShowExamples(griffe.Extension):
    """Rewrites the docstring of every object before it is parsed."""

    def on_instance(self, *, obj: griffe.Object, **_) -> None:
        """Indents the examples of an object."""
        if obj.docstring:
            obj.docstring.value = EXAMPLE.sub(
                lambda found: "Examples:\n" + textwrap.indent(found[1], "    "),
                obj.docstring.value,
            )
