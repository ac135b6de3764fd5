"""German credit as a data set: inputs, split, attribute."""

import hashlib

import german
import numpy as np
import pandas as pd
import pytest

from keras_unbias import data as datasets
from keras_unbias.data import uci_german

ROWS = german.rows()


@pytest.fixture(autouse=True)
def path(tmp_path, monkeypatch):
    text = german.text(ROWS)
    checksum = hashlib.sha256(text.encode()).hexdigest()
    monkeypatch.setattr(uci_german, "SHA256", checksum)
    (tmp_path / "german.data").write_text(text)
    return tmp_path


def load(path, **settings):
    return datasets.load("german_credit", data_dir=path, **{"seed": 1, **settings})


def frame():
    return pd.DataFrame(ROWS, columns=list(uci_german.COLUMNS))


@pytest.mark.parametrize(("age_input", "width"), [(True, 61), (False, 60)])
def test_700_customers_train_and_300_test(path, age_input, width):
    dataset = load(path, age_input=age_input)
    assert dataset.train.inputs.shape == (700, width)
    assert dataset.test.inputs.shape == (300, width)
    assert dataset.train.inputs.dtype == np.float32
    labels = np.concatenate([dataset.train.labels, dataset.test.labels])
    assert labels.sum() == 700
    young = np.concatenate([dataset.train.attributes, dataset.test.attributes])
    assert young.shape == (1000, 1)
    assert young.sum() == 190
    assert (young[:, 0].astype(bool) & (labels == 0)).sum() == 80


def test_inputs_are_standardized_numbers_and_one_hot_codes(path):
    dataset = load(path, age_input=True)
    everything = frame()
    # The rows of the training split, found again by their labels' order.
    train = find(dataset.train.inputs, everything)
    numbers = ["duration", "amount", "installment_rate", "residence", "age"]
    numbers += ["credits", "liable"]
    values = everything[numbers].astype(float).to_numpy()
    expected = (values - values[train].mean(0)) / values[train].std(0)
    np.testing.assert_allclose(dataset.train.inputs[:, :7], expected[train], atol=1e-4)
    test = find(dataset.test.inputs, everything)
    np.testing.assert_allclose(dataset.test.inputs[:, :7], expected[test], atol=1e-4)
    codes = dataset.train.inputs[:, 7:]
    assert set(np.unique(codes)) == {0.0, 1.0}
    np.testing.assert_array_equal(codes.sum(1), 13)
    np.testing.assert_array_equal(
        codes[:, :4],
        everything.status.iloc[train].to_numpy()[:, None]
        == np.array([["A11", "A12", "A13", "A14"]]),
    )


def find(inputs, everything):
    """Row numbers by the codes, which are unique enough with the amount."""
    codes = np.concatenate(
        [
            everything[name].to_numpy()[:, None] == np.array([known])
            for name, known in uci_german.COLUMNS.items()
            if known and name != uci_german.CLASS
        ],
        axis=1,
    )
    keys = {row.tobytes(): n for n, row in enumerate(codes)}
    assert len(keys) == len(codes)
    return np.array([keys[row.astype(bool).tobytes()] for row in inputs[:, 7:]])


def test_the_seed_fixes_the_split(path):
    first, again, other = (load(path, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.train.inputs, again.train.inputs)
    assert np.any(first.train.labels != other.train.labels)


def test_who_is_young(path):
    ages = frame().age.astype(int)
    dataset = load(path, oldest_young=24)
    young = dataset.train.attributes.sum() + dataset.test.attributes.sum()
    assert young == (ages <= 24).sum() < 190


def test_facts(path):
    dataset = load(path)
    young = dataset.train.attributes.mean()
    entropy = -young * np.log(young) - (1 - young) * np.log(1 - young)
    facts = dataset.facts
    assert facts["attribute_entropy_nats"] == pytest.approx(entropy, abs=2e-3)
    assert (facts["train_size"], facts["test_size"]) == (700, 300)
    assert (facts["source"], facts["checksum"]) == ("file", uci_german.SHA256)
    assert dataset.attribute_spec.widths == (1,)
    assert facts["note"] == ""
    assert 0 <= facts["floor_nats"] < 0.05


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"seed": -1}, "integer >= 0. Received: seed=-1"),
        ({"oldest_young": 18}, "integer >= 19. Received: oldest_young=18"),
        ({"customers": "uci"}, r"does not have these settings.*'customers'"),
    ],
)
def test_wrong_arguments_are_refused(path, settings, message):
    with pytest.raises(ValueError, match=message):
        load(path, **settings)
