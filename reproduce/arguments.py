"""The flags of every table and figure script."""

import argparse
import pathlib
import shlex

from keras_unbias import reporting, runs
from reproduce import clusters, release
from reproduce.settings import FIRST_SEED


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
    if options.address and options.backend == "loky":
        parser.error(
            "argument --address: only a cluster has one. Expected: --backend "
            "ray or dask. Received: loky. Name one, or leave out --address."
        )
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


def update_docs(options, parser, page, name, content):
    """Writes a table into its page, if --update-docs asks for it.

    Args:
        options: what `parse` or `parse_table` returned.
        parser: the parser that tells that the page has no such table.
        page: path of the page.
        name: of the table's block there.
        content: the table, in Markdown.
    """
    if not options.update_docs:
        return
    try:
        text = reporting.replace_block(page.read_text("utf-8"), name, content)
    except ValueError as problem:
        parser.error(str(problem))
    runs.write_text(page, text)


def asked(options, **usual):
    """What is shown, in words: the profile, and what was not as usual.

    The name of a table in its page, and of a figure's files: another choice
    must not take the place of what stands there.

    Args:
        options: what `parse` or `parse_table` returned.
        **usual: what flags stand for if they are not given, by name.

    Returns:
        List of strings.
    """
    words = [options.profile]
    for flag, value in usual.items():
        received = getattr(options, flag)
        if received is None or received == value:
            continue
        values = received if isinstance(received, list) else [received]
        # A name has no folders.
        values = [str(value).replace("/", "-") for value in values]
        words.append("_".join([flag, *values]))
    return words


def missing_notes(name, options, gathered):
    """Says how many cells are missing, and which command runs them.

    Args:
        name: the script's.
        options: what `parse` returned.
        gathered: a `cells.Gathered`.

    Returns:
        List of strings, empty if none is missing.
    """
    if not gathered.missing:
        return []
    script = f"reproduce/{name}.py"
    words = ["python", script, "--profile", options.profile]
    if getattr(options, "variances", None):
        words += ["--variances", ",".join(f"{v:g}" for v in options.variances)]
    if options.seeds:
        words += ["--seeds", str(options.seeds)]
    # Records that are read from elsewhere are run once more.
    which = "them"
    if options.from_records:
        which += f", and all that {options.output_dir} does not hold"
    return [
        f"{len(gathered.missing)} of {len(gathered.configs)} cells are "
        f"missing. To run {which}: {shlex.join(words + _places(options))}"
    ]


def filling_commands(script, options, missing):
    """The commands that run the missing cells of a table.

    Args:
        script: path of the script, as a user types it.
        options: what `parse_table` returned.
        missing: list of `RunConfig` of one table.

    Returns:
        List of strings, one for each set of variances and number of seeds.
    """
    variances, seeds = {}, {}
    for config in missing:
        variance = config.settings.get("color_variance")
        variances.setdefault(config.row, {})[variance] = None
        count = 1 + config.seed - FIRST_SEED
        seeds[config.row] = max(seeds.get(config.row, 1), count)
    rows = {}
    for row, values in variances.items():
        rows.setdefault((tuple(values), seeds[row]), []).append(row)
    lines = []
    for (values, count), names in rows.items():
        words = ["python", script, "--profile", options.profile]
        words += ["--methods", ",".join(names)]
        if None not in values:
            words += ["--variances", ",".join(f"{v:g}" for v in values)]
        words += ["--seeds", str(count)]
        lines.append(shlex.join(words + _places(options)))
    return lines


def _places(options):
    """The flags of what else is read, and where it is."""
    words = []
    for flag in ("age", "weights", "data_dir"):
        if getattr(options, flag, None):
            words += [f"--{flag.replace('_', '-')}", getattr(options, flag)]
    if getattr(options, "skip_bad_images", False):
        words.append("--skip-bad-images")
    if options.output_dir != "runs":
        words += ["--output-dir", options.output_dir]
    return words


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
