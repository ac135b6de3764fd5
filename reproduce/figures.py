"""What every figure script does: gather records, draw them, write files."""

import pathlib
import sys

from keras_unbias import plots, reporting
from reproduce import arguments, cells, commands, pages
from reproduce.settings import colored_mnist

FIGURES = pathlib.Path(__file__).resolve().parents[1] / "figures"


def main(
    argv,
    *,
    name,
    description,
    make_configs,
    draw,
    choose=None,
    profiles=colored_mnist.PROFILES,
    variances=None,
):
    """Draws a figure from records; returns the exit code.

    Args:
        argv: list of strings, or `None` for the command line.
        name: the figure's, its files' and its script's.
        description: what the script does.
        make_configs: as in `cells.collect_digits`.
        draw: function from records to a matplotlib figure and its points.
        choose: function from records to those that can be drawn. Defaults to
            `None`, all of them.
        profiles: names of the profiles that have its cells. Defaults to all.
        variances: those of the figure unless others are asked for. Defaults
            to the profile's.
    """
    parser = arguments.make_parser(
        description,
        profiles=profiles,
        variances=colored_mnist.ALL_VARIANCES,
        usual_variances=variances,
    )
    add_directory(parser)
    options = arguments.parse(parser, argv)
    gathered = cells.collect_digits(
        make_configs, options, parser, variances=variances
    )
    if gathered is None:
        return 0
    chosen = colored_mnist.PROFILES[options.profile]
    usual = {
        "variances": list(variances or chosen["variances"]),
        "seeds": chosen["seeds"],
    }
    return write(
        gathered, options, name=name, draw=draw, choose=choose, usual=usual
    )


def add_directory(parser):
    """Adds the flag of where a figure is written."""
    parser.add_argument("--figures-dir", default=FIGURES, help="where to")


def write(gathered, options, *, name, draw, usual, choose=None):
    """Draws a figure from what was gathered; returns the exit code.

    Args:
        gathered: a `cells.Gathered`.
        options: what `arguments.parse` returned.
        name: the figure's, first word of its files', and its script's.
        draw: as in `main`.
        usual: dict from flags to what they stand for if they are not given
            (`pages.asked`).
        choose: as in `main`.
    """
    for note in commands.missing_notes(name, options, gathered):
        print(note, file=sys.stderr)
    try:
        records = (choose or list)(gathered.records)
        figure, points = draw(records)
    except ValueError as problem:
        print(f"Nothing is drawn. {problem}", file=sys.stderr)
        return 1
    about = ", ".join(
        [
            f"profile {options.profile}",
            *_row(records),
            _data(records),
            *_missing(gathered),
        ]
    )
    save(
        figure,
        {
            "about": about,
            "runs": [record.config.run_id for record in records],
            "points": points,
        },
        options,
        words=[
            name,
            *pages.asked(options, **usual),
            *other_data([record.config.settings for record in records]),
        ],
    )
    return 1 if gathered.error else 0


def save(figure, drawn, options, *, words):
    """Writes a figure's files and says where.

    Args:
        figure: a matplotlib figure.
        drawn: dict, what is in it; `about` is its title.
        options: with `figures_dir` (`add_directory`).
        words: list of strings, the name of the files.
    """
    figure.suptitle(drawn["about"], fontsize="medium")
    path = pathlib.Path(options.figures_dir, "_".join(words))
    plots.write(figure, drawn, path)
    print(f"{path}.png, .pdf and .json")


def variance(record):
    """The name of the panels of a record's color variance."""
    return f"variance {record.config.settings['color_variance']:.3f}"


def _row(records):
    """The row of the table that all are variants of, if it is one."""
    rows = {record.config.row.partition(", ")[0] for record in records}
    return [*rows] if len(rows) == 1 else []


def _missing(gathered):
    """What a picture without its command line must say itself."""
    missing, total = len(gathered.missing), len(gathered.configs)
    return [f"{missing} of {total} cells missing"] if missing else []


def other_data(settings):
    """Names of data that are not the best for the experiment.

    Args:
        settings: list of dicts of settings, of all that is drawn.
    """
    return [
        name
        for kind, (best, *others) in cells.DATA.items()
        for name in others
        if any(chosen.get(kind) == name for chosen in settings)
    ]


def _data(records):
    """Which rows, and which seeds."""
    kinds = dict.fromkeys(
        r.data.get("note") or f"{r.data['train_size']:,} training rows"
        for r in records
    )
    seeds = sorted({record.config.seed for record in records})
    return f"{' and '.join(kinds)}, {reporting.seeds_in_words(seeds)}"
