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
NOT_IMDB = (
    "The paper's numbers are of IMDB faces and of ResNet-50, so they do not stand "
    "beside these faces."
)
PUBLISHED_SIZES = published("table2_sizes")["IMDB faces"]
SOURCES = {"imdb": "IMDB faces", "utk": "UTKFace", "drawn": "drawn faces"}
OTHER = {"EB1": "EB2", "EB2": "EB1"}


def tables(results, title, notes):
    """Two columns for each training split: the other split, and all ages."""
    columns = [
        column
        for split, other in OTHER.items()
        if split in results.columns
        for column in (
            Column(f"on {split}: {other}", accuracy(other.lower()), split),
            Column(f"on {split}: test", accuracy("test"), split),
        )
    ]
    settings = results.cells[0].settings
    faces = getattr(settings.data, "faces", "utk")
    network, size = settings.network, settings.data.image_size
    width = f" {network.alpha:g}" if network.alpha != 1 else ""
    about = f"{SOURCES[faces]}, {network.backbone}{width} at {size} x {size}"
    real = faces == "imdb"
    return [
        make_table(
            results,
            columns,
            title=f"Table 2. Gender of {about}, {title}",
            published=published("table2") if real else None,
            notes=[*notes, *sizes(results, real), *NOTES, *[NOT_IMDB] * (not real)],
        )
    ]


def accuracy(split):
    """A function from a record to its accuracy on a split."""
    return lambda record: record.metrics.get(f"{split}_accuracy")


def sizes(results, real):
    """Says how many faces there were, beside the published numbers."""
    for _, record in results.found[:1]:
        counts = ", ".join(
            f"{name.upper() if name != 'test' else name} {count:,}"
            + f" (published {PUBLISHED_SIZES[name][0]:,})" * real
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
