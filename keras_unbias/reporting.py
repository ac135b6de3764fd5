"""Tables made of records: pure functions of them, no TensorFlow."""

import collections
import dataclasses
import statistics

import pandas
import tabulate
from scipy import stats

FORMATS = ("text", "markdown", "latex")
DIVERGED = "†"
LATEX_ESCAPES = str.maketrans(
    {
        **{character: f"\\{character}" for character in "&%$#_{}"},
        **{"\\": r"\textbackslash{}", "~": r"\~{}", "^": r"\^{}"},
        **{"±": r"$\pm$", "†": r"\dag{}"},
    }
)


@dataclasses.dataclass(frozen=True)
class Table:
    """A table that is ready to be read.

    Args:
        caption: list of lines above the table; what qualifies all of it
            comes first.
        ours: `pandas.DataFrame` of strings, a row for each method.
        published: `pandas.DataFrame` of strings with the same columns, or
            without rows.
        notes: list of lines below the table.
    """

    caption: list
    ours: pandas.DataFrame
    published: pandas.DataFrame
    notes: list

    def render(self, format="text"):
        """Renders the table.

        Args:
            format: one of `"text"`, `"markdown"` and `"latex"`. LaTeX needs
                the package `booktabs`.

        Returns:
            A string without a line feed at its end.

        Raises:
            ValueError: If there is no such format.
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
        # A line of dashes inside a Markdown table would be a row of text.
        escaped = dataclasses.replace(
            self,
            ours=_markdown_escape(self.ours),
            published=_markdown_escape(self.published),
        )
        grid = escaped._grid("github", [""])
        notes = [f"- {note}" for note in self.notes]
        caption = "\n\n".join(f"**{line}**" for line in self.caption)
        return "\n".join([caption, "", grid, "", *notes]).rstrip()

    def _latex(self):
        notes = [rf"\par {_latex_escape(note)}" for note in self.notes]
        grid = self._grid("latex_booktabs", tabulate.SEPARATING_LINE)
        return "\n".join(
            [
                r"\begin{table}",
                r"\centering",
                rf"\caption{{{_latex_escape(' '.join(self.caption))}}}",
                # tabulate has escaped all but these.
                grid.replace("±", r"$\pm$").replace("†", r"\dag{}"),
                r"\footnotesize",
                *notes,
                r"\end{table}",
            ]
        )

    def _grid(self, tablefmt, separator):
        rows = list(self.ours.itertuples(name=None))
        if len(self.published):
            rows += [separator, *self.published.itertuples(name=None)]
        return tabulate.tabulate(
            rows,
            headers=[self.ours.columns.name, *self.ours.columns],
            tablefmt=tablefmt,
            disable_numparse=True,
        )


def variance_table(
    records, *, title, rows, variances, seeds, published=None, notes=()
):
    """Test accuracy by method and color variance.

    A cell is the mean over seeds, with the standard deviation (of the
    sample, n - 1) where there are several. Diverged runs are never in a mean:
    they are marked and counted below the table. A cell without records is
    `-`; one with another number of seeds than `seeds` says how many are in
    its mean.

    Args:
        records: list of `keras_unbias.runs.Record`, those of the table alone.
        title: first words of the caption.
        rows: list of row names, in order, as in `RunConfig.row`.
        variances: list of floats, the columns.
        seeds: list of ints, the seeds that each cell should have.
        published: dict from names to dicts from variances to `(mean,)` or
            `(mean, standard deviation)`; what is not there is `-`. Defaults
            to none.
        notes: further lines below the table.

    Returns:
        A `Table`.

    Raises:
        ValueError: If there are several records of one cell and seed, or if
            a finished run has no test accuracy.
    """
    cells = _cells(records)
    ours = {
        row: [_cell(cells[row, variance], len(seeds)) for variance in variances]
        for row in rows
    }
    others = _published(published, variances)
    footnote = _diverged(cells, rows, variances)
    return Table(
        caption=[*_data(records), f"{title}: {_statistic(seeds)}."],
        ours=_frame(ours, variances),
        published=_frame(others, variances),
        notes=[*footnote, *notes],
    )


def metric_table(
    records, *, title, rows, columns, seeds, published=None, notes=()
):
    """Several numbers of each method, over the same seeds.

    A cell is the mean over seeds with their standard deviation, as in
    `variance_table`. A number that no run of a row has is `-`; seeds where it
    is not defined are left out of the mean, and counted below the table.

    Args:
        records: list of `keras_unbias.runs.Record`, those of the table alone.
        title: first words of the caption.
        rows: list of row names, in order, as in `RunConfig.row`.
        columns: dict from headers to functions from a record to a float, or
            to `None` where it has no such number.
        seeds: list of ints, the seeds that each cell should have.
        published: dict from names to dicts from headers to `(mean,)` or
            `(mean, standard deviation)`; what is not there is `-`. Defaults
            to none.
        notes: further lines below the table.

    Returns:
        A `Table`.

    Raises:
        ValueError: If there are several records of one row and seed.
    """
    cells = _by_row(records)
    ours, undefined = {}, []
    for row in rows:
        ours[row] = []
        for header, value in columns.items():
            members = cells.get(row, {})
            values = {
                seed: value(r)
                for seed, r in members.items()
                if r.status == "done"
            }
            found = [v for v in values.values() if v is not None]
            missing = len(values) - len(found)
            if found and missing:
                undefined.append(
                    f"{header} of {row}, {missing} of {len(values)}"
                )
            # Where all runs diverged the cell says so.
            told = found or (members and not values)
            count, expected = len(members) - missing, len(seeds) - missing
            ours[row].append(_summary(found, count, expected) if told else "-")
    diverged = {
        row: [r for r in cells.get(row, {}).values() if r.status == "diverged"]
        for row in rows
    }
    footnotes = (
        [f"Not defined, and left out: {'; '.join(undefined)} seeds."]
        if undefined
        else []
    )
    footnotes += [
        f"{DIVERGED} Diverged and left out: {row}, {len(bad)} of "
        f"{len(cells[row])} seeds."
        for row, bad in diverged.items()
        if bad
    ]
    others = _published(published, columns)
    index = pandas.Index(list(columns), name="method")
    return Table(
        caption=[*_data(records), f"{title}: {_statistic(seeds)}."],
        ours=pandas.DataFrame.from_dict(ours, orient="index", columns=index),
        published=pandas.DataFrame.from_dict(
            others, orient="index", columns=index
        ),
        notes=[*footnotes, *notes],
    )


def beside(tables):
    """Puts tables of the same rows side by side.

    Args:
        tables: list of `Table`, whose headers differ.

    Returns:
        A `Table` with the caption of the first and the notes of all.
    """

    def together(name):
        frames = [getattr(table, name) for table in tables]
        joined = pandas.concat(frames, axis=1).fillna("-")
        return joined.rename_axis(columns=frames[0].columns.name)

    def lines(name):
        return [line for table in tables for line in getattr(table, name)]

    return Table(
        caption=list(dict.fromkeys(lines("caption"))),
        ours=together("ours"),
        published=together("published"),
        notes=list(dict.fromkeys(lines("notes"))),
    )


def paired_table(records, *, title, rows, reference, columns, ratio):
    """Changes against one row, on the same seeds.

    A cell is the mean of the differences, seed by seed, and the half width
    of its 95 % t-interval over the seeds. Where seeds are random splits of
    the same rows they are not independent: a second half width, in brackets,
    has the variance corrected as in Nadeau and Bengio, "Inference for the
    Generalization Error", Machine Learning 2003: `(1/n + ratio) s^2`.

    Args:
        records: as in `metric_table`.
        title: first words of the caption.
        rows: list of row names, in order.
        reference: the row that others are compared with.
        columns: as in `metric_table`.
        ratio: float, test rows over training rows of a split.

    Returns:
        A `Table` of the rows that share two seeds or more with `reference`; a
        cell of fewer seeds than `reference` has says of how many.

    Raises:
        ValueError: If there are several records of one row and seed.
    """
    cells = _by_row(r for r in records if r.status == "done")
    base = cells.get(reference, {})
    ours = {}
    for row in rows:
        shared = sorted(base.keys() & cells.get(row, {}).keys())
        if row == reference or len(shared) < 2:
            continue
        ours[row] = []
        for value in columns.values():
            pairs = [(value(cells[row][s]), value(base[s])) for s in shared]
            changes = [a - b for a, b in pairs if None not in (a, b)]
            text = _interval(changes, ratio) if len(changes) > 1 else "-"
            if 1 < len(changes) < len(base):
                text += f" (n={len(changes)})"
            ours[row].append(text)
    index = pandas.Index(list(columns), name=f"change from {reference}")
    return Table(
        caption=[
            f"{title}: mean change over {len(base)} splits ± 95 % interval (in "
            "brackets: corrected for the rows that splits share)."
        ],
        ours=pandas.DataFrame.from_dict(ours, orient="index", columns=index),
        published=pandas.DataFrame(columns=index),
        notes=[],
    )


def _interval(changes, ratio):
    mean, count = statistics.fmean(changes), len(changes)
    width = float(stats.t.ppf(0.975, count - 1)) * statistics.stdev(changes)
    return (
        f"{mean:+.3f} ± {width * count**-0.5:.3f} "
        f"(± {width * (1 / count + ratio) ** 0.5:.3f})"
    )


def _by_row(records):
    """Records by row and seed, checked to have each seed once."""
    cells = collections.defaultdict(dict)
    for record in records:
        config = record.config
        other = cells[config.row].setdefault(config.seed, record)
        if other is not record:
            raise _twice(other, record)
    return cells


def mean_and_deviation(mean, deviation=None):
    """Writes `0.864 ± 0.052`, or the mean alone."""
    return f"{mean:.3f}" + ("" if deviation is None else f" ± {deviation:.3f}")


def replace_block(text, name, content):
    """Replaces what stands between two markers.

    Args:
        text: string with `<!-- name -->` and, after it, `<!-- /name -->`.
        name: name of the block.
        content: what is to stand between the markers.

    Returns:
        The new string.

    Raises:
        ValueError: If the markers are not there just once, in this order.
    """
    start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    head, found, rest = text.partition(start)
    _, closed, tail = rest.partition(end)
    if not closed or start in rest or end in head + tail:
        raise ValueError(
            f"The text has no block '{name}'. Expected: one {start} and after "
            f"it one {end}. Received: {text.count(start)} and "
            f"{text.count(end)} of them. Add the markers where the block "
            "belongs."
        )
    return f"{head}{start}\n{content}\n{end}{tail}"


def _published(published, columns):
    return {
        f"{name} (published)": [
            mean_and_deviation(*values[column]) if column in values else "-"
            for column in columns
        ]
        for name, values in (published or {}).items()
    }


def _markdown_escape(frame):
    def escape(text):
        return text.replace("|", r"\|")

    return frame.map(escape).rename(index=escape, columns=escape)


def _latex_escape(text):
    # Two hyphens would become one dash.
    return text.translate(LATEX_ESCAPES).replace("--", "-{}-")


def _cells(records):
    """Records by (row, variance), checked to have each seed once."""
    cells = collections.defaultdict(list)
    for record in records:
        config = record.config
        cell = cells[config.row, config.settings["color_variance"]]
        for other in cell:
            if other.config.seed == config.seed:
                raise _twice(other, record)
        if record.status == "done" and "test_accuracy" not in record.metrics:
            raise ValueError(
                "A finished run has no test accuracy. Expected: "
                f"'test_accuracy' in its metrics. Received: {config.run_id} "
                f"with {sorted(record.metrics)}. Leave it out of this table."
            )
        cell.append(record)
    return cells


def _twice(one, other):
    return ValueError(
        "A cell has two records of one seed. Expected: one recipe in a table. "
        f"Received: {one.config.run_id} and {other.config.run_id}. Move the "
        "one that is out of date away."
    )


def _cell(records, expected):
    if not records:
        return "-"
    values = [
        record.metrics["test_accuracy"]
        for record in records
        if record.status == "done"
    ]
    return _summary(values, len(records), expected)


def _summary(values, count, expected):
    """The values of a cell with `count` records that should be `expected`."""
    if len(values) > 1:
        text = mean_and_deviation(
            statistics.fmean(values), statistics.stdev(values)
        )
    else:
        text = mean_and_deviation(*values) if values else "diverged"
    if len(values) < count:
        text += f" {DIVERGED}"
    if count != expected:
        text += f" (n={len(values)})"
    return text


def _diverged(cells, rows, variances):
    counts = []
    for row in rows:
        for variance in variances:
            cell = cells[row, variance]
            count = sum(record.status == "diverged" for record in cell)
            if count:
                counts.append(
                    f"{row} at {variance:.3f}, {count} of {len(cell)} seeds"
                )
    if not counts:
        return []
    return [f"{DIVERGED} Diverged and left out: {'; '.join(counts)}."]


def _data(records):
    """What the caption must say of the data; nothing if it is all of one."""
    rows, sources = collections.defaultdict(dict), {}
    for record in records:
        data = record.data
        # The same bytes may come from several places.
        source = sources.setdefault(
            data.get("checksum", data["source"]), data["source"]
        )
        train, test = data["train_size"], data["test_size"]
        sizes = f"({train:,} to train, {test:,} to test)"
        kind = source, data.get("note", ""), sizes
        rows[kind][record.config.row] = None
    if len(rows) > 1:
        kinds = [
            f"{note or source} {sizes} in {', '.join(names)}"
            for (source, note, sizes), names in rows.items()
        ]
        return [f"Not comparable, the data are mixed: {'; '.join(kinds)}."]
    return [f"{note} {sizes}." for _, note, sizes in rows if note]


def _statistic(seeds):
    if len(seeds) == 1:
        return f"seed {seeds[0]}, one run per cell"
    listed = ", ".join(map(str, seeds))
    if len(seeds) > 5 and seeds == list(range(seeds[0], seeds[-1] + 1)):
        listed = f"{seeds[0]} to {seeds[-1]}"
    return f"mean ± standard deviation over the seeds {listed}"


def _frame(rows, variances):
    columns = pandas.Index(
        [f"{variance:.3f}" for variance in variances], name="color variance"
    )
    return pandas.DataFrame.from_dict(rows, orient="index", columns=columns)
