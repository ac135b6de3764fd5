"""Whole runs on German credit: a network, and the baselines."""

import hashlib

import german
import keras
import pytest
from sklearn import metrics

from keras_unbias.data import german_credit, uci_german
from reproduce.experiment import groups, records, run
from reproduce.experiment.settings import Settings, change

PLAIN = Settings(data=groups.GermanCredit(age_input=True))


@pytest.fixture
def customers(tmp_path, monkeypatch):
    text = german.text(german.rows())
    checksum = hashlib.sha256(text.encode()).hexdigest()
    monkeypatch.setattr(uci_german, "SHA256", checksum)
    path = tmp_path / "german.data"
    path.write_text(text)
    return path


@pytest.mark.slow
def test_a_network_leaves_all_numbers_of_a_binary_task(tmp_path, customers):
    settings = change(PLAIN, epochs=2, jit_compile=False)
    record = run.train(settings, output_dir=tmp_path, data_dir=customers)
    directory = run.directory(settings, tmp_path)
    assert records.read(directory / "record.json") == record
    dataset = german_credit.load(seed=1, data_dir=customers, age_input=True)
    model = keras.saving.load_model(directory / "model.keras")
    predicted = model.predict(dataset.test.inputs, verbose=0)["logits"]
    predicted = predicted.argmax(1)
    labels, young = dataset.test.labels, dataset.test.attributes[:, 0]
    found = {
        group: predicted[(labels == 1) & (young == group)].mean() for group in (0, 1)
    }
    numbers = record.metrics
    assert numbers["equal_opportunity"] == pytest.approx(abs(found[0] - found[1]))
    assert numbers["true_positive_rates"] == pytest.approx(
        {"0": found[0], "1": found[1]}
    )
    assert numbers["balanced_accuracy"] == pytest.approx(
        metrics.balanced_accuracy_score(labels, predicted)
    )
    assert numbers["share_predicted_positive"] == predicted.mean()
    assert 0.5 < record.estimates["probe_auc"] <= 1
    assert set(record.estimates) == {
        *("mutual_information", "conditional_mutual_information", "probe_auc")
    }


@pytest.mark.parametrize(
    "method",
    [
        groups.Constant(),
        groups.Svm(C=(0.1,), folds=2),
        groups.Ferm(C=(0.1,), folds=2),
    ],
    ids=lambda method: method.name,
)
def test_a_baseline_leaves_a_record(method, tmp_path, customers):
    settings = change(PLAIN, method=method)
    record = run.train(settings, output_dir=tmp_path, data_dir=customers)
    directory = run.directory(settings, tmp_path)
    files = {path.name for path in directory.iterdir()}
    assert files == {"settings.json", "data.json", "record.json"}
    assert record.status == "done"
    assert record.data["train_size"] == 700
    assert record.environment["precision"] == "float64"
    assert record.history == {}
    if method.name == "constant":
        assert record.metrics["equal_opportunity"] == 0
        assert record.metrics["share_predicted_positive"] == 1
        assert record.metrics["balanced_accuracy"] == 0.5
    # A finished run is only read.
    customers.unlink()
    assert run.train(settings, output_dir=tmp_path) == record
