"""The one driver of all scripts: flags, records, runs, and what is shown.

A script is a `Table` or a `Figure` and a call of `main`. The driver parses the
flags, gathers the records that there are, runs the cells that are missing,
shows the result, and says which command fills a `-`.
"""

import argparse
import dataclasses
import pathlib
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from reproduce.experiment import (
    flags,
    hints,
    pages,
    plots,
    records,
    run_files,
    sweep,
    tables,
)
from reproduce.experiment.profile import Profile, with_changes
from reproduce.experiment.results import Cell, Results
from reproduce.experiment.settings import parse
from reproduce.experiment.sources import Source

ROOT = pathlib.Path(__file__).parents[2]
# Of records the best profile is shown, unless one is named.
BEST_FIRST = ("fast", "paper", "quick")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Experiment:
    """The cells of a table or a figure.

    Args:
        name: name of the script.
        description: what the script does.
        cells: function from a profile's name, and by keyword `seeds`,
            `variances` and a choice of the source, to a list of `Cell`.
        profiles: profiles by name.
        source: where the data come from.
        variances: the color variances that can be asked for. Defaults to
            `None`: the experiment has none.
        usual_variances: those that are shown if none are asked for. Defaults
            to `None`, the profile's.
        usual_seeds: number of seeds if none is asked for. Defaults to `None`,
            the profile's.
        train: function of one run, as `run.train`. Defaults to `None`, that.
    """

    name: str
    description: str
    cells: Callable[..., list[Cell]]
    profiles: Mapping[str, Profile]
    source: Source = dataclasses.field(default_factory=Source)
    variances: Sequence[float] | None = None
    usual_variances: Sequence[float] | None = None
    usual_seeds: int | None = None
    train: Callable[..., Any] | None = None

    def show(self, results: Results, options: argparse.Namespace) -> int:
        """Shows the results; returns the exit code."""
        raise NotImplementedError

    def add_flags(self, parser: argparse.ArgumentParser) -> None:
        """Adds the flags of what is shown."""
        raise NotImplementedError

    def usual(self, options: argparse.Namespace) -> dict[str, Any]:
        """What flags stand for if they are not given, by name."""
        profile = self.profiles[options.profile]
        return {
            "methods": None,
            "variances": self.usual_variances and list(self.usual_variances),
            "seeds": self.usual_seeds or profile.seeds,
            "set": None,
            # The best data, which `gather` prefers.
            **self.source.choices[0],
        }

    def make_cells(
        self, options: argparse.Namespace, choice: Mapping[str, Any]
    ) -> list[Cell]:
        """Makes the cells that the flags ask for."""
        asked = dict(choice)
        if self.variances:
            asked["variances"] = options.variances or self.usual_variances
        made = self.cells(
            options.profile, seeds=options.seeds or self.usual_seeds, **asked
        )
        if not made:
            # The profile is of other data.
            return []
        if options.methods:
            rows = list(dict.fromkeys(cell.row for cell in made))
            unknown = [row for row in options.methods if row not in rows]
            if unknown:
                raise ValueError(
                    f"There is no such row in {self.name}, profile "
                    f"{options.profile}. Expected: some of {rows}. Received: "
                    f"{unknown}. Correct --methods or choose another profile."
                )
            made = [cell for cell in made if cell.row in options.methods]
        if options.set:
            pairs = list(map(parse, options.set))
            seeds = {cell.settings.seed for cell in made}
            changes = dict(pairs)
            made = with_changes(made, changes)
            if len(changes) < len(pairs) or ("seed" in changes and len(seeds) > 1):
                raise ValueError(
                    "--set gives each setting one value, and a seed to one run per "
                    "cell. Expected: different names, and seed with --seeds 1 alone. "
                    f"Received: {options.set}. Leave out what is too much."
                )
        return made


@dataclasses.dataclass(frozen=True, kw_only=True)
class Table(Experiment):
    """A table, or several one below the other.

    Args:
        tables: function from the results, a title that ends with the profile
            and what differs from it, and notes to show below, to a list of
            `tables.Table`.
    """

    tables: Callable[[Results, str, list[str]], list[tables.Table]]

    def add_flags(self, parser: argparse.ArgumentParser) -> None:
        """Adds `--format` and `--update-docs`."""
        flags.add_table_flags(parser)

    def show(self, results: Results, options: argparse.Namespace) -> int:
        """Prints the tables, and writes them into their page if asked.

        Their page is the one with the markers of their block.
        """
        title = f"profile {in_words(options)}"
        # Rows may come from several profiles.
        own = dict.fromkeys(cell.note for cell in results.cells if cell.note)
        notes = [*hints.filling_notes(self, options, results), *own]
        made = self.tables(results, title, notes)
        if options.update_docs:
            words = pages.choice_words(options, **self.usual(options))
            block = " ".join([self.name, *words])
            pages.update(
                pages.find(ROOT, block),
                block,
                "\n\n".join(table.render("markdown") for table in made),
            )
        print("\n\n".join(table.render(options.format) for table in made))
        return 1 if results.error else 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Figure(Experiment):
    """A figure.

    Args:
        draw: function from results to a matplotlib figure and its points. It
            raises a ValueError where there is nothing to draw.
        choose: function from results to those that can be drawn. It raises a
            ValueError where there are none. Defaults to all.
    """

    draw: Callable[[Results], tuple[Any, Any]]
    choose: Callable[[Results], Results] = lambda results: results

    def add_flags(self, parser: argparse.ArgumentParser) -> None:
        """Adds `--figures-dir`."""
        flags.add_figure_flags(parser)

    def show(self, results: Results, options: argparse.Namespace) -> int:
        """Draws the figure and writes its files."""
        for note in hints.filling_notes(self, options, results):
            print(note, file=sys.stderr)
        try:
            drawn = self.choose(results)
            figure, points = self.draw(drawn)
        except ValueError as problem:
            if not results.error:
                raise
            print(f"Nothing is drawn. {problem}", file=sys.stderr)
            return 1
        words = pages.choice_words(options, **self.usual(options))
        path = pathlib.Path(options.figures_dir, pages.file_stem(self.name, *words))
        about = plots.about(drawn, in_words(options))
        figure.suptitle(about, fontsize="medium")
        runs = [record.id for _, record in drawn.found]
        plots.write(figure, {"about": about, "runs": runs, "points": points}, path)
        print(f"{path}.png, .pdf and .json")
        return 1 if results.error else 0


