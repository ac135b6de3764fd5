"""The published numbers, read from `published.toml`."""

import pathlib
import tomllib

PATH = pathlib.Path(__file__).with_name("published.toml")


def published(table: str) -> dict[str, dict[str, tuple[float, ...]]]:
    """Returns the published rows of a table.

    Args:
        table: name of the table in the file, e.g. `"table1"`.

    Returns:
        By name of the row, `(mean,)` or `(mean, standard deviation)` by header
        of the column. The rows are in the order of the file.

    Raises:
        ValueError: if the file has no such table.
    """
    tables = tomllib.loads(PATH.read_text(encoding="utf-8"))
    if table not in tables:
        raise ValueError(
            f"There are no published numbers of this name. Expected: one of "
            f"{list(tables)}. Received: {table!r}. Correct the name."
        )
    return {
        row: {
            header: tuple(numbers)
            for header, numbers in cells.items()
            if header != "source"
        }
        for row, cells in tables[table].items()
    }
