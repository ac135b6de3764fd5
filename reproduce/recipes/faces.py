"""Table 2: faces."""

import dataclasses

from reproduce.settings.profiles import own_settings, seeded

# The paper's own method, whose curves it shows.
CURVES = "MI backpropagation"

ROWS = {
    "ERM": {"method": "erm"},
    "attribute confusion (Alvi)": {
        "method": "attribute_confusion",
        "confusion_weight": 1.0,
    },
    "adversarial unlearning (Kim)": {
        "method": "adversarial_unlearning",
        "entropy_weight": 0.01,
        "reversal_weight": 0.1,
    },
    "MI backpropagation": {"method": "mi_backprop", "conditional": False},
    # Not in the paper.
    "conditional MI": {"method": "mi_backprop", "conditional": True},
    "bias-balanced": {"method": "bias_balanced", "prior_strength": 1.0},
}
TRAIN_SPLITS = ("eb1", "eb2")
# Section 5.2, by training split.
MI_WEIGHTS = {"eb1": 0.5, "eb2": 0.9}
PAPER = {
    # Section 5.2: 2,000 images, ResNet-50; supplement: batch, epochs, alpha.
    "train_size": 2000,
    "batch_size": 24,
    "epochs": 6,
    "learning_rate": 1e-5,
    "decay": "constant",
    "weight_averaging": 0.0,
    "precision": "float32",
    "prior_strength": 0.0,
    "image_size": 224,
    "backbone": "ResNet50",
    "weights": "imagenet",
    # Ours: the released code's slip is "released".
    "preprocessing": "backbone",
    # Ours: a batch of 24 has no statistics to speak of.
    "batch_norm": "inference",
}
PAPER_ESTIMATOR = {
    # Supplement: K, eta, its plain descent. Released code: 10 mini-batches.
    "estimator_steps": 20,
    "estimator_learning_rate": 0.1,
    "estimator_optimizer": "sgd",
    "estimator_accumulate": 10,
    # Released code: critic, features, second Adam, clip per variable.
    "critic_hidden": [512, 512, 512],
    "critic": "concatenated",
    "standardize": False,
    "own_optimizer": True,
    "clip": True,
    # Algorithm 1 draws K fresh mini-batches a step, here of 240 rows, more
    # than there are images; we draw two and visit each ten times.
    "estimator_batches": 20,
}
# Ours: for conditional MI, and in `quick` for MI backpropagation too.
ESTIMATOR = {
    **PAPER_ESTIMATOR,
    "estimator_learning_rate": 2e-3,
    "estimator_optimizer": "adam",
    "critic": "separable",
    "standardize": True,
}
# The methods' papers print no such settings; linear attribute classifiers.
ADVERSARY = {"attribute_hidden": [], "attribute_rate": 1.0}
PROFILES = {
    "paper": {
        "seeds": 3,
        "faces": "imdb",
        "shared": PAPER,
        "estimator": PAPER_ESTIMATOR,
        "adversary": ADVERSARY,
        "rows": {
            **{row: {} for row in ROWS},
            "conditional MI": ESTIMATOR,
        },
    },
    # Drawn faces, and a small network that was not pretrained.
    "quick": {
        "seeds": 1,
        "faces": "drawn",
        "shared": {
            **PAPER,
            "epochs": 10,
            "learning_rate": 1e-3,
            "weight_averaging": 0.99,
            "image_size": 48,
            "backbone": "small",
            "weights": "none",
        },
        "estimator": {
            **ESTIMATOR,
            "critic_hidden": [64, 64, 64],
            "estimator_steps": 8,
            "estimator_batches": 3,
            "estimator_accumulate": 1,
        },
        "adversary": ADVERSARY,
        "rows": {
            **{row: {} for row in ROWS},
            # On EB2 the paper's 0.9 does not fit the training set here.
            "MI backpropagation": {"mi_weight": 0.5},
            "conditional MI": {"mi_weight": 1.0},
        },
    },
}


def table2(
    profile,
    rows=None,
    seeds=None,
    changes=None,
):
    """The cells of Table 2.

    Args:
        profile: name in `PROFILES`.
        rows: names in `ROWS`. Defaults to all rows of the profile.
        seeds: int, the number of seeds, from `FIRST_SEED` on. Defaults to
            the profile's.
        changes: dict of settings in place of the profile's. Defaults to
            none.

    Returns:
        List of `RunConfig`.

    Raises:
        ValueError: the profile has no such row.
    """
    chosen = PROFILES[profile]
    configs = []
    for row in rows or chosen["rows"]:
        own = own_settings(chosen, profile, row)
        method = ROWS[row]["method"]
        of_method = {}
        if method == "mi_backprop":
            of_method = chosen["estimator"]
        elif method in ("attribute_confusion", "adversarial_unlearning"):
            of_method = chosen["adversary"]
        for train_split in TRAIN_SPLITS:
            settings = {
                **chosen["shared"],
                **of_method,
                **ROWS[row],
                **own,
                **(changes or {}),
                "faces": chosen["faces"],
                "train_split": train_split,
            }
            del settings["method"]
            if method == "mi_backprop":
                settings.setdefault("mi_weight", MI_WEIGHTS[train_split])
            configs += seeded(
                seeds or chosen["seeds"],
                dataset="imdb_faces",
                method=method,
                row=row,
                profile=profile,
                settings=settings,
            )
    return configs


def figure_table2(changes=None, **cells):
    """The cells of the curves beside Table 2: lambda = 0 and the paper's.

    With lambda = 0 the estimator reads, and nothing follows it.

    Args:
        changes: as in `table2`.
        **cells: as in `table2`.

    Returns:
        List of `RunConfig`.
    """
    without = table2(
        rows=[CURVES], changes={**(changes or {}), "mi_weight": 0.0}, **cells
    )
    without = [
        dataclasses.replace(config, row=f"{CURVES}, lambda = 0")
        for config in without
    ]
    return without + table2(rows=[CURVES], changes=changes, **cells)