def main(experiment: Experiment, argv: Sequence[str] | None = None) -> int:
    """Runs what is missing of an experiment and shows it.

    Args:
        experiment: the `Table` or `Figure`.
        argv: flags. Defaults to those of the command line.

    Returns:
        The exit code: 0; 1 if cells failed. Flags that cannot be followed and
        records that cannot be shown end the program with 2.
    """
    parser = flags.make_parser(
        experiment.description, experiment.profiles, experiment.variances
    )
    experiment.add_flags(parser)
    options = flags.parse(parser, argv)
    with flags.errors_told(parser):
        _check_outputs(options)
        if not (options.from_records or options.dry_run):
            hints.tell(f"{experiment.name}: looking for its data and finished runs.")
        results = gather(experiment, options)
        if options.dry_run:
            print(results.listing())
            return 0
        if not options.from_records:
            for cell in results.missing:
                directory = run_files.directory(cell.settings, options.output_dir)
                records.check_writable(directory)
            hints.tell(hints.beginning(options, results))
            results = run(experiment, results.cells, options)
        if results.error:
            hints.tell(results.error)
        code = experiment.show(results, options)
        if not results.missing:
            hints.tell(hints.next_step(experiment, options))
        return code


def gather(experiment: Experiment, options: argparse.Namespace) -> Results:
    """Reads the records of an experiment's cells, before any is run.

    Without a profile among the flags it is `quick` where there is one, and of
    released records the best that they have. Of these, the data are taken that
    most records are of, and of a machine the best data that it has. Both
    choices are written into `options`.

    Raises:
        ValueError: if a record is damaged, or there is none to show.
        FileNotFoundError: if there are no data or no directory of records.
    """
    if options.from_records:
        return _gather_released(experiment, options)
    known = experiment.profiles
    options.profile = options.profile or next(
        name for name in ("quick", *BEST_FIRST) if name in known
    )
    choice = experiment.source.find(options)
    vars(options).update(choice)
    cells = experiment.make_cells(options, choice)
    settings = [cell.settings for cell in cells]
    done = sweep.finished(settings, options.output_dir)
    return Results(cells, {record.id: record for record in done})


def run(
    experiment: Experiment, cells: Sequence[Cell], options: argparse.Namespace
) -> Results:
    """Runs the cells that are missing; one that fails does not stop others."""
    settings = [cell.settings for cell in cells]
    error = None
    try:
        found = sweep.run(
            settings,
            output_dir=options.output_dir,
            data_dir=experiment.source.prepare(settings, options),
            jobs=options.jobs,
            devices=options.devices,
            backend=options.backend,
            address=options.address,
            train=experiment.train,
        )
    except sweep.SweepError as failed:
        found, error = failed.records, failed
    return Results(cells, {record.id: record for record in found}, error)


def in_words(options: argparse.Namespace) -> str:
    """Returns the profile, and what `--set` changes in it."""
    changes = f" with {', '.join(options.set)}" if options.set else ""
    return f"{options.profile}{changes}"


def _check_outputs(options):
    """Checks where results are written to, before any work."""
    if options.dry_run:
        return
    if not options.from_records:
        records.check_writable(options.output_dir)
    if "figures_dir" in options:
        records.check_writable(options.figures_dir)


def _gather_released(experiment, options):
    held = {r.id: r for r in records.read_all(options.from_records)}
    asked = [options.profile]
    if options.profile is None:
        asked = [name for name in BEST_FIRST if name in experiment.profiles]
    for profile in asked:
        options.profile = profile
        choice, results = max(
            (
                (choice, Results(experiment.make_cells(options, choice), held))
                for choice in experiment.source.choices
            ),
            key=lambda pair: (len(pair[1].found), len(pair[1].cells) > 0),
        )
        vars(options).update(choice)
        if results.found or options.dry_run:
            return results
    raise ValueError(
        f"No records of {experiment.name}, profile {' or '.join(asked)}, in "
        f"{options.from_records}. Expected: at least one of "
        f"{len(results.cells)} cells. Received: {len(held)} records of other "
        "runs. Choose another profile or directory."
    )
