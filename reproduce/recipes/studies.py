"""Beside Table 1: its rows in figures and studies, with settings changed."""

from collections.abc import Iterable

from reproduce.experiment.groups import MutualInformation
from reproduce.experiment.profile import variants
from reproduce.experiment.results import Cell
from reproduce.experiment.settings import value
from reproduce.recipes import digits
from reproduce.recipes.digits import (
    AUGMENTED,
    BALANCED,
    BEST,
    CONDITIONAL,
    CONSTANT,
    FAST,
    MI,
    PAPER,
    PROFILES,
)

# Figure 4, and in the supplement figure 2 (three K) and figure 3.
FIGURE4_VARIANCES = (0.030, 0.045)
FIGURE4_MI_WEIGHTS = (0.0, 0.5, 1.0)
SUPPLEMENT_FIGURE2_VARIANCES = (0.020,)
SUPPLEMENT_FIGURE2_STEPS = (20, 40, 80)
# Ours: what the rule for lambda chooses among, and where.
SELECTION_VARIANCES = (0.020, 0.035, 0.050)
SELECTION_MI_WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0, 2.0)

# Ours: the best in the mean over the variances (an oracle's choice).
STRESS_ROWS = (AUGMENTED, BEST)

# Ours: what was tried for `fast` and where, on training digits that are held
# out.
HELD_OUT = 5000
LOW, MIDDLE, HIGH = 0.020, 0.035, 0.050
SEARCH_VARIANCES = (LOW, MIDDLE, HIGH)
COSINE = {"decay": "cosine", "weight_averaging": 0.98}
SLOW_COSINE = {**COSINE, "learning_rate": 5e-4, "epochs": 9}
AS_IT_IS = "as it is"
# By row: recipes by name, each with the variances where it is tried.
SEARCH = {
    MI: {
        AS_IT_IS: ((LOW, MIDDLE, HIGH), {}),
        "lambda = 0.5": ((LOW, MIDDLE), {"mi_weight": 0.5}),
        "lambda = 1": ((LOW, MIDDLE), {"mi_weight": 1.0}),
        "cosine": ((LOW, MIDDLE), COSINE),
        "slow cosine, lambda = 1": ((HIGH,), {**SLOW_COSINE, "mi_weight": 1.0}),
    },
    CONDITIONAL: {
        AS_IT_IS: ((LOW,), {}),
        "constant rate": ((LOW,), {**CONSTANT, "epochs": 5}),
    },
    BALANCED: {
        AS_IT_IS: ((LOW, MIDDLE, HIGH), {}),
        "10 epochs, average 0.995": (
            (MIDDLE,),
            {"epochs": 10, "weight_averaging": 0.995},
        ),
    },
    AUGMENTED: {
        AS_IT_IS: ((LOW, MIDDLE, HIGH), {}),
        "cosine": ((LOW,), {"decay": "cosine"}),
    },
    BEST: {
        AS_IT_IS: ((LOW, HIGH), {}),
        "lambda = 0.1": ((LOW, HIGH), {"mi_weight": 0.1}),
        "P = 2": ((LOW,), {"estimator_batches": 2}),
        "MI every third step": ((LOW,), {"mi_every": 3}),
        "MI every sixth step": ((LOW,), {"mi_every": 6}),
        "20 epochs": ((LOW,), {"epochs": 20}),
    },
}

# Ours: one setting changed at a time, or two where one says little.
ABLATION_VARIANCES = (0.020,)
ONE_CHANGE = {
    AS_IT_IS: {},
    "critic on [c, z]": {"critic": "concatenated"},
    "raw features": {"standardize": False},
    "one optimizer": {"own_optimizer": False},
    "no clip": {"clip": False},
    "one optimizer, no clip": {"own_optimizer": False, "clip": False},
    "K = 3": {"estimator_steps": 3},
    "K = 48": {"estimator_steps": 48},
    "P = 1": {"estimator_batches": 1},
    "P = 6": {"estimator_batches": 6},
    "eta = 1e-4": {"estimator_learning_rate": 1e-4},
    "no weight average": {"weight_averaging": 0.0},
    "I(Z;C)": {"conditional": False},
    "lambda = 0": {"mi_weight": 0.0},
    "lambda = 1": {"mi_weight": 1.0},
}


def _estimator_of(settings):
    """The settings in which estimators of `paper` and `fast` differ."""
    return {
        name: value(settings, name)
        for name in (
            "critic",
            "standardize",
            "estimator_learning_rate",
            "estimator_steps",
            "estimator_batches",
        )
    }


