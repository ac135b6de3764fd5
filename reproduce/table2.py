"""Table 2: the gender of faces, in training sets where it tells the age."""

import sys

from reproduce.experiment import driver, sources
from reproduce.experiment.tables import Column, make_table
from reproduce.recipes import faces
from reproduce.recipes.published import published

NOTES = (
    "Accuracy of the gender. EB1: women of 0 to 30 years and men over 40; EB2: "
    "men of 0 to 30 and women over 40; test: all ages. A column names what was "
    "trained on, then what was tested on.",
)
DRAWN = "The published rows are of IMDB faces: no comparison with drawn ones."
PUBLISHED_SIZES = published("table2_sizes")["IMDB faces"]
OTHER = {"EB1": "EB2", "EB2": "EB1"}


def tables(results, title, notes):
    """Two columns for each training split: the other split, and all ages."""
    columns = [
        column
        for split, other in OTHER.items()
        for column in (
            Column(f"on {split}: {other}", accuracy(other.lower()), split),
            Column(f"on {split}: test", accuracy("test"), split),
        )
    ]
    drawn = results.cells[0].settings.data.faces == "drawn"
    return [
        make_table(
            results,
            columns,
            title=f"Table 2. Gender of faces, {title}",
            published=published("table2"),
            notes=[*notes, *sizes(results), *NOTES, *[DRAWN] * drawn],
        )
    ]


def accuracy(split):
    """A function from a record to its accuracy on a split."""
    return lambda record: record.metrics.get(f"{split}_accuracy")


def sizes(results):
    """Says how many faces there were, beside the published numbers."""
    for _, record in results.found[:1]:
        counts = ", ".join(
            f"{name.upper() if name != 'test' else name} {count:,} (published "
            f"{PUBLISHED_SIZES[name][0]:,})"
            for name, count in record.data["split_sizes"].items()
            if name in PUBLISHED_SIZES
        )
        left_out = ", ".join(
            f"{count:,} {why}" for why, count in record.data["left_out"].items()
        )
        return [f"Faces: {counts}. Left out: {left_out}."]
    return []


TABLE2 = driver.Table(
    name="table2",
    description=__doc__,
    cells=faces.cells,
    profiles=faces.PROFILES,
    source=sources.FACES,
    tables=tables,
)

if __name__ == "__main__":
    sys.exit(driver.main(TABLE2))
