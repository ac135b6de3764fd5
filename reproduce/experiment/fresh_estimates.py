"""Fresh estimates of what the features of a finished run reveal."""

import numpy as np
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_score

from keras_unbias import BiasedDataset, RepresentationClassifier
from keras_unbias.dependence.critics import choose_batch_size, held_out_bound
from keras_unbias.dependence.probes import linear_probe

# Training rows that the estimates of a run are based on.
ROWS = 24_000


def held_out_information(
    model: RepresentationClassifier, dataset: BiasedDataset, *, seed: int = 0
) -> dict[str, float]:
    """Estimates the information in the features of training inputs.

    Args:
        model: a `RepresentationClassifier`.
        dataset: the `BiasedDataset` of the run.
        seed: int, the seed of the estimators and of the choice of `ROWS`
            training rows. A smaller split is used as a whole.

    Returns:
        Dict of floats in nats: `mutual_information`, I(Z;C), and
        `conditional_mutual_information`, I(Z;C|Y).

    Raises:
        ValueError: as in `held_out_bound`.
    """
    split = dataset.train
    chosen = np.random.default_rng(seed).permutation(len(split))[:ROWS]
    features = _features(model, dataset, "train", chosen)
    attributes = split.attributes[chosen]
    settings = {"seed": seed, "batch_size": choose_batch_size(len(chosen))}
    return {
        "mutual_information": held_out_bound(features, attributes, **settings),
        "conditional_mutual_information": held_out_bound(
            features,
            attributes,
            split.labels[chosen],
            num_classes=dataset.num_classes,
            **settings,
        ),
    }


def probe_auc(model: RepresentationClassifier, dataset: BiasedDataset) -> float:
    """Computes how well a linear probe finds a binary attribute.

    The probe is fitted to the features of the training rows and evaluated on
    those of the test rows.

    Args:
        model: a `RepresentationClassifier`.
        dataset: a `BiasedDataset` whose attribute is one number, 0 or 1.

    Returns:
        Float, the area under the ROC curve. It is 0.5 if the features reveal
        nothing.
    """
    probe = linear_probe().fit(
        _features(model, dataset, "train"), dataset.train.attributes[:, 0]
    )
    scores = probe.decision_function(_features(model, dataset, "test"))
    return float(roc_auc_score(dataset.test.attributes[:, 0], scores))


def probe_accuracy(
    model: RepresentationClassifier, dataset: BiasedDataset
) -> dict[str, float]:
    """Computes how often a linear probe names the category of the attribute.

    The probe is fitted to one half of the test rows and evaluated on the
    other, and the reverse.

    Args:
        model: a `RepresentationClassifier`.
        dataset: a `BiasedDataset` whose attribute is one category.

    Returns:
        Dict of floats: the `probe_accuracy`, and the `majority_accuracy` of
        the most frequent category.
    """
    categories = dataset.test.attributes.argmax(1)
    features = _features(model, dataset, "test")
    counts = np.bincount(categories)
    found = {"majority_accuracy": float(counts.max() / len(categories))}
    # Both halves need two categories.
    if np.sum(counts > 1) > 1:
        halves = StratifiedKFold(2)
        scores = cross_val_score(linear_probe(), features, categories, cv=halves)
        found["probe_accuracy"] = float(scores.mean())
    return found


def _features(model, dataset, split_name, rows=None):
    batches = dataset.batches(split_name, dataset.evaluation_batch, rows)
    return model.encoder.predict(batches.map(lambda x, _: x), verbose=0)
