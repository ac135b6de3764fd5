"""Table 3: German credit, accuracy and fairness of good or bad customers."""

import functools
import math
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from keras_unbias import metrics, reporting
from reproduce import arguments, cells, commands, pages
from reproduce.settings import german_credit

PAGE = (
    pathlib.Path(__file__).resolve().parents[1]
    / "docs/experiments/german_credit.md"
)
DATASET = "german_credit"
RATIO = 300 / 700


def _of(part, name):
    return lambda record: getattr(record, part).get(name)


def eo_by_chance(record):
    """What EO would be, on average, if both groups had the same rate."""
    value = metrics.equal_opportunity_by_chance(
        record.metrics["true_positive_rates"], record.metrics["positives"]
    )
    return None if math.isnan(value) else value


COLUMNS = {
    "accuracy": _of("metrics", "test_accuracy"),
    "EO": _of("metrics", "equal_opportunity"),
    "EO by chance": eo_by_chance,
    "balanced accuracy": _of("metrics", "balanced_accuracy"),
    "predicted good": _of("metrics", "share_predicted_positive"),
    "age from z (AUC)": _of("audit", "probe_auc"),
    "I(Z;C) (nats)": _of("audit", "mutual_information"),
}
# As the paper prints them.
PUBLISHED = {
    "SVM, Donini et al.": {"accuracy": (0.74, 0.03), "EO": (0.10, 0.06)},
    "FERM, Donini et al.": {"accuracy": (0.73, 0.04), "EO": (0.05, 0.03)},
    "NN, Mary et al.": {"accuracy": (0.74, 0.04), "EO": (0.47, 0.19)},
    "NN + chi2, Mary et al.": {
        "accuracy": (0.73, 0.03),
        "EO": (0.25, 0.14),
    },
    "MI backpropagation, lambda = 1": {
        "accuracy": (0.72, 0.03),
        "EO": (0.05, 0.05),
    },
}
NOTES = (
    "Young is 25 or less; the splits are random, 700 to train and 300 to test, "
    "one per seed. EO: difference of the true positive rates of young and "
    "other customers, the good ones being positive. The constant classifier "
    "has 0.",
    "The four borrowed published rows are context, not a comparison: their "
    "sensitive attribute is very probably the foreign worker, not the age.",
)


def main(argv=None):
    """Runs what is missing and prints the table; returns the exit code."""
    profiles = {
        name: list(profile["rows"])
        for name, profile in german_credit.PROFILES.items()
    }
    parser = arguments.make_table_parser(__doc__, profiles=profiles)
    arguments.add_age(parser)
    options = arguments.parse_table(parser, argv, profiles)
    options.profile = options.profile or cells.released_profile(
        options.from_records, DATASET, ("fast", "paper", "quick")
    )
    gathered = collect(options, parser, options.methods)
    if gathered is None:
        return 0
    return pages.show(
        _tables(gathered, options),
        gathered,
        options,
        parser,
        page=PAGE,
        name="table3",
        **usual(options),
    )


def usual(options):
    """What the flags stand for if they are not given (`pages.asked`)."""
    profile = german_credit.PROFILES[options.profile]
    return {
        "seeds": profile["seeds"],
        "age": "in" if profile["age_input"] else "out",
    }


def collect(options, parser, rows):
    """Gathers the cells that the flags ask for, as `cells.collect` does.

    Args:
        options: what `arguments.parse` returned, with `age`.
        parser: the parser that tells what is wrong with the flags.
        rows: names in `german_credit.ROWS`, or `None` for the profile's.
    """

    def make(customers):
        return german_credit.table3(
            options.profile,
            rows=rows,
            seeds=options.seeds,
            age_input={"in": True, "out": False, None: None}[options.age],
            customers=customers,
        )

    return cells.collect(
        functools.partial(cells.gather, make, options, data="customers"),
        options,
        parser,
    )


def _tables(gathered, options):
    """The table, and the changes from plain training on the same splits."""
    configs, records = gathered.configs, gathered.records
    age = "in" if configs[0].settings["age_input"] else "out"
    title = f"German credit, profile {options.profile}, age {age}"
    tables = [
        reporting.metric_table(
            records,
            title=f"Table 3. {title}",
            rows=gathered.rows,
            columns=COLUMNS,
            seeds=gathered.seeds,
            published=PUBLISHED,
            notes=[
                *commands.filling_notes("table3", options, gathered.missing),
                *NOTES,
            ],
        )
    ]
    changes = reporting.paired_table(
        records,
        title=title,
        rows=gathered.rows,
        reference=german_credit.REFERENCE,
        columns={k: v for k, v in COLUMNS.items() if k != "EO by chance"},
        ratio=RATIO,
    )
    if len(changes.ours):
        tables.append(changes)
    return tables


if __name__ == "__main__":
    sys.exit(main())
