"""Table 2 by age and gender, and what its features reveal about the age."""

import dataclasses
import functools
import sys

from reproduce.experiment import driver, sources
from reproduce.experiment.tables import Column, make_table
from reproduce.recipes import faces

# Bins of the age, as `age_bias.AGE_EDGES` cuts it.
AGES = {"0-19": range(1), "20-39": range(1, 5), "40-59": range(5, 9)}
AGES["60-"] = range(9, 12)
GENDERS = {"women": 0, "men": 1}
INFORMATION = {
    "I(Z;C), nats": "mutual_information",
    "I(Z;C|Y), nats": "conditional_mutual_information",
    "probe accuracy": "probe_accuracy",
    "majority accuracy": "majority_accuracy",
}
GROUP_NOTE = (
    "Accuracy on test faces, by gender and age in years. The worst group is the "
    "worst of these eight, run by run."
)
INFORMATION_NOTE = (
    "Information: fresh estimators on training faces that they were not fitted to. "
    "Probe: a logistic regression that names the bin of the age of test faces, which "
    "it was not fitted to. Majority: the most frequent bin."
)


def group_accuracy(record, label, bins):
    """Accuracy of the test faces of one gender in some bins of the age."""
    metrics = record.metrics
    if "rows_by_group" not in metrics:
        return None
    rows, accuracy = metrics["rows_by_group"], metrics["accuracy_by_group"]
    names = [name for b in bins if (name := f"{label}, {b}") in rows]
    correct = sum(rows[name] * accuracy[name] for name in names)
    return correct / sum(rows[name] for name in names) if names else None


def worst_group(record):
    """The least accuracy of a group."""
    accuracies = [
        group_accuracy(record, label, bins)
        for label in GENDERS.values()
        for bins in AGES.values()
    ]
    return min((a for a in accuracies if a is not None), default=None)


def tables(results, title, notes):
    """Two tables for each training split."""
    groups = {
        f"{name} {ages}": functools.partial(group_accuracy, label=label, bins=bins)
        for name, label in GENDERS.items()
        for ages, bins in AGES.items()
    }
    kinds = {
        "Accuracy by group": {"worst group": worst_group, **groups},
        "Age in the features": {
            header: lambda record, name=name: record.estimates.get(name)
            for header, name in INFORMATION.items()
        },
    }
    made = [
        make_table(
            results,
            [Column(header, value, split) for header, value in values.items()],
            title=f"{kind}, trained on {split}, {title}",
        )
        for split in results.columns
        for kind, values in kinds.items()
    ]
    # They are the same for all.
    notes = [*made[-1].notes, *notes, GROUP_NOTE, INFORMATION_NOTE]
    return [*made[:-1], dataclasses.replace(made[-1], notes=notes)]


TABLE2_GROUPS = driver.Table(
    name="table2_groups",
    description=__doc__,
    cells=faces.cells,
    profiles=faces.PROFILES,
    source=sources.FACES,
    tables=tables,
)

if __name__ == "__main__":
    sys.exit(driver.main(TABLE2_GROUPS))
