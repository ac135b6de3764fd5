"""Recipes for Table 2 on UTKFace, tried on held-out faces.

They are of all ages, from the pool that the training faces are drawn from, but in
no training split. An oracle: such faces take their ages and genders to be known.
"""

import sys

from reproduce.experiment import driver, sources
from reproduce.experiment.tables import Column, accuracy, make_table
from reproduce.recipes import face_studies, faces

OTHER = {"EB1": "EB2", "EB2": "EB1"}


def tables(results, title, notes):
    """Two columns for each training split, as in Table 2."""
    columns = []
    for split, other in OTHER.items():
        name = f"{other.lower()}_accuracy"
        columns += [
            Column(f"on {split}: {other}", lambda r, n=name: r.metrics.get(n), split),
            Column(f"on {split}: all", accuracy, split),
        ]
    return [
        make_table(
            results,
            columns,
            title=f"Search. Accuracy on held-out faces (oracle), {title}",
            notes=notes,
        )
    ]


SEARCH_FACES = driver.Table(
    name="search_faces",
    description=__doc__,
    cells=face_studies.search,
    profiles={"fast": faces.PROFILES["fast"]},
    source=sources.FACES,
    usual_seeds=1,
    tables=tables,
)

if __name__ == "__main__":
    sys.exit(driver.main(SEARCH_FACES))
