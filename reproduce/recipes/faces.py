"""Table 2: faces."""

from collections.abc import Iterable

from reproduce.experiment.groups import (
    AdversarialUnlearning,
    AttributeConfusion,
    BiasBalanced,
    Erm,
    Estimator,
    ImdbFaces,
    MutualInformation,
    Network,
    Training,
)
from reproduce.experiment.profile import Profile
from reproduce.experiment.results import Cell
from reproduce.experiment.settings import Settings, change

ERM = "ERM"
# The paper's own method, whose curves it shows.
MI = "MI backpropagation"
CONDITIONAL = "conditional MI"
COLUMNS = {
    "EB1": {"train_split": "eb1"},
    "EB2": {"train_split": "eb2"},
}
# Linear attribute classifiers: the methods' papers print no settings.
ROWS = {
    ERM: {"method": Erm()},
    "attribute confusion (Alvi)": {"method": AttributeConfusion()},
    "adversarial unlearning (Kim)": {"method": AdversarialUnlearning()},
    MI: {},
    # Not in the paper.
    CONDITIONAL: {"conditional": True},
    "bias-balanced": {"method": BiasBalanced()},
}
PAPER = Settings(
    # Section 5.2: 2,000 images.
    data=ImdbFaces(train_size=2000, image_size=224),
    network=Network(
        backbone="ResNet50",
        weights="imagenet",
        # Ours: the released code's slip is "released".
        preprocessing="backbone",
        # Ours: a batch of 24 has no statistics to speak of.
        batch_norm="inference",
    ),
    # Supplement: batch, epochs, alpha.
    training=Training(batch_size=24, epochs=6, learning_rate=1e-5),
    estimator=Estimator(
        # Supplement: K, eta, its plain descent. Released code: accumulation
        # over 10 mini-batches.
        estimator_steps=20,
        estimator_learning_rate=0.1,
        estimator_optimizer="sgd",
        estimator_accumulate=10,
        # Released code: critic and features.
        critic_hidden=(512, 512, 512),
        critic="concatenated",
        standardize=False,
        # Algorithm 1 draws K fresh mini-batches a step, here of 240 rows, more
        # than there are images. We draw two and visit each ten times.
        estimator_batches=20,
    ),
    # Released code: second Adam, clip per variable.
    method=MutualInformation(own_optimizer=True, clip=True),
)
# Section 5.2, by training split.
PAPER_MI_WEIGHTS = {"EB1": {"mi_weight": 0.5}, "EB2": {"mi_weight": 0.9}}
# Ours: for conditional MI, and in `quick` for MI backpropagation too.
ESTIMATOR = {
    "estimator_learning_rate": 2e-3,
    "estimator_optimizer": "adam",
    "critic": "separable",
    "standardize": True,
}
PROFILES = {
    "paper": Profile(
        base=PAPER,
        rows={**ROWS, CONDITIONAL: {**ROWS[CONDITIONAL], **ESTIMATOR}},
        columns=COLUMNS,
        own={
            (row, column): weight
            for row in (MI, CONDITIONAL)
            for column, weight in PAPER_MI_WEIGHTS.items()
        },
    ),
    # Drawn faces, and a small network that was not pretrained.
    "quick": Profile(
        base=change(
            PAPER,
            faces="drawn",
            image_size=48,
            backbone="small",
            weights="none",
            epochs=10,
            learning_rate=1e-3,
            weight_averaging=0.99,
            **ESTIMATOR,
            critic_hidden=(64, 64, 64),
            estimator_steps=8,
            estimator_batches=3,
            estimator_accumulate=1,
        ),
        rows={
            **ROWS,
            # On EB2 the paper's 0.9 does not fit the training set here.
            MI: {"mi_weight": 0.5},
            CONDITIONAL: {"conditional": True, "mi_weight": 1.0},
        },
        columns=COLUMNS,
        seeds=1,
    ),
}


def cells(
    profile: str,
    *,
    rows: Iterable[str] | None = None,
    seeds: int | None = None,
) -> list[Cell]:
    """Makes the cells of Table 2.

    Args:
        profile: name in `PROFILES`.
        rows: names of rows. Defaults to the profile's.
        seeds: number of seeds. Defaults to the profile's.
    """
    return PROFILES[profile].cells(rows, None, seeds)


def curves(
    profile: str,
    *,
    seeds: int | None = None,
) -> list[Cell]:
    """Makes the cells of the curves beside Table 2, a line for each lambda.

    With lambda = 0 the estimator reads, and nothing follows it.

    Args:
        profile: name in `PROFILES`.
        seeds: number of seeds. Defaults to the profile's.
    """
    own = cells(profile, rows=[MI], seeds=seeds)
    without = [
        Cell(MI, cell.column, change(cell.settings, mi_weight=0.0)) for cell in own
    ]
    return [
        Cell(f"λ = {c.settings.method.mi_weight:g}", c.column, c.settings)
        for c in without + own
    ]
