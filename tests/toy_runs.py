"""Whole runs on the data set of `toy`: its settings and its registration."""

import toy

from keras_unbias import data, encoders
from reproduce.experiment import groups
from reproduce.experiment.settings import Settings, change


@groups.checked
class Toy(groups.Data):
    """The data set of `toy`."""

    name = "toy"
    rows: groups.Count = 640


METHODS = {
    "erm": {},
    "bias_balanced": {},
    "mi_backprop": {
        "mi_weight": 0.5,
        "conditional": True,
        "critic": "concatenated",
        "estimator_steps": 3,
        "estimator_batches": 2,
        "estimator_learning_rate": 1e-3,
    },
    "chi_squared": {},
    "attribute_confusion": {
        "confusion_weight": 0.1,
        "attribute_hidden": (8,),
        "attribute_rate": 2.0,
    },
    "adversarial_unlearning": {"attribute_hidden": (8,), "attribute_rate": 2.0},
}


def settings(method="mi_backprop", **changes):
    """Returns the settings of a run of a second or so."""
    return change(
        Settings(data=Toy(), method=groups.Method.known[method](), seed=3),
        **{
            "batch_size": 32,
            "epochs": 3,
            "learning_rate": 3e-3,
            "decay": "cosine",
            "weight_averaging": 0.9,
            **METHODS[method],
            **changes,
        },
    )


def register(set_item):
    """Registers the data set: `set_item` is pytest's `monkeypatch.setitem`."""
    set_item(data.DATASETS, "toy", toy.load)
    set_item(encoders.ENCODERS, "toy", toy.encoder)
