"""Tables made of records. No TensorFlow is needed."""

import collections
import dataclasses
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence

import pandas as pd
import tabulate
from scipy import special

from reproduce.experiment.records import Record
from reproduce.experiment.results import Results

FORMATS = ("text", "markdown", "latex")
DIVERGED = "†"


@dataclasses.dataclass(frozen=True)
class Column:
    """A column of a table: one number of each run.

    Args:
        header: its header.
        value: function from a finished record to the number, or to `None`
            where the run has no such number.
        column: label of the cells that the column shows. Defaults to `None`,
            all cells of a row.
    """

    header: str
    value: Callable[[Record], float | None]
    column: str | None = None


@dataclasses.dataclass(frozen=True)
class Table:
    """A table of strings.

    Args:
        caption: lines above the table. What qualifies all of it comes first.
        ours: frame of strings with a row per method. The name of its columns
            is the header of the row names.
        published: frame of strings with the same columns. It may be empty.
        notes: lines below the table.
    """

    caption: Sequence[str]
    ours: pd.DataFrame
    published: pd.DataFrame
    notes: Sequence[str]

    def render(self, format: str = "text") -> str:
        """Returns the table as text.

        Args:
            format: one of `"text"`, `"markdown"` and `"latex"`. LaTeX needs
                the package `booktabs` and a release of 2020 or later, which
                knows the characters ± and †.

        Returns:
            String without a line feed at its end.

        Raises:
            ValueError: if the format is unknown.
        """
        if format not in FORMATS:
            raise ValueError(
                f"Unknown table format. Expected: one of {FORMATS}. "
                f"Received: format={format!r}. Correct the name."
            )
        return getattr(self, f"_{format}")()

    def _text(self):
        grid = self._grid("simple", tabulate.SEPARATING_LINE)
        notes = [f"  {note}" for note in self.notes]
        return "\n".join([*self.caption, "", grid, "", *notes]).rstrip()

    def _markdown(self):
        # A line of dashes inside a Markdown table would be a row of text, and
        # tabulate leaves the bars in, which would end a cell.
        grid = self._grid("github", [""], lambda s: s.replace("|", r"\|"))
        notes = [f"- {note}" for note in self.notes]
        caption = "\n\n".join(f"**{line}**" for line in self.caption)
        return "\n".join([caption, "", grid, "", *notes]).rstrip()

    def _latex(self):
        return "\n".join(
            [
                r"\begin{table}",
                r"\centering",
                rf"\caption{{{_latex_escape(' '.join(self.caption))}}}",
                self._grid("latex_booktabs", tabulate.SEPARATING_LINE),
                r"\footnotesize",
                *(rf"\par {_latex_escape(note)}" for note in self.notes),
                r"\end{table}",
            ]
        )

    def _grid(self, tablefmt, separator, escape=str):
        rows = list(self.ours.itertuples(name=None))
        if len(self.published):
            rows += [separator, *self.published.itertuples(name=None)]
        header = [self.ours.columns.name, *self.ours.columns]
        lines = [
            line if line is tabulate.SEPARATING_LINE else [*map(escape, line)]
            for line in [header, *rows]
        ]
        return tabulate.tabulate(
            lines, headers="firstrow", tablefmt=tablefmt, disable_numparse=True
        )


