"""Table 1: test accuracy on coloured MNIST, ours beside the published."""

import collections
import dataclasses
import functools
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from keras_unbias import reporting, runs
from reproduce import arguments, cells, commands, pages
from reproduce.settings import FIRST_SEED, colored_mnist

PAGE = pathlib.Path(__file__).resolve().parents[1] / "README.md"
DATASET = "colored_mnist"

# As the paper prints them, but for the grey scale, which is of Kim et al., and
# CSAD, later work, of which one number was at hand: (mean, standard deviation)
# or (mean,), over the variances.
PUBLISHED = {
    "ERM, lambda = 0": (
        (0.476, 0.005),
        (0.542, 0.004),
        (0.664, 0.007),
        (0.720, 0.010),
        (0.785, 0.003),
        (0.838, 0.002),
        (0.870, 0.001),
    ),
    "Alvi et al. 2018": (
        (0.676,),
        (0.713,),
        (0.794,),
        (0.825,),
        (0.868,),
        (0.890,),
        (0.917,),
    ),
    "Kim et al. 2019": (
        (0.818,),
        (0.882,),
        (0.911,),
        (0.929,),
        (0.936,),
        (0.954,),
        (0.955,),
    ),
    "Kim et al. 2019, grey scale": (
        (0.837,),
        (0.875,),
        (0.900,),
        (0.917,),
        (0.933,),
        (0.947,),
        (0.960,),
    ),
    "MI backpropagation, lambda = 1.0": (
        (0.864, 0.052),
        (0.925, 0.020),
        (0.959, 0.008),
        (0.973, 0.003),
        (0.975, 0.001),
        (0.980, 0.001),
        (0.982, 0.001),
    ),
    "Zhu et al. 2021, CSAD": ((0.943,),),
}
# By published row, ours of the same method.
SAME_METHOD = {
    "ERM, lambda = 0": "ERM",
    "Alvi et al. 2018": "attribute confusion (Alvi)",
    "Kim et al. 2019": "adversarial unlearning (Kim)",
    "Kim et al. 2019, grey scale": "ERM on grey-scale images",
    "MI backpropagation, lambda = 1.0": "MI backpropagation",
}
NOTES = (
    "Our mean colors are read off a published figure of the data set.",
    "The paper's text calls the color variances a standard deviation, sigma; "
    "they are variances.",
    "Kim et al. report for their own baseline 0.4055, 0.4813, 0.5996, 0.6626, "
    "0.7333, 0.7973, 0.8450 at 0.020, 0.025, ..., 0.050.",
)


def published():
    """The published rows: dict from names to dicts from variances."""
    return {
        name: dict(zip(colored_mnist.VARIANCES, values))
        for name, values in PUBLISHED.items()
    }


def main(argv=None):
    """Runs what is missing and prints the table; returns the exit code."""
    profiles = {k: list(v["rows"]) for k, v in colored_mnist.PROFILES.items()}
    parser = arguments.make_table_parser(
        __doc__, profiles=profiles, variances=colored_mnist.ALL_VARIANCES
    )
    options = arguments.parse_table(parser, argv, profiles)
    whole = bool(options.profile)
    options.profile = options.profile or cells.released_profile(
        options.from_records,
        DATASET,
        ("fast", "paper", "quick"),
        colored_mnist.ROWS,
    )
    gathered = cells.collect(
        functools.partial(_gather, options, whole), options, parser
    )
    if gathered is None:
        return 0
    return pages.show(
        [_table(gathered, options)],
        gathered,
        options,
        parser,
        page=PAGE,
        name="table1",
        seeds=colored_mnist.PROFILES[options.profile]["seeds"],
    )


def _gather(options, whole):
    if options.from_records:
        return _from_records(options, whole)
    return cells.gather(functools.partial(_configs, options, {}), options)


def _configs(options, otherwise, digits):
    """The cells that the flags ask for, and `otherwise` where none does."""
    chosen = {
        "rows": options.methods,
        "variances": options.variances,
        "seeds": options.seeds,
    }
    chosen = {name: value for name, value in chosen.items() if value}
    return colored_mnist.table1(
        options.profile, digits=digits, **{**otherwise, **chosen}
    )


