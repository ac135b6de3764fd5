"""The settings of a run: which there are, and what they must be."""

import inspect
import math
import numbers

import keras

from keras_unbias import (
    baselines,
    checks,
    datasets,
    methods,
    mutual_information,
    networks,
)

SETTINGS = {
    "batch_size",
    "epochs",
    "learning_rate",
    "decay",
    "weight_averaging",
    "precision",
    "prior_strength",
}
ESTIMATOR_SETTINGS = {
    "critic",
    "standardize",
    "estimator_steps",
    "estimator_learning_rate",
}
MI_SETTINGS = {
    "mi_weight",
    "conditional",
    "estimator_batches",
    "own_optimizer",
    "clip",
}
ADVERSARY_SETTINGS = {"attribute_hidden", "attribute_rate"}
METHOD_SETTINGS = {
    "mi_backprop": MI_SETTINGS | ESTIMATOR_SETTINGS,
    "chi_squared": {"penalty_weight"},
    "attribute_confusion": {"confusion_weight"} | ADVERSARY_SETTINGS,
    "adversarial_unlearning": {"entropy_weight", "reversal_weight"}
    | ADVERSARY_SETTINGS,
}
# What may be left out, with what it is then. With `jit_compile` None XLA
# compiles where `environment.worth_compiling`.
DEFAULTS = {
    "jit_compile": None,
    "epochs_per_report": 1,
    "critic_hidden": (64, 64, 64),
    "estimator_optimizer": "adam",
    "estimator_accumulate": 1,
}
POSITIVE = ("learning_rate", "estimator_learning_rate", "attribute_rate")
NOT_NEGATIVE = (
    "prior_strength",
    "mi_weight",
    "penalty_weight",
    "confusion_weight",
    "entropy_weight",
    "reversal_weight",
)
SWITCHES = ("standardize", "conditional", "own_optimizer", "clip")
HIDDEN_LAYERS = ("critic_hidden", "attribute_hidden")
PRECISIONS = ("float32", "mixed_bfloat16")
OPTIMIZERS = {"adam": keras.optimizers.Adam, "sgd": keras.optimizers.SGD}


def value(config, name):
    """A setting of a `RunConfig` that may be left out, one of `DEFAULTS`."""
    return config.settings.get(name, DEFAULTS[name])


def of_data(name):
    """What a data set's loader takes of a run's settings.

    Args:
        name: key of `datasets.DATASETS`.

    Returns:
        Dict from names to `inspect.Parameter`.
    """
    parameters = dict(inspect.signature(datasets.DATASETS[name]).parameters)
    del parameters["seed"], parameters["data_dir"]
    return parameters


def of_encoder(name):
    """What a data set's encoder takes of a run's settings.

    Args:
        name: key of `networks.ENCODERS`.

    Returns:
        Set of names.
    """
    parameters = inspect.signature(networks.ENCODERS[name]).parameters
    return set(parameters) - {"dtype", "shape", "data_dir"}


def check(config):
    """Checks a configuration, before any data are read.

    Args:
        config: the `RunConfig`.

    Raises:
        ValueError: If there is no such data set or method, or if a setting is
            missing, unknown or out of range.
    """
    trained = config.method not in baselines.SETTINGS
    for kind, name, known in (
        ("data set", config.dataset, datasets.DATASETS),
        ("method", config.method, {*methods.METHODS, *baselines.SETTINGS}),
    ):
        if name not in known:
            raise ValueError(
                f"Unknown {kind}. Expected: one of {sorted(known)}. "
                f"Received: {name!r}. Correct the name."
            )
    parameters = of_data(config.dataset)
    optional = {
        name
        for name, parameter in parameters.items()
        if parameter.default is not parameter.empty
    }
    expected = set(parameters) - optional
    if trained:
        optional |= set(DEFAULTS) | of_encoder(config.dataset)
        expected |= SETTINGS | METHOD_SETTINGS.get(config.method, set())
    else:
        expected |= baselines.SETTINGS[config.method]
    received = set(config.settings)
    if not expected <= received <= expected | optional:
        raise ValueError(
            f"The settings of a {config.method} run on {config.dataset} are "
            f"all of {sorted(expected)}, and any of {sorted(optional)}. "
            f"Missing: {sorted(expected - received)}. Received beyond them: "
            f"{sorted(received - expected - optional)}. Add the former, and "
            "leave out the latter."
        )
    if trained:
        _check_training(config)


def _check_training(config):
    settings = {**DEFAULTS, **config.settings}
    _check_counts(settings)
    _check_numbers(config)
    _check_widths(settings)
    _check_choices(settings)


def _check_counts(settings):
    for name, minimum in (
        ("epochs", 1),
        ("batch_size", 1),
        ("epochs_per_report", 1),
        ("estimator_steps", 1),
        ("estimator_batches", 0),
        ("estimator_accumulate", 1),
    ):
        if name in settings:
            checks.check_integer(name, settings[name], minimum=minimum)
    for part, whole in (
        ("epochs_per_report", "epochs"),
        ("estimator_accumulate", "estimator_batches"),
    ):
        # Without batches of its own the estimator has the task's, one.
        total = settings.get(whole) or 1
        if whole in settings and total % settings[part]:
            raise ValueError(
                f"`{part}` divides `{whole}` (0 counts as 1). Expected: a "
                f"divisor of {total}. Received: {settings[part]!r}. Change "
                "one of the two."
            )


def _check_numbers(config):
    positive = set(POSITIVE)
    if config.method == "bias_balanced":
        positive.add("prior_strength")
    for name in sorted({*POSITIVE, *NOT_NEGATIVE} & set(config.settings)):
        if name in positive:
            _check_number(config, name, "> 0", lambda number: number > 0)
        else:
            _check_number(config, name, ">= 0", lambda number: number >= 0)
    # At 1 an average would stay as it began.
    _check_number(
        config, "weight_averaging", ">= 0 and < 1", lambda a: 0 <= a < 1
    )


def _check_number(config, name, expected, holds):
    number = config.settings[name]
    if (
        not isinstance(number, numbers.Real)
        or not math.isfinite(number)
        or not holds(number)
    ):
        raise ValueError(
            f"`{name}` of {config.method} is out of range. Expected: a number "
            f"{expected}. Received: {number!r}. Pass another number."
        )


def _check_widths(settings):
    for name in HIDDEN_LAYERS:
        widths = settings.get(name, ())
        if not isinstance(widths, (list, tuple)):
            raise ValueError(
                f"`{name}` holds the widths of layers. Expected: a list of "
                f"integers >= 1. Received: {widths!r}. Write [64] for one."
            )
        for width in widths:
            checks.check_integer(name, width, minimum=1)


def _check_choices(settings):
    for name, known in (
        ("precision", PRECISIONS),
        ("decay", ("constant", "cosine")),
        ("estimator_optimizer", tuple(OPTIMIZERS)),
        ("critic", tuple(mutual_information.CRITICS)),
        ("jit_compile", (None, True, False)),
        ("batch_norm", networks.BATCH_NORMS),
        ("preprocessing", networks.PREPROCESSINGS),
        *((name, (True, False)) for name in SWITCHES),
    ):
        if name in settings and settings[name] not in known:
            raise ValueError(
                f"Unknown {name}. Expected: one of {known}. Received: "
                f"{settings[name]!r}. Take one of them."
            )
