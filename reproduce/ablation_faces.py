"""Overlap weights in Table 2, with some settings changed."""

import sys

from reproduce.experiment import driver, sources
from reproduce.experiment.tables import Column, accuracy, make_table
from reproduce.recipes import face_studies, faces

COLUMNS = {
    "EB1": lambda record: record.metrics.get("eb1_accuracy"),
    "test": accuracy,
    "training": lambda record: record.metrics.get("train_accuracy"),
    "I(Z;C), nats": lambda record: record.estimates.get("mutual_information"),
    "I(Z;C|Y), nats": lambda record: record.estimates.get(
        "conditional_mutual_information"
    ),
}


def tables(results, title, notes):
    """One table of all changes."""
    return [
        make_table(
            results,
            [Column(name, value) for name, value in COLUMNS.items()],
            title=f"Ablation. {faces.OVERLAP}, trained on EB2, with changes, {title}",
            notes=notes,
        )
    ]


ABLATION_FACES = driver.Table(
    name="ablation_faces",
    description=__doc__,
    cells=face_studies.ablation,
    profiles={"fast": faces.PROFILES["fast"]},
    source=sources.FACES,
    usual_seeds=1,
    tables=tables,
)

if __name__ == "__main__":
    sys.exit(driver.main(ABLATION_FACES))