def make_table(
    results: Results,
    columns: Sequence[Column] | None = None,
    *,
    title: str,
    corner: str = "method",
    published: Mapping[str, Mapping[str, Sequence[float]]] | None = None,
    notes: Iterable[str] = (),
) -> Table:
    """Makes a table of the rows of an experiment.

    A cell is the mean over seeds, with the standard deviation (of the sample,
    n - 1) where there are several. Runs that diverged or lack the number are
    in no mean, and counted below the table. A cell without any number is `-`.
    One with other than the table's seeds says how many are in its mean.

    Args:
        results: the cells and their records.
        columns: the columns. Defaults to `None`, the test accuracy in each
            column of the results.
        title: first words of the caption.
        corner: header of the row names. Defaults to `"method"`.
        published: `(mean,)` or `(mean, standard deviation)` by row name and
            header. What is not there is `-`. Defaults to `None`, no rows.
        notes: further lines below the table.

    Returns:
        A `Table`.

    Raises:
        ValueError: if a row has two records of one seed in one column.
    """
    columns = columns or [Column(at, accuracy, at) for at in results.columns]
    ours = {row: [] for row in results.rows}
    # A dict, for columns of one label name the same diverged runs.
    undefined, diverged = [], {}
    for row in ours:
        for column in columns:
            members = results.by_seed(row, column.column)
            text, left_out = _cell(members, column.value, len(results.seeds))
            ours[row].append(text)
            if left_out:
                undefined.append(f"{column.header} of {row}, {left_out}")
            failed = sum(r.status == "diverged" for r in members.values())
            if failed:
                name = row + (f" at {column.column}" if column.column else "")
                diverged[f"{name}, {failed} of {len(members)} seeds"] = None
    footnotes = []
    if undefined:
        listed = "; ".join(undefined)
        footnotes.append(f"Not defined, and left out: {listed} seeds.")
    if diverged:
        listed = "; ".join(diverged)
        footnotes.append(f"{DIVERGED} Diverged and left out: {listed}.")
    others = {
        f"{name} (published)": [
            mean_and_deviation(*cells[h]) if h in cells else "-"
            for h in (column.header for column in columns)
        ]
        for name, cells in (published or {}).items()
    }
    statistic = seeds_in_words(results.seeds)
    if len(results.seeds) == 1:
        statistic += ", one run per cell"
    else:
        statistic = f"mean ± standard deviation over the {statistic}"
    return Table(
        caption=[*_about_data(results), f"{title}: {statistic}."],
        ours=_frame(ours, columns, corner),
        published=_frame(others, columns, corner),
        notes=[*footnotes, *notes],
    )


def paired_table(
    results: Results,
    columns: Sequence[Column],
    *,
    title: str,
    reference: str,
    ratio: float,
) -> Table:
    """Makes a table of the changes from one row, on the same seeds.

    A cell is the mean of the differences, seed by seed, and the half width of
    its 95 % t-interval over the seeds. Where seeds are random splits of the
    same rows, they are not independent. A second half width, in brackets, has
    the variance corrected as in Nadeau and Bengio, "Inference for the
    Generalization Error", Machine Learning 2003: `(1/n + ratio) s^2`.

    Args:
        results: the cells and their records.
        columns: the columns.
        title: first words of the caption.
        reference: name of the row that others are compared with.
        ratio: test rows over training rows of a split.

    Returns:
        A `Table` of the rows that share two seeds or more with `reference`. A
        cell of fewer seeds than `reference` has says of how many.

    Raises:
        ValueError: if a row has two records of one seed in one column.
    """
    ours, splits = {}, 0
    for row in results.rows:
        cells, most = [], 0
        for column in columns:
            base = _done(results, reference, column)
            other = _done(results, row, column)
            shared = sorted(base.keys() & other.keys())
            pairs = [
                (column.value(other[seed]), column.value(base[seed])) for seed in shared
            ]
            cells.append(_change(pairs, len(base), ratio))
            splits, most = max(splits, len(base)), max(most, len(shared))
        if row != reference and most > 1:
            ours[row] = cells
    corner = f"change from {reference}"
    return Table(
        caption=[
            f"{title}: mean change over {splits} splits ± 95 % interval (in "
            "brackets: corrected for the rows that splits share)."
        ],
        ours=_frame(ours, columns, corner),
        published=_frame({}, columns, corner),
        notes=[],
    )


