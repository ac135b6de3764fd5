"""The flags of every script."""

import argparse
import contextlib
import os
import pathlib
import select
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from reproduce.experiment import clusters, records, settings, tables

FIGURES = pathlib.Path(__file__).parents[2] / "figures"
MOST = 1000


def make_parser(
    description: str, profiles: Iterable[str], variances: Sequence[float] | None = None
) -> argparse.ArgumentParser:
    """Makes the parser of the flags that all scripts have.

    Args:
        description: what the script does.
        profiles: names of the profiles.
        variances: color variances that can be asked for. Defaults to `None`:
            there is no such flag.
    """
    parser = argparse.ArgumentParser(description=description)
    add = parser.add_argument
    names = list(profiles)
    add(
        "--profile",
        type=one_of(names),
        help=f"{', '.join(names)}; default quick, where there is one, and of "
        "records the best",
    )
    add("--methods", nargs="+", metavar="ROW", help="rows; default all")
    if variances:
        add(
            "--variances",
            type=one_of(variances, float),
            nargs="+",
            metavar="VARIANCE",
            help="color variances; default the profile's",
        )
    add("--seeds", type=count, help="how many; default the profile's")
    add(
        "--set",
        type=_setting,
        nargs="+",
        metavar="NAME=VALUE",
        help="settings of all chosen cells, e.g. mi_weight=0.5 batch_size=64",
    )
    add("--jobs", type=count, help="runs at a time; default all cores")
    add(
        "--devices",
        type=count,
        help="of one run; default all GPUs of the job, 1 without a GPU",
    )
    add(
        "--backend",
        type=one_of(clusters.BACKENDS),
        default="loky",
        help=f"{', '.join(clusters.BACKENDS)}; default loky, processes here",
    )
    add(
        "--address",
        type=_address,
        help="of a Ray or Dask cluster; default one started here",
    )
    add("--data-dir", type=path, help="of the data; default: download")
    add("--output-dir", type=path, default="runs", help="of all runs")
    add("--from-records", type=path, metavar="DIR", help="only show records")
    add("--dry-run", action="store_true", help="only list the cells")
    return parser


def add_table_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of what is shown as a table."""
    parser.add_argument(
        "--format",
        type=one_of(tables.FORMATS),
        default="text",
        help=f"{', '.join(tables.FORMATS)}; default text",
    )
    parser.add_argument(
        "--update-docs",
        action="store_true",
        help="write the table of --from-records into its page",
    )


def add_figure_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flag of where a figure is written."""
    parser.add_argument(
        "--figures-dir", type=path, default=str(FIGURES), help="where to"
    )


def draw_figure(
    parser: argparse.ArgumentParser,
    draw: Callable[[argparse.Namespace], None],
    argv: Sequence[str] | None,
) -> int:
    """Parses the flags of a figure that shows no records, and draws it.

    Args:
        parser: the parser, without `add_figure_flags`.
        draw: function from the flags that draws the figure and writes it.
        argv: flags. Defaults to `None`, those of the command line.

    Returns:
        The exit code, 0.
    """
    add_figure_flags(parser)
    options = parser.parse_args(argv)
    with errors_told(parser):
        draw(options)
    return 0


def parse(
    parser: argparse.ArgumentParser, argv: Sequence[str] | None
) -> argparse.Namespace:
    """Parses flags, and checks what argparse alone cannot."""
    options = parser.parse_args(argv)
    try:
        clusters.check_address(options.backend, options.address)
    except ValueError as problem:
        parser.error(f"argument --address: {problem}")
    if getattr(options, "update_docs", False):
        _check_update(parser, options)
    for flag in ("methods", "variances"):
        if getattr(options, flag, None):
            setattr(options, flag, list(dict.fromkeys(getattr(options, flag))))
    return options


@contextlib.contextmanager
def errors_told(parser: argparse.ArgumentParser) -> Iterator[None]:
    """Ends the program with a message and 2 where its work cannot be done.

    A reader of its output that has seen enough, as in `| head`, ends it with 1.
    """
    try:
        yield
        sys.stdout.flush()
    except (ImportError, OSError, ValueError) as problem:
        # Workers have pipes, too.
        if isinstance(problem, BrokenPipeError) and _has_no_reader(sys.stdout):
            # Python flushes once more at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(1)
        parser.error(str(problem))


def one_of(
    values: Iterable[Any], convert: Callable[[str], Any] = str
) -> Callable[[str], Any]:
    """Makes the type of a flag that takes one of some values."""
    known = list(values)

    def parse_one(text: str) -> Any:
        try:
            value = convert(text)
        except ValueError:
            value = text
        if value not in known:
            raise argparse.ArgumentTypeError(
                f"Expected: one of {known}. Received: {value!r}."
            )
        return value

    return parse_one


def count(text: str) -> int:
    """Is the type of a flag that counts, from 1 to `MOST`."""
    # Python does not read integers of very many digits.
    number = int(text) if text.isdecimal() and len(text) < 10 else 0
    if not 1 <= number <= MOST:
        raise argparse.ArgumentTypeError(
            f"Expected: an integer in 1..{MOST}. Received: {settings.shorten(text)}."
        )
    return number


def path(text: str) -> str:
    """Is the type of a flag that names a directory."""
    return _filled(text, "the path of a directory")


def _has_no_reader(stream):
    pipe = select.poll()
    pipe.register(stream, 0)
    return any(state & select.POLLERR for _, state in pipe.poll(0))


def _address(text):
    return _filled(text, "the address of a cluster")


def _filled(text, expected):
    if not text.strip() or "\0" in text:
        raise argparse.ArgumentTypeError(f"Expected: {expected}. Received: {text!r}.")
    return text


def _setting(text):
    try:
        settings.parse(text)
    except ValueError as problem:
        raise argparse.ArgumentTypeError(str(problem)) from problem
    return text


def _check_update(parser, options):
    received = options.from_records
    if not received or os.path.realpath(received) != str(records.RELEASED):
        parser.error(
            "argument --update-docs: the pages show released records. "
            f"Expected: --from-records {records.RELEASED}. Received: "
            f"{received}."
        )
    for flag in ("dry_run", "methods", "variances", "set"):
        if getattr(options, flag, None):
            parser.error(
                "argument --update-docs: the pages show whole tables. "
                f"Expected: no --{flag.replace('_', '-')}. Received: "
                f"{getattr(options, flag)}."
            )
