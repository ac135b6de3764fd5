"""The comparison with other packages, on problems with known information."""

from collections.abc import Iterable

from reproduce.experiment.groups import (
    PeerAudit,
    PeerClassifier,
    PeerFairlearn,
    PeerProblem,
)
from reproduce.experiment.profile import Profile
from reproduce.experiment.results import Cell
from reproduce.experiment.settings import Settings, change

PROBLEMS = ("gaussians", "categories", "pictures")
AUDIT = "audit"
# The layers and passes of ours, for peers whose defaults are smaller.
LAYERS = (64, "relu", 32, "relu")
EPOCHS = 13
CLASSIFIERS = {
    "UnbiasedClassifier": PeerClassifier(),
    "reweighing, same network": PeerClassifier(classifier="erm", reweighing=True),
    "plain training, same network": PeerClassifier(classifier="erm"),
    "AdversarialFairnessClassifier": PeerFairlearn(),
    "AdversarialFairnessClassifier, same network": PeerFairlearn(
        predictor_model=LAYERS, epochs=EPOCHS, shuffle=True
    ),
}
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


def cells(profile: str, *, seeds: int | None = None) -> list[Cell]:
    """Makes an audit and all classifiers for each problem and seed.

    Seeds count from 0 here: no recipe was sought on draws of a problem.

    Args:
        profile: name in `PROFILES`.
        seeds: number of seeds. Defaults to the profile's.
    """
    made: Iterable[Cell] = PROFILES[profile].cells(seeds=seeds)
    return [
        Cell(
            cell.row,
            cell.column,
            change(cell.settings, seed=cell.settings.seed - 1),
        )
        for cell in made
    ]