def accuracy(record: Record) -> float:
    """Returns the test accuracy of a finished run.

    Raises:
        ValueError: if it has none.
    """
    if record.metrics.get("test_accuracy") is None:
        raise ValueError(
            "A finished run has no test accuracy. Expected: 'test_accuracy' "
            f"in its metrics. Received: {record.id} with "
            f"{sorted(record.metrics)}. Leave it out of this table."
        )
    return record.metrics["test_accuracy"]


def mean_and_deviation(mean: float, deviation: float | None = None) -> str:
    """Returns `0.864 ± 0.052`, or the mean alone."""
    return f"{mean:.3f}" + ("" if deviation is None else f" ± {deviation:.3f}")


def seeds_in_words(seeds: Sequence[int]) -> str:
    """Returns `seed 1`, `seeds 1, 2` or `seeds 1 to 100`, of sorted seeds."""
    if len(seeds) == 1:
        return f"seed {seeds[0]}"
    if len(seeds) > 5 and seeds == list(range(seeds[0], seeds[-1] + 1)):
        return f"seeds {seeds[0]} to {seeds[-1]}"
    return f"seeds {', '.join(map(str, seeds))}"


def _cell(members, value, expected):
    """Returns the text of a cell, and the runs that lack the number: "1 of 3".

    Nothing is said of them where all runs have it, or none has.
    """
    done = [value(r) for r in members.values() if r.status == "done"]
    values = [v for v in done if v is not None]
    if not members or (done and not values):
        return "-", ""
    numbers = values
    if len(values) > 1:
        numbers = statistics.fmean(values), statistics.stdev(values)
    text = mean_and_deviation(*numbers) if values else "diverged"
    if len(done) < len(members):
        text += f" {DIVERGED}"
    if len(members) != expected:
        text += f" (n={len(values)})"
    missing = len(done) - len(values)
    return text, f"{missing} of {len(done)}" if missing else ""


def _done(results, row, column):
    members = results.by_seed(row, column.column)
    return {s: r for s, r in members.items() if r.status == "done"}


def _change(pairs, expected, ratio):
    """Returns the text of a cell of `paired_table`."""
    changes = [a - b for a, b in pairs if None not in (a, b)]
    count = len(changes)
    if count < 2:
        return "-"
    width = float(special.stdtrit(count - 1, 0.975)) * statistics.stdev(changes)
    return (
        f"{statistics.fmean(changes):+.3f} ± {width * count**-0.5:.3f} "
        f"(± {width * (1 / count + ratio) ** 0.5:.3f})"
        + (f" (n={count})" if count < expected else "")
    )


def _about_data(results):
    """Returns a warning of mixed data, or what qualifies all of the data."""
    sources, rows = {}, collections.defaultdict(dict)
    of_column = collections.defaultdict(set)
    for cell, record in results.found:
        data = record.data
        # The same bytes may come from several places.
        source = data.get("source", "")
        source = sources.setdefault(data.get("checksum", source), source)
        train, test = data["train_size"], data["test_size"]
        sizes = f"({train:,} to train, {test:,} to test)"
        kind = source, data.get("note", ""), sizes
        rows[kind][cell.row] = None
        of_column[cell.column].add(kind)
    # Columns may be different parts of the same data.
    origins = {(source, note) for source, note, _ in rows}
    if len(origins) > 1 or any(len(kinds) > 1 for kinds in of_column.values()):
        listed = [
            f"{note or source} {sizes} in {', '.join(names)}"
            for (source, note, sizes), names in rows.items()
        ]
        return [f"Not comparable, the data are mixed: {'; '.join(listed)}."]
    return [f"{note} {sizes}." for _, note, sizes in rows if note]


def _frame(rows, columns, corner):
    headers = pd.Index([column.header for column in columns], name=corner)
    return pd.DataFrame.from_dict(rows, orient="index", columns=headers)


def _latex_escape(text):
    # tabulate escapes cells alone. Two hyphens would become one dash.
    rules = str.maketrans(tabulate.LATEX_ESCAPE_RULES)
    return text.translate(rules).replace("--", "-{}-")