# K and eta as printed, critic and features as released, P ours.
PRINTED = _estimator_of(PAPER)
OURS = {**_estimator_of(FAST), **PROFILES["fast"].rows[MI]}
OURS = {name: OURS[name] for name in PRINTED}
# In `paper` the first epochs tell parts of the estimator apart. Whether
# accuracy lasts, only all of them tell.
EARLY = {"epochs": 20}
BOTH = {**EARLY, "standardize": True, "estimator_learning_rate": 1e-3}
IN_BITS = {"attribute": "bits"}
NO_PRIOR = {"prior_strength": 0.0}
# Ours: the printed settings, and their first epochs with more rows for the
# estimator, and in the order of the released code.
PRINTED_FORMS = {
    "printed settings": {},
    "printed settings, P = 8": {**EARLY, "estimator_batches": 8},
    "printed settings, released order": {**EARLY, "released_order": True},
}
# By profile: the row, and the changes. A prior is counted per value of the
# attribute, of which bits have too many.
ABLATIONS = {
    # What each setting of Table 1's best row does (an oracle's choice).
    "fast": (
        BEST,
        {
            **ONE_CHANGE,
            "not augmented": {"augment": False},
            "no prior": NO_PRIOR,
            "no prior, attribute in bits": {**NO_PRIOR, **IN_BITS},
        },
    ),
    # And of conditional MI, with the paper's estimator too, and with that and
    # one part of ours.
    "quick": (
        CONDITIONAL,
        {
            **ONE_CHANGE,
            "attribute in bits": IN_BITS,
            "printed estimator": PRINTED,
            "printed estimator, eta = 2e-3": {
                **PRINTED,
                "estimator_learning_rate": 2e-3,
            },
            "printed estimator, standardized features": {
                **PRINTED,
                "standardize": True,
            },
        },
    ),
    # What holds the paper's own recipe back.
    "paper": (
        MI,
        {
            AS_IT_IS: {},
            "estimator of fast": OURS,
            "20 epochs, standardized features": {**EARLY, "standardize": True},
            "20 epochs, eta = 1e-3": {**EARLY, "estimator_learning_rate": 1e-3},
            "20 epochs, separable critic": {**EARLY, "critic": "separable"},
            "20 epochs, standardized features, eta = 1e-3": BOTH,
            "20 epochs, standardized features, eta = 1e-3, separable critic": {
                **BOTH,
                "critic": "separable",
            },
            "20 epochs, standardized features, eta = 1e-3, K = 8": {
                **BOTH,
                "estimator_steps": 8,
            },
            "20 epochs, estimator of fast": {**EARLY, **OURS},
        },
    ),
}


def profiles_with(*rows: str) -> dict:
    """Chooses the profiles of Table 1 that have all of some rows."""
    return {
        name: profile
        for name, profile in PROFILES.items()
        if profile.rows.keys() >= {*rows}
    }


def lambdas(profile: str, *, mi_weights: Iterable[float], **chosen) -> list[Cell]:
    """Makes the cells of curves over lambda, of the paper's row.

    `quick`, which does not have it, takes conditional MI.

    Args:
        profile: name in `PROFILES`.
        mi_weights: values of lambda.
        **chosen: as in `digits.cells`.
    """
    row = MI if MI in PROFILES[profile].rows else CONDITIONAL
    return variants(
        digits.cells(profile, rows=[row], **chosen),
        {f"λ = {weight:g}": {"mi_weight": weight} for weight in mi_weights},
    )


def estimator_steps(profile: str, **chosen) -> list[Cell]:
    """Makes the cells of curves over K, of the paper's row."""
    return variants(
        digits.cells(profile, rows=[MI], **chosen),
        {
            f"K = {steps}": {"estimator_steps": steps}
            for steps in SUPPLEMENT_FIGURE2_STEPS
        },
    )


def ablation(profile: str, **chosen) -> list[Cell]:
    """Makes the cells of the ablation: changes of one row of the profile."""
    row, changes = ABLATIONS[profile]
    return variants(digits.cells(profile, rows=[row], **chosen), changes)


def printed_and_released(profile: str, **chosen) -> list[Cell]:
    """Makes the cells of the paper's row, as printed and as released."""
    return [
        *variants(digits.cells(profile, rows=[MI], **chosen), PRINTED_FORMS),
        *variants(
            digits.cells("released", rows=[MI], **chosen), {"released settings": EARLY}
        ),
    ]


def stress(profile: str, **chosen) -> list[Cell]:
    """Makes the cells of the best rows where colors tell the label."""
    return digits.cells(profile, rows=STRESS_ROWS, **chosen)


def search(
    profile: str, *, variances: Iterable[float] | None = None, **chosen
) -> list[Cell]:
    """Makes the cells of every recipe that was tried, where it was tried.

    Args:
        profile: name in `PROFILES`.
        variances: color variances to choose from. Defaults to all three.
        **chosen: as in `digits.cells`.

    Raises:
        ValueError: if nothing was tried at these variances.
    """
    asked = tuple(variances or SEARCH_VARIANCES)
    cells = [
        cell
        for row, recipes in SEARCH.items()
        for label, (tried, change) in recipes.items()
        if (places := [v for v in tried if v in asked])
        for cell in variants(
            digits.cells(profile, rows=[row], variances=places, **chosen),
            {f"{row}, {label}": {**change, "held_out": HELD_OUT}},
        )
    ]
    if not cells:
        raise ValueError(
            "No recipe was tried there. Expected: some of the color variances "
            f"{list(SEARCH_VARIANCES)}. Received: {list(asked)}. Name one of "
            "these, or leave out --variances."
        )
    return cells


def with_estimator(profile: str, **chosen) -> list[Cell]:
    """Makes the cells of Table 1 that have an estimator."""
    return [
        cell
        for cell in digits.cells(profile, **chosen)
        if isinstance(cell.settings.method, MutualInformation)
    ]
