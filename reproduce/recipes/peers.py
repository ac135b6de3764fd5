"""The comparison with other packages, on problems with a known bias."""

from reproduce.experiment.groups import (
    PeerAudit,
    PeerClassifier,
    PeerFairlearn,
    PeerLeace,
    PeerProblem,
    PeerReductions,
)
from reproduce.experiment.profile import Profile
from reproduce.experiment.results import Cell
from reproduce.experiment.settings import Settings, change

# Of ten training rows, nine agree. These are audited, too.
PROBLEMS = ("gaussians", "categories", "pictures")
# Problems where few rows contradict the bias; the first with all peers.
AUDITED = "gaussians, 95 %"
FEW = {
    AUDITED: {"problem": "gaussians", "agreement": 0.95, "audited": True},
    "gaussians, 99 %": {"problem": "gaussians", "agreement": 0.99},
    "categories, 98 %": {"problem": "categories", "agreement": 0.98},
    "pictures, 95 %": {"problem": "pictures", "agreement": 0.95},
    "pictures, 98 %": {"problem": "pictures", "agreement": 0.98},
    "product, 95 %": {"problem": "product", "agreement": 0.95},
    # The bias is of another kind here: it lies in the labels.
    "decisions, 75 %": {"problem": "decisions", "agreement": 0.75},
}
FEW = {column: {"rows": 4000, **changes} for column, changes in FEW.items()}
FEW["German credit"] = {"problem": "credit"}
FACES = "faces, 95 %"
FEW[FACES] = {"problem": "faces", "rows": 3000, "agreement": 0.95}
FEW_SEEDS = 5
AUDIT = "audit"
# The layers and passes of ours, for peers whose defaults are smaller.
LAYERS = (64, "relu", 32, "relu")
EPOCHS = 13
OURS = "UnbiasedClassifier"
REWEIGHING = "reweighing, same network"
PLAIN = "plain training, same network"
OWN = {
    OURS: PeerClassifier(erase=True),
    REWEIGHING: PeerClassifier(classifier="erm", reweighing=True),
    PLAIN: PeerClassifier(classifier="erm"),
}
WITHOUT = {"UnbiasedClassifier, erase=False": PeerClassifier()}
ADVERSARY = {
    "AdversarialFairnessClassifier": PeerFairlearn(),
    "AdversarialFairnessClassifier, same network": PeerFairlearn(
        predictor_model=LAYERS, epochs=EPOCHS, shuffle=True
    ),
}
OTHERS = {
    "ExponentiatedGradient, logistic regression": PeerReductions(),
    "LEACE on z of plain training": PeerLeace(),
}
CLASSIFIERS = {**OWN, **WITHOUT, **ADVERSARY, **OTHERS}
PROFILES = {
    "fast": Profile(
        base=Settings(data=PeerProblem(), method=PeerAudit()),
        rows={
            AUDIT: {},
            **{row: {"method": method} for row, method in CLASSIFIERS.items()},
        },
        columns={problem: {"problem": problem} for problem in PROBLEMS},
    )
}


def cells(profile: str, *, faces: bool = True, seeds: int | None = None) -> list[Cell]:
    """Makes the audits and the classifiers for each problem and seed.

    Seeds count from 0 here: what was chosen was chosen on others.

    Args:
        profile: name in `PROFILES`.
        faces: whether the faces of UTKFace are at hand. Defaults to `True`.
        seeds: number of seeds. Defaults to the profile's, and to `FEW_SEEDS`
            where few rows contradict the bias.
    """
    chosen = PROFILES[profile]
    seeds_of_few, first = seeds or FEW_SEEDS, {AUDITED: FEW[AUDITED]}
    few = {column: FEW[column] for column in FEW if faces or column != FACES}
    made = [
        *chosen.cells([AUDIT, *OWN, *WITHOUT, *ADVERSARY], seeds=seeds),
        *chosen.cells(OWN, few, seeds_of_few),
        *chosen.cells([*[*ADVERSARY][1:], *OTHERS], first, seeds_of_few),
    ]
    return [
        Cell(
            cell.row,
            cell.column,
            change(cell.settings, seed=cell.settings.seed - 1),
        )
        for cell in made
    ]