def _from_records(options, whole):
    """What records show of the table, and what to say of them.

    All of the profile, or, if not `whole`, the rows, variances and seeds that
    the records hold; the variances of the stress test have a table of their
    own.
    """
    records = [
        record
        for record in runs.read_records(options.from_records)
        if record.config.dataset == DATASET
        and record.config.row in colored_mnist.ROWS
    ]
    of_profile = [r for r in records if r.config.profile == options.profile]
    if not of_profile:
        raise ValueError(
            f"No records for this table in {options.from_records}. Expected: "
            f"some of the profile {options.profile}. Received: records of the "
            f"profiles {sorted({r.config.profile for r in records})}. Choose "
            "another --profile or --from-records."
        )

    def configs(digits):
        held = [r for r in of_profile if r.config.settings["digits"] == digits]
        return _configs(options, {} if whole else _held(held), digits)

    gathered = cells.released(
        configs, of_profile, find=functools.partial(_matching, of_profile)
    )
    return dataclasses.replace(gathered, notes=_hidden(gathered, of_profile))


def _hidden(gathered, records):
    """What the table would hide of these records, as notes."""
    notes = []
    shown = gathered.records
    now = {config.run_id for config in gathered.configs}
    rows = {r.config.row: None for r in shown if r.config.run_id not in now}
    if rows:
        notes.append(
            "Not the settings of reproduce/settings/colored_mnist.py as they "
            f"are now: {', '.join(rows)}."
        )
    seen = {id(record) for record in shown}
    hidden = [record.config for record in records if id(record) not in seen]
    if hidden:
        whys = collections.Counter(_why(c, gathered.configs) for c in hidden)
        counts = [f"{number} with {why}" for why, number in whys.items()]
        notes.append(
            f"Not shown: {len(hidden)} records of this profile "
            f"({', '.join(counts)})."
        )
    return notes


def _why(hidden, configs):
    """The first thing that a hidden record's configuration has alone."""
    for why, of in (
        ("another row", lambda config: config.row),
        ("another variance", _variance),
        ("another seed", lambda config: config.seed),
        ("other digits", lambda config: config.settings["digits"]),
    ):
        if of(hidden) not in map(of, configs):
            return why
    return "other settings"


def _matching(records, config):
    """That of the same recipe; else the one of the same cell and seed."""
    same = [r for r in records if cells.cell(r.config) == cells.cell(config)]
    exact = [r for r in same if r.config.run_id == config.run_id]
    return exact or (same if len(same) == 1 else [])


def _held(records):
    """The rows, variances and number of seeds of records."""
    rows = {record.config.row for record in records}
    variances = {_variance(record.config) for record in records}
    return {
        "rows": [row for row in colored_mnist.ROWS if row in rows],
        "variances": sorted(
            variances - {*colored_mnist.STRESS_VARIANCES} or variances
        ),
        "seeds": max(1, 1 + max(r.config.seed for r in records) - FIRST_SEED),
    }


def _variance(config):
    return config.settings["color_variance"]


def _table(gathered, options):
    configs = gathered.configs
    variances = list(dict.fromkeys(_variance(config) for config in configs))
    return reporting.variance_table(
        gathered.records,
        title=(
            "Table 1. Test accuracy on coloured MNIST, profile "
            f"{configs[0].profile}"
        ),
        rows=gathered.rows,
        variances=variances,
        seeds=gathered.seeds,
        published=published(),
        notes=[
            *commands.filling_notes("table1", options, gathered.missing),
            *gathered.notes,
            *_mi_weights(gathered.records),
            *_precisions(gathered.records),
            colored_mnist.PROFILES[configs[0].profile]["source"],
            *NOTES,
        ],
    )


def _mi_weights(records):
    """What lambda the rows were trained with; the paper has one for all."""
    weights = dict.fromkeys(
        f"{record.config.row} {record.config.settings['mi_weight']:g}"
        for record in records
        if "mi_weight" in record.config.settings
    )
    return [f"Our lambda: {'; '.join(weights)}."] if weights else []


def _precisions(records):
    """Which rows have runs of several precisions."""
    rows = {}
    for record in records:
        precision = record.environment.get("precision")
        rows.setdefault(record.config.row, {})[precision] = None
    mixed = [
        f"{row} ({', '.join(map(str, kinds))})"
        for row, kinds in rows.items()
        if len(kinds) > 1
    ]
    if not mixed:
        return []
    return [
        f"Precisions differ between runs, by processor: {'; '.join(mixed)}."
    ]


if __name__ == "__main__":
    sys.exit(main())
