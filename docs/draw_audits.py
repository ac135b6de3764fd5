"""Draws the audits at the ends of the tutorials anew: runs all of their code.

    python docs/draw_audits.py

takes some minutes, and writes the pictures beside the pages.
"""

import pathlib
import re
import subprocess
import sys
import tempfile

TUTORIALS = pathlib.Path(__file__).parent / "tutorials"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.M | re.S)


def main() -> None:
    """Runs each tutorial in a process and a directory of its own."""
    for page in sorted(TUTORIALS.glob("*.md")):
        code = "\n".join(BLOCK.findall(page.read_text("utf-8")))
        picture = f"{page.stem}_audit.png"
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([sys.executable, "-c", code], cwd=folder, check=True)
            drawn = pathlib.Path(folder, picture).read_bytes()
        (TUTORIALS / picture).write_bytes(drawn)
        print(TUTORIALS / picture)


if __name__ == "__main__":
    main()
