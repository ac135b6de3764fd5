"""Table 2: the gender of faces, in training sets where it tells the age."""

import argparse
import functools
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from keras_unbias import reporting
from reproduce import arguments, cells, commands, pages
from reproduce.settings import imdb_faces

PAGE = pathlib.Path(__file__).resolve().parents[1] / "docs/experiments/faces.md"
DATASET = "imdb_faces"
OTHER = {"eb1": "eb2", "eb2": "eb1"}

# As the paper prints them: on EB1 to EB2, test; on EB2 to EB1, test.
PUBLISHED = {
    "ERM, lambda = 0": (
        (0.650, 0.020),
        (0.849, 0.007),
        (0.576, 0.013),
        (0.708, 0.008),
    ),
    "Alvi et al. 2018": ((0.637,), (0.856,), (0.573,), (0.699,)),
    "Kim et al. 2019": ((0.680,), (0.867,), (0.642,), (0.745,)),
    "MI backpropagation, lambda = 0.5, 0.9": (
        (0.684, 0.010),
        (0.872, 0.010),
        (0.631, 0.036),
        (0.745, 0.022),
    ),
}
# Section 5.2.
PUBLISHED_ROWS = {"eb1": 36_003, "eb2": 16_799, "test": 22_468}
NOTES = (
    "Accuracy of the gender. EB1: women of 0 to 30 years and men over 40; EB2: "
    "men of 0 to 30 and women over 40; test: all ages. A column names what was "
    "trained on, then what was tested on.",
)
NOT_COMPARABLE = (
    "The published rows are of IMDB faces: no comparison with drawn ones."
)


def main(argv=None):
    """Runs what is missing and prints the table; returns the exit code."""
    profiles = {
        name: list(profile["rows"])
        for name, profile in imdb_faces.PROFILES.items()
    }
    parser = arguments.make_table_parser(__doc__, profiles=profiles)
    arguments.add_faces(parser)
    options = arguments.parse_table(parser, argv, profiles)
    options.profile = options.profile or cells.released_profile(
        options.from_records, DATASET, ("paper", "quick")
    )
    gathered = collect(options, parser)
    if gathered is None:
        return 0
    return pages.show(
        [_table(gathered, options)],
        gathered,
        options,
        parser,
        page=PAGE,
        name="table2",
        **usual(options),
    )


def usual(options):
    """What the flags stand for if they are not given (`pages.asked`)."""
    return {
        "seeds": imdb_faces.PROFILES[options.profile]["seeds"],
        "weights": None,
        "skip_bad_images": False,
    }


def collect(options, parser, make_configs=None):
    """Gathers the cells that the flags ask for, as `cells.collect` does.

    Args:
        options: what `arguments.parse` returned, with `arguments.add_faces`.
        parser: the parser that tells what is wrong with the flags.
        make_configs: function from keyword arguments of `imdb_faces.table2` to
            a list of `RunConfig`. Defaults to `imdb_faces.table2` with the
            rows of `--methods`.
    """
    drawn = imdb_faces.PROFILES[options.profile]["faces"] == "drawn"
    for flag in ("weights", "data_dir"):
        received = getattr(options, flag)
        if drawn and received:
            parser.error(
                f"argument --{flag.replace('_', '-')}: the profile "
                f"{options.profile} draws its faces and trains from scratch. "
                f"Expected: none, or another --profile. Received: {received}."
            )
    make_configs = make_configs or functools.partial(
        imdb_faces.table2, rows=options.methods
    )
    changes = {}
    if options.weights:
        changes["weights"] = options.weights
    if options.skip_bad_images:
        changes["skip_bad_images"] = True

    def make(faces):
        return make_configs(
            profile=options.profile, seeds=options.seeds, changes=changes
        )

    return cells.collect(
        functools.partial(cells.gather, make, options, data="faces"),
        options,
        parser,
    )


def _table(gathered, options):
    notes = [*_counts(gathered.records), *NOTES]
    told = argparse.Namespace(**vars(options))
    if imdb_faces.PROFILES[options.profile]["faces"] == "imdb":
        # The command that is told does not run without.
        told.data_dir = options.data_dir or "DIR"
    else:
        notes.append(NOT_COMPARABLE)
    notes[:0] = commands.filling_notes("table2", told, gathered.missing)
    return reporting.beside(
        [
            _half(gathered, train_split, notes, number, options.profile)
            for number, train_split in enumerate(imdb_faces.TRAIN_SPLITS)
        ]
    )


def _half(gathered, train_split, notes, number, profile):
    """The columns of one training split."""
    other = OTHER[train_split]
    columns = {
        f"on {train_split.upper()}: {other.upper()}": lambda record: (
            record.metrics.get(f"{other}_accuracy")
        ),
        f"on {train_split.upper()}: test": lambda record: record.metrics.get(
            "test_accuracy"
        ),
    }
    return reporting.metric_table(
        [
            record
            for record in gathered.records
            if record.config.settings["train_split"] == train_split
        ],
        title=f"Table 2. Gender of faces, profile {profile}",
        rows=gathered.rows,
        columns=columns,
        seeds=gathered.seeds,
        published={
            name: dict(
                zip(columns, values[2 * number : 2 * number + 2], strict=True)
            )
            for name, values in PUBLISHED.items()
        },
        notes=notes,
    )


def _counts(records):
    """How many faces there were, beside the published numbers."""
    if not records:
        return []
    data = records[0].data
    sizes = ", ".join(
        f"{name.upper() if name != 'test' else name} {count:,} (published "
        f"{PUBLISHED_ROWS[name]:,})"
        for name, count in data["split_sizes"].items()
    )
    left_out = ", ".join(f"{v:,} {k}" for k, v in data["left_out"].items())
    return [f"Faces: {sizes}. Left out: {left_out}."]


if __name__ == "__main__":
    sys.exit(main())
