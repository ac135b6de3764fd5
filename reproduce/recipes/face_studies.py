"""Beside Table 2: recipes on held-out faces, and overlap weights with changes."""

import dataclasses

from reproduce.experiment.groups import MutualInformation
from reproduce.experiment.profile import FIRST_SEED, variants
from reproduce.experiment.results import Cell
from reproduce.experiment.settings import change
from reproduce.recipes import faces
from reproduce.recipes.faces import (
    CONDITIONAL,
    DISCRIMINANT,
    ERM,
    FROZEN,
    MI,
    OVERLAP,
)

AS_IT_IS = "as it is"
DENSE = {"features": "dense"}
# Faces that are in no split of any seed.
HELD_OUT = {"evaluate_on": "held_out"}
SEARCH = {
    ERM: {
        AS_IT_IS: {},
        "10 epochs": {"epochs": 10},
        "learning rate 1e-4": {"learning_rate": 1e-4},
        "pooled features": {"features": "pooled"},
    },
    OVERLAP: {
        f"width {width:g}": {"overlap_width": width} for width in (0.35, 0.7, 1.4)
    },
    DISCRIMINANT: {
        AS_IT_IS: {},
        "dense features": DENSE,
        **{
            f"dense features, width {width:g}": {**DENSE, "overlap_width": width}
            for width in (0.7, 1.5)
        },
    },
    FROZEN: {
        AS_IT_IS: {},
        **{f"width {width:g}": {"overlap_width": width} for width in (1.0, 2.0)},
        "equal weights": {"overlap_width": 0.0},
        "shrinkage 0.5": {"discriminant_shrinkage": 0.5},
        "pooled features": {"features": "pooled"},
    },
    CONDITIONAL: {f"lambda = {w:g}": {"mi_weight": w} for w in (1.0, 3.0)},
    MI: {f"lambda = {w:g}": {"mi_weight": w} for w in (0.5, 0.9)},
}
# One change at a time, on EB2, where the published accuracies are lower.
ABLATION = {
    AS_IT_IS: {},
    "and conditional MI, lambda = 0.2": {
        "method": MutualInformation(conditional=True, mi_weight=0.2, overlap_width=0.7)
    },
    "width 0.35": {"overlap_width": 0.35},
    "width 1.4": {"overlap_width": 1.4},
    "channel means in the released order": {"preprocessing": "released"},
    "batch normalization in training mode": {"batch_norm": "training"},
    "frozen backbone": {"frozen": True},
    "faces not mirrored": {"augment": False},
}


def search(profile: str, *, seeds: int | None = None, **chosen) -> list[Cell]:
    """Makes the cells of recipes on held-out faces.

    Args:
        profile: name in `faces.PROFILES`.
        seeds: number of seeds, from 0 on. Defaults to 1.
        **chosen: as in `faces.cells`.
    """
    cells = [
        cell
        for row, recipes in SEARCH.items()
        for cell in variants(
            faces.cells(profile, rows=[row], seeds=seeds or 1, **chosen),
            {f"{row}, {label}": {**own, **HELD_OUT} for label, own in recipes.items()},
        )
    ]
    return [
        dataclasses.replace(
            cell,
            settings=change(cell.settings, seed=cell.settings.seed - FIRST_SEED),
        )
        for cell in cells
    ]


def ablation(profile: str, **chosen) -> list[Cell]:
    """Makes the cells of the ablation: changes of overlap weights on EB2.

    Args:
        profile: name in `faces.PROFILES`.
        **chosen: as in `faces.cells`.
    """
    cells = faces.cells(profile, rows=[OVERLAP], **chosen)
    return variants([cell for cell in cells if cell.column == "EB2"], ABLATION)
