"""What a table or a figure is made of: labeled cells and their records.

A `Cell` is one run with the labels that it has in a table. Labels are no part
of a run: two tables that ask for the same settings share the record.
"""

import dataclasses
from collections.abc import Mapping, Sequence

from reproduce.experiment.records import Record
from reproduce.experiment.settings import Settings


@dataclasses.dataclass(frozen=True)
class Cell:
    """One run of a table.

    Args:
        row: name of the table's row, or of a figure's line.
        column: name of the table's column, or of a figure's panel; `""` where
            all runs of a row stand side by side.
        settings: the `Settings` of the run.
        note: what a table must say of the settings: where they come from.
    """

    row: str
    column: str
    settings: Settings
    note: str = ""

    def __str__(self) -> str:
        place = f" at {self.column}" if self.column else ""
        return f"{self.row}{place}, seed {self.settings.seed}"


@dataclasses.dataclass(frozen=True)
class Results:
    """The cells of an experiment, and the records that there are.

    Args:
        cells: all cells.
        records: records by id; others than those of the cells are ignored.
        error: the `SweepError` of cells that failed, or `None`.
    """

    cells: Sequence[Cell]
    records: Mapping[str, Record]
    error: Exception | None = None

    @property
    def rows(self) -> list[str]:
        """The names of the rows, in order."""
        return list(dict.fromkeys(cell.row for cell in self.cells))

    @property
    def columns(self) -> list[str]:
        """The names of the columns, in order."""
        return list(dict.fromkeys(cell.column for cell in self.cells))

    @property
    def seeds(self) -> list[int]:
        """The seeds, sorted."""
        return sorted({cell.settings.seed for cell in self.cells})

    @property
    def found(self) -> list[tuple[Cell, Record]]:
        """Pairs of a cell and its record, of the cells that have one."""
        return [
            (cell, self.records[cell.settings.id])
            for cell in self.cells
            if cell.settings.id in self.records
        ]

    @property
    def missing(self) -> list[Cell]:
        """The cells without a record."""
        return [c for c in self.cells if c.settings.id not in self.records]

    def begun(self) -> "Results":
        """Leaves out rows and columns of which no cell has a record."""
        rows = {cell.row for cell, _ in self.found}
        columns = {cell.column for cell, _ in self.found}
        cells = [c for c in self.cells if c.row in rows and c.column in columns]
        return dataclasses.replace(self, cells=cells)

    def by_seed(self, row: str, column: str | None = None) -> dict[int, Record]:
        """Returns the records of a row by seed.

        Args:
            row: name of the row.
            column: name of the column. `None` (the default) takes all cells of
                the row, of which no two may have one seed.

        Raises:
            ValueError: if two records of different settings have one seed.
        """
        members: dict[int, Record] = {}
        for cell, record in self.found:
            if cell.row != row or column not in (None, cell.column):
                continue
            other = members.setdefault(cell.settings.seed, record)
            if other.id != record.id:
                raise ValueError(
                    "A cell of a table has two records of one seed. Expected: "
                    "one setting per row, column and seed. Received: "
                    f"{other.id} and {record.id} in {cell}. Give them labels "
                    "of their own."
                )
        return members

    def listing(self) -> str:
        """Returns a line for each cell, and one that counts them."""
        missing = {cell.settings.id for cell in self.missing}
        lines = [
            f"{'missing' if cell.settings.id in missing else 'done':8}{cell}: "
            f"{cell.settings.id}"
            for cell in self.cells
        ]
        done, left = len(self.found), len(self.missing)
        return "\n".join([*lines, f"{len(lines)} cells: {done} done, {left} missing"])
