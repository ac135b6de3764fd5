"""Table 3: German credit, accuracy and fairness of good or bad customers."""

import math
import sys

from reproduce.experiment import driver, sources
from reproduce.experiment.chance import equal_opportunity_by_chance
from reproduce.experiment.tables import Column, make_table, paired_table
from reproduce.recipes import credit
from reproduce.recipes.published import published

# Test rows over training rows of a split.
RATIO = 300 / 700
NOTES = (
    "Young is 25 or less; the splits are random, 700 to train and 300 to test, "
    "one per seed. EO: difference of the true positive rates of young and "
    "other customers, the good ones being positive. The constant classifier "
    "has 0.",
    "The four borrowed published rows are context, not a comparison: their "
    "sensitive attribute is very probably the foreign worker, not the age.",
)


def metric(name):
    """A function from a record to one of its metrics."""
    return lambda record: record.metrics.get(name)


def estimate(name):
    """A function from a record to one of its fresh estimates."""
    return lambda record: record.estimates.get(name)


def eo_by_chance(record):
    """What EO would be, on average, if both groups had the same rate."""
    rates, positives = map(record.metrics.get, ("true_positive_rates", "positives"))
    if not rates or not positives or None in (*rates.values(), *positives.values()):
        return None
    value = equal_opportunity_by_chance(rates, positives)
    return None if math.isnan(value) else value


BY_CHANCE = Column("EO by chance", eo_by_chance)
COLUMNS = [
    Column("accuracy", metric("test_accuracy")),
    Column("EO", metric("equal_opportunity")),
    BY_CHANCE,
    Column("balanced accuracy", metric("balanced_accuracy")),
    Column("predicted good", metric("share_predicted_positive")),
    Column("age from z (AUC)", estimate("probe_auc")),
    Column("I(Z;C) (nats)", estimate("mutual_information")),
]


def tables(results, title, notes):
    """The means, and the changes from plain training on the same splits."""
    age = "in" if results.cells[0].settings.data.age_input else "out"
    title = f"German credit, {title}, age {age}"
    changes = paired_table(
        results,
        [column for column in COLUMNS if column is not BY_CHANCE],
        title=title,
        reference=credit.ERM,
        ratio=RATIO,
    )
    means = make_table(
        results,
        COLUMNS,
        title=f"Table 3. {title}",
        published=published("table3"),
        notes=[*notes, *NOTES],
    )
    return [means, changes] if len(changes.ours) else [means]


TABLE3 = driver.Table(
    name="table3",
    description=__doc__,
    cells=credit.cells,
    profiles=credit.PROFILES,
    source=sources.CREDIT,
    tables=tables,
)

if __name__ == "__main__":
    sys.exit(driver.main(TABLE3))
