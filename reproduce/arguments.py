"""The flags of every table and figure script."""

import argparse
import pathlib

from keras_unbias import reporting
from reproduce import clusters, release


def make_parser(
    description,
    *,
    profiles,
    variances=None,
    default="fast",
    usual_variances=None,
    usual_seeds=None,
):
    """Makes the parser of what tables and figures have in common.

    Args:
        description: what the script does.
        profiles: iterable of profile names.
        variances: list of floats, the color variances there are. `None` (the
            default) for what has none.
        default: name of the profile if none is named, or `None`. Defaults
            to `"fast"`.
        usual_variances: those that are taken if none are named. Defaults to
            the profile's.
        usual_seeds: how many seeds are taken if no number is named. Defaults
            to the profile's.

    Returns:
        An `argparse.ArgumentParser`, for `parse`.
    """
    parser = argparse.ArgumentParser(description=description)
    add = parser.add_argument
    add(
        "--profile",
        type=_one_of(list(profiles)),
        default=default,
        help=f"{', '.join(profiles)}; default {default or 'see below'}",
    )
    if variances:
        add(
            "--variances",
            type=_list_of(_one_of(variances, float)),
            nargs="+",
            metavar="VARIANCE",
            help="color variances; default "
            + (", ".join(map(str, usual_variances or ())) or "the profile's"),
        )
    number = usual_seeds or "the profile's"
    add("--seeds", type=positive, help=f"how many; default {number}")
    add("--jobs", type=positive, help="runs at a time; default all cores")
    add(
        "--backend",
        type=_one_of(clusters.BACKENDS),
        default="loky",
        help=f"{', '.join(clusters.BACKENDS)}; default loky, processes here",
    )
    add("--address", help="of a Ray or Dask cluster; default one started here")
    add("--data-dir", help="directory with the data; default: download")
    add("--output-dir", default="runs", help="directory of all runs")
    add("--from-records", metavar="DIR", help="only show what is there")
    add("--dry-run", action="store_true", help="only list the cells")
    return parser


def make_table_parser(description, *, profiles, variances=None):
    """Makes the parser of a table.

    Args:
        description: what the script does.
        profiles: dict from profile names to lists of their row names.
        variances: as in `make_parser`.

    Returns:
        An `argparse.ArgumentParser`, for `parse_table`.
    """
    parser = make_parser(
        description, profiles=profiles, variances=variances, default=None
    )
    parser.epilog = (
        "Without --profile quick is run, and of records the best are shown."
    )
    rows = dict.fromkeys(row for names in profiles.values() for row in names)
    parser.add_argument(
        "--methods",
        type=_list_of(_one_of(rows)),
        nargs="+",
        metavar="ROW",
        help=f"rows of the table: {', '.join(rows)}; default all",
    )
    add_output(parser)
    return parser


def add_age(parser):
    """Adds the flag of German credit: whether the age is an input."""
    parser.add_argument(
        "--age",
        type=_one_of(("in", "out")),
        help="whether the age is an input; default the profile's",
    )


def add_faces(parser):
    """Adds the flags of faces: the weights, and images that are damaged."""
    parser.add_argument(
        "--weights",
        metavar="FILE",
        help="of the backbone, an .h5 or .keras file in --data-dir; default "
        "the profile's, ImageNet's, which Keras downloads",
    )
    parser.add_argument(
        "--skip-bad-images",
        action="store_true",
        help="leave out and count what cannot be read",
    )


def add_output(parser):
    """Adds the flags of what is shown as a table."""
    parser.add_argument(
        "--format",
        type=_one_of(reporting.FORMATS),
        default="text",
        help=f"{', '.join(reporting.FORMATS)}; default text",
    )
    parser.add_argument(
        "--update-docs",
        action="store_true",
        help="write the table of --from-records into its page",
    )


def parse(parser, argv):
    """Parses the flags that tables and figures have in common.

    Args:
        parser: a parser from `make_parser` or `make_table_parser`.
        argv: list of strings, or `None` for the command line.

    Returns:
        An `argparse.Namespace`.
    """
    options = parser.parse_args(argv)
    try:
        clusters.check_address(options.backend, options.address)
    except ValueError as problem:
        parser.error(f"argument --address: {problem}")
    for flag in ("methods", "variances"):
        if hasattr(options, flag):
            setattr(options, flag, _flat(getattr(options, flag)))
    if getattr(options, "update_docs", False):
        _check_update(parser, options)
    return options


def _check_update(parser, options):
    received = options.from_records
    if not received or pathlib.Path(received).resolve() != release.RECORDS:
        parser.error(
            "argument --update-docs: the pages show released records. "
            f"Expected: --from-records {release.RECORDS}. Received: "
            f"{received}."
        )
    if options.dry_run:
        parser.error(
            "argument --update-docs: a list of cells is no table. Expected: "
            "no --dry-run. Received: both."
        )
    for flag in ("methods", "variances"):
        received = getattr(options, flag, None)
        if received:
            parser.error(
                "argument --update-docs: the pages show whole tables. "
                f"Expected: no --{flag}. Received: {received}."
            )


def parse_table(parser, argv, profiles):
    """Parses the flags of a table, and checks what argparse alone cannot.

    Args:
        parser: a parser from `make_table_parser`.
        argv: list of strings, or `None` for the command line.
        profiles: as in `make_table_parser`.

    Returns:
        An `argparse.Namespace`.
    """
    options = parse(parser, argv)
    if not options.from_records:
        options.profile = options.profile or "quick"
    for row in options.methods or ():
        if options.profile and row not in profiles[options.profile]:
            parser.error(
                f"argument --methods: profile {options.profile} has no such "
                f"row. Expected: some of {list(profiles[options.profile])}. "
                f"Received: {row!r}. Choose another --profile."
            )
    return options


def _flat(lists):
    return (
        list(dict.fromkeys(v for values in lists or () for v in values)) or None
    )


def _one_of(values, convert=str):
    def parse_one(text):
        try:
            value = convert(text.strip())
        except ValueError:
            value = text
        if value not in values:
            raise argparse.ArgumentTypeError(
                f"Expected: one of {list(values)}. Received: {value!r}."
            )
        return value

    return parse_one


def _list_of(parse_one):
    def parse_list(text):
        return [parse_one(part) for part in text.split(",")]

    return parse_list


def positive(text):
    """Converts a flag to an integer >= 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(
            f"Expected: an integer >= 1. Received: {text!r}."
        )
    return int(text)
