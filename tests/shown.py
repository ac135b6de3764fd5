"""Runs the code of a page, and compares what it prints with what the page shows."""

import contextlib
import io
import re

# Python, and perhaps right below it a block of no language: what it prints.
BLOCK = re.compile(r"^```python\n(.*?)^```$(?:\n\n```\n(.*?)^```$)?", re.M | re.S)
NUMBER = re.compile(r"-?\d+\.\d+")
# Processors differ a little, and with them which estimator is the best.
TOLERANCE = 0.06
ESTIMATOR = re.compile(r"\([\w -]+\)")


def run(text):
    """Runs the blocks of a page one after the other; returns their variables."""
    variables = {"__name__": "__main__"}
    for code, shown in BLOCK.findall(text):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, "<block>", "exec"), variables)
        if shown:
            check(shown, printed.getvalue())
    return variables


def check(shown, printed):
    """Fails if a page shows other lines than code prints; `...` are any lines."""
    lines, skip = iter(printed.splitlines()), False
    for line in shown.splitlines():
        if line == "...":
            skip = True
        elif skip:
            assert any(alike(line, other) for other in lines), (line, printed)
            skip = False
        else:
            assert alike(line, next(lines, "")), (line, printed)
    assert skip or not any(map(str.strip, lines)), printed


def alike(line, other):
    words, others = (
        ESTIMATOR.sub("()", " ".join(NUMBER.sub("#", text).split()))
        for text in (line, other)
    )
    pairs = zip(NUMBER.findall(line), NUMBER.findall(other), strict=False)
    near = all(abs(float(one) - float(two)) <= TOLERANCE for one, two in pairs)
    return words == others and near
