"""Profiles: the rows and columns of a table, as changes of one `Settings`."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from reproduce.experiment.results import Cell
from reproduce.experiment.settings import Settings, change, names

# Seed 0 was looked at while recipes were sought.
FIRST_SEED = 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class Profile:
    """One way to fill a table.

    Args:
        base: the `Settings` that all cells share.
        rows: changes of `base` by the name of the row.
        columns: changes of `base` by the label of the column. Defaults to
            one column without a label.
        own: further changes by pairs of row and column.
        seeds: number of seeds, from `FIRST_SEED` on.
        note: that of the cells.
    """

    base: Settings
    rows: Mapping[str, Mapping[str, Any]]
    columns: Mapping[str, Mapping[str, Any]] = dataclasses.field(
        default_factory=lambda: {"": {}}
    )
    own: Mapping[tuple[str, str], Mapping[str, Any]] = dataclasses.field(
        default_factory=dict
    )
    seeds: int = 3
    note: str = ""

    def cells(
        self,
        rows: Iterable[str] | None = None,
        columns: Mapping[str, Mapping[str, Any]] | None = None,
        seeds: int | None = None,
    ) -> list[Cell]:
        """Makes the cells of a table.

        Args:
            rows: names of rows. Defaults to all.
            columns: columns in place of the profile's.
            seeds: number of seeds. Defaults to the profile's.

        Returns:
            List of `Cell`, row by row, column by column, seed by seed.

        Raises:
            ValueError: if the profile has no such row.
        """
        chosen = list(self.rows if rows is None else rows)
        unknown = [row for row in chosen if row not in self.rows]
        if unknown:
            raise ValueError(
                "The profile has no such row. Expected: some of "
                f"{list(self.rows)}. Received: {unknown}. Choose another "
                "profile."
            )
        made = []
        for row in chosen:
            of_row = change(self.base, **self.rows[row])
            for column, changes in (columns or self.columns).items():
                own = {**changes, **self.own.get((row, column), {})}
                plain = change(of_row, **own)
                made += [
                    Cell(row, column, change(plain, seed=seed), self.note)
                    for seed in range(FIRST_SEED, FIRST_SEED + (seeds or self.seeds))
                ]
        return made


def with_changes(cells: Iterable[Cell], changes: Mapping[str, Any]) -> list[Cell]:
    """Changes settings of all cells that have them.

    Args:
        cells: the cells.
        changes: new values by the names of settings.

    Returns:
        List of `Cell` with the same labels.

    Raises:
        ValueError: if no cell has one of the settings, or a value is wrong.
    """
    cells = list(cells)
    known = set().union(*(names(cell.settings) for cell in cells))
    unknown = sorted(changes.keys() - known)
    if unknown:
        raise ValueError(
            f"None of the chosen cells has the settings {unknown}. Expected: "
            f"some of {sorted(known)}. Correct the names."
        )
    changed = []
    for cell in cells:
        own = {k: v for k, v in changes.items() if k in names(cell.settings)}
        changed.append(dataclasses.replace(cell, settings=change(cell.settings, **own)))
    return changed


def variants(
    cells: Iterable[Cell], changes: Mapping[str, Mapping[str, Any]]
) -> list[Cell]:
    """Makes the cells of one row again, with settings changed.

    Args:
        cells: cells of one row.
        changes: changes by label; no change is the row as it is.

    Returns:
        List of `Cell`, those of the first label first, whose rows are the
        labels.
    """
    cells = list(cells)
    return [
        dataclasses.replace(cell, row=label, settings=change(cell.settings, **own))
        for label, own in changes.items()
        for cell in cells
    ]
