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
    cells = _cells(records, lambda c: (c.row, c.settings["color_variance"]))
    named = {
        (row, variance): cells[row, variance]
        for row in rows
        for variance in variances
    }
    ours = {
        row: [
            _cell(named[row, variance], _test_accuracy, len(seeds))[0]
            for variance in variances
        ]
        for row in rows
    }
    footnotes = _diverged(
        {f"{row} at {variance:.3f}": c for (row, variance), c in named.items()}
    )
    headers = [f"{variance:.3f}" for variance in variances]
    others = _published(published, variances)
    return Table(
        caption=[*_data(records), f"{title}: {_statistic(seeds)}."],
        ours=_frame(ours, headers, "color variance"),
        published=_frame(others, headers, "color variance"),
        notes=[*footnotes, *notes],
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
    cells = _cells(records, lambda c: c.row)
    ours, undefined = {row: [] for row in rows}, []
    for row in rows:
        for header, value in columns.items():
            text, left_out = _cell(cells[row], value, len(seeds))
            ours[row].append(text)
            if left_out:
                undefined.append(f"{header} of {row}, {left_out}")
    footnotes = []
    if undefined:
        listed = "; ".join(undefined)
        footnotes.append(f"Not defined, and left out: {listed} seeds.")
    footnotes += _diverged({row: cells[row] for row in rows})
    others = _published(published, columns)
    return Table(
        caption=[*_data(records), f"{title}: {_statistic(seeds)}."],
        ours=_frame(ours, columns, "method"),
        published=_frame(others, columns, "method"),
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
    done = [r for r in records if r.status == "done"]
    cells = _cells(done, lambda c: c.row)
    base = cells[reference]
    ours = {}
    for row in rows:
        shared = sorted(base.keys() & cells[row].keys())
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
    corner = f"change from {reference}"
    return Table(
        caption=[
            f"{title}: mean change over {len(base)} splits ± 95 % interval (in "
            "brackets: corrected for the rows that splits share)."
        ],
        ours=_frame(ours, columns, corner),
        published=_frame({}, columns, corner),
        notes=[],
    )


def _interval(changes, ratio):
    mean, count = statistics.fmean(changes), len(changes)
    width = float(stats.t.ppf(0.975, count - 1)) * statistics.stdev(changes)
    return (
        f"{mean:+.3f} ± {width * count**-0.5:.3f} "
        f"(± {width * (1 / count + ratio) ** 0.5:.3f})"
    )


def mean_and_deviation(mean, deviation=None):
    """Writes `0.864 ± 0.052`, or the mean alone."""
    return f"{mean:.3f}" + ("" if deviation is None else f" ± {deviation:.3f}")


def seeds_in_words(seeds):
    """Writes `seed 1`, `seeds 1, 2, 3` or `seeds 1 to 100`, of sorted ints."""
    if len(seeds) == 1:
        return f"seed {seeds[0]}"
    if len(seeds) > 5 and seeds == list(range(seeds[0], seeds[-1] + 1)):
        return f"seeds {seeds[0]} to {seeds[-1]}"
    return f"seeds {', '.join(map(str, seeds))}"


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


def _cells(records, key):
    """Records by a key of their configuration, then by seed.

    Checked to have each seed once.
    """
    cells = collections.defaultdict(dict)
    for record in records:
        config = record.config
        other = cells[key(config)].setdefault(config.seed, record)
        if other is not record:
            raise ValueError(
                "A cell has two records of one seed. Expected: one recipe in "
                f"a table. Received: {other.config.run_id} and "
                f"{config.run_id}. Move the one that is out of date away."
            )
    return cells


def _test_accuracy(record):
    if "test_accuracy" not in record.metrics:
        raise ValueError(
            "A finished run has no test accuracy. Expected: 'test_accuracy' "
            f"in its metrics. Received: {record.config.run_id} with "
            f"{sorted(record.metrics)}. Leave it out of this table."
        )
    return record.metrics["test_accuracy"]


def _cell(members, value, expected):
    """What a cell says of its records, and how many it leaves out.

    Left out are finished runs without such a number: "1 of 3", or nothing
    where all have it, or none.
    """
    done = [value(r) for r in members.values() if r.status == "done"]
    values = [v for v in done if v is not None]
    if not members or (done and not values):
        return "-", ""
    if len(values) > 1:
        text = mean_and_deviation(
            statistics.fmean(values), statistics.stdev(values)
        )
    else:
        text = mean_and_deviation(*values) if values else "diverged"
    if len(done) < len(members):
        text += f" {DIVERGED}"
    if len(members) != expected:
        text += f" (n={len(values)})"
    missing = len(done) - len(values)
    return text, f"{missing} of {len(done)}" if missing else ""


def _diverged(cells):
    """The note on runs that diverged, of cells by name; a list."""
    counts = []
    for name, members in cells.items():
        count = sum(r.status == "diverged" for r in members.values())
        if count:
            counts.append(f"{name}, {count} of {len(members)} seeds")
    listed = "; ".join(counts)
    return [f"{DIVERGED} Diverged and left out: {listed}."] if counts else []


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
        return f"{seeds_in_words(seeds)}, one run per cell"
    return f"mean ± standard deviation over the {seeds_in_words(seeds)}"


def _frame(rows, columns, corner):
    index = pandas.Index(list(columns), name=corner)
    return pandas.DataFrame.from_dict(rows, orient="index", columns=index)
