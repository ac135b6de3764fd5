"""A run, from its settings to its record."""

import json
import shutil

import h5py
import keras
import numpy as np
import pytest
import toy
import toy_runs

from keras_unbias import adjusted_discriminant, callbacks, overlap_weights
from keras_unbias.methods import RepresentationClassifier
from reproduce.experiment import (
    backup,
    fresh_estimates,
    groups,
    records,
    run,
    run_files,
)
from reproduce.experiment.settings import Settings, change


@pytest.fixture(autouse=True)
def toy_dataset(monkeypatch):
    toy_runs.register(monkeypatch.setitem)


@pytest.fixture(autouse=True)
def held_out_information(monkeypatch):
    """Returns the estimate and leaves it out, for it takes as long as a run."""
    function = fresh_estimates.held_out_information
    monkeypatch.setattr(
        fresh_estimates, "held_out_information", lambda *args, **kwargs: {}
    )
    return function


@pytest.mark.slow
def test_a_run_measures_what_its_features_still_tell(
    tmp_path, monkeypatch, held_out_information
):
    monkeypatch.setattr(fresh_estimates, "held_out_information", held_out_information)
    settings = toy_runs.settings("erm")
    record = run.train(settings, output_dir=tmp_path)
    # Plain training keeps most of what there is to tell, H(C).
    assert record.estimates["mutual_information"] > 0.7
    assert record.estimates["conditional_mutual_information"] > 0.1
    model = keras.saving.load_model(run.directory(settings, tmp_path) / "model.keras")
    dataset = toy.load(640, seed=3)
    assert held_out_information(model, dataset, seed=3) == pytest.approx(
        record.estimates, abs=1e-3
    )


@pytest.mark.parametrize("method", toy.EVERY_METHOD)
def test_a_run_leaves_record_history_and_models(method, tmp_path):
    settings = toy_runs.settings(method)
    record = run.train(settings, output_dir=tmp_path)
    directory = run.directory(settings, tmp_path)
    assert directory == tmp_path / "toy" / settings.id
    assert records.read(directory / "record.json") == record
    assert {path.name for path in directory.iterdir()} == {
        *("settings.json", "data.json", "history.csv", "record.json"),
        *("model", "model.keras"),
    }
    assert record.status == "done"
    assert record.settings == settings
    assert record.data["source"] == "toy"
    assert {len(values) for values in record.history.values()} == {3}
    assert ("mutual_information" in record.metrics) == (method == "mi_backprop")
    assert record.environment["versions"]["keras"] == keras.__version__
    assert record.environment["precision"] == "float32"
    assert record.wall_seconds >= sum(record.history["seconds"]) - 0.1

    test = toy.load(640, seed=3).test
    model = keras.saving.load_model(directory / "model.keras")
    logits = model.predict(test.inputs, verbose=0)["logits"]
    accuracy = (logits.argmax(1) == test.labels).mean()
    assert record.metrics["test_accuracy"] == pytest.approx(accuracy)
    assert record.history["test_accuracy"][-1] == pytest.approx(accuracy, abs=1e-5)

    stamp = (directory / "record.json").stat().st_mtime_ns
    assert run.train(settings, output_dir=tmp_path) == record
    assert (directory / "record.json").stat().st_mtime_ns == stamp


class Killed(BaseException):
    """What no part of a run can catch."""


def kill(settings, output_dir, monkeypatch):
    """Kills a run after its second epoch; returns its directory."""

    def kill_once(self, epoch, logs=None):
        on_epoch_end(self, epoch, logs)
        if epoch == 1:
            raise Killed

    on_epoch_end = backup.Backup.on_epoch_end
    with monkeypatch.context() as patch:
        patch.setattr(backup.Backup, "on_epoch_end", kill_once)
        with pytest.raises(Killed):
            run.train(settings, output_dir=output_dir)
    directory = run.directory(settings, output_dir)
    assert not (directory / "record.json").exists()
    assert (directory / "backup" / "latest.weights.h5").exists()
    return directory


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_weights(tmp_path, monkeypatch):
    settings = toy_runs.settings(epochs=3)
    kill(settings, tmp_path / "killed", monkeypatch)

    def note(self, epoch, logs=None):
        epochs.append(epoch)
        on_epoch_end(self, epoch, logs)

    epochs, on_epoch_end = [], backup.Backup.on_epoch_end
    monkeypatch.setattr(backup.Backup, "on_epoch_end", note)
    models, made = [], []
    for name in ("killed", "unbroken"):
        made.append(run.train(settings, output_dir=tmp_path / name))
        directory = run.directory(settings, tmp_path / name)
        models.append(keras.saving.load_model(directory / "model.keras"))
        assert not (directory / "backup").exists()
    assert epochs == [2, 0, 1, 2]
    for parts in ("variables", "optimizer", "mi_optimizer", "estimator"):
        one, other = (getattr(model, parts) for model in models)
        if parts == "estimator":
            one, other = one.optimizer, other.optimizer
        one = one if parts == "variables" else one.variables
        other = other if parts == "variables" else other.variables
        assert len(one) == len(other) > 0
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b, err_msg=a.path)
    for name in ("loss", "test_accuracy", "mutual_information"):
        assert made[0].history[name] == made[1].history[name]
        assert len(made[0].history[name]) == 3


@pytest.fixture(scope="module")
def killed_and_unbroken(tmp_path_factory):
    """Settings, the directory of all runs with a killed one, and a record."""
    path = tmp_path_factory.mktemp("runs")
    settings = toy_runs.settings("erm")
    with pytest.MonkeyPatch.context() as patch:
        toy_runs.register(patch.setitem)
        patch.setattr(fresh_estimates, "held_out_information", lambda *a, **k: {})
        kill(settings, path / "killed", patch)
        unbroken = run.train(settings, output_dir=path / "unbroken")
    return settings, path / "killed", unbroken


def cut(path, share):
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])


def flip(path):
    """Changes a bit of the weights, which HDF5 does not notice."""
    with h5py.File(path, "a") as file:
        weights = file["classifier/vars/0"]
        values = weights[()]
        values.view("uint8").flat[0] ^= 1
        weights[...] = values


def of_an_earlier_version(path):
    with h5py.File(path, "a") as file:
        del file["history"], file.attrs["digest"]


def of_another_run(path):
    with h5py.File(path, "a") as file:
        file.attrs["digest"] = "0f" * 32


def of_other_shapes(path):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.save_weights(path, overwrite=True)


def within_an_epoch(path):
    of_an_earlier_version(path)
    with h5py.File(path, "a") as file:
        file["optimizer/vars/0"][...] = 41


WEIGHTS = "backup/latest.weights.h5"


@pytest.mark.parametrize(
    ("name", "damage", "warning"),
    [
        ("history.csv", lambda path: path.unlink(), None),
        pytest.param(
            "history.csv",
            lambda path: path.write_text("step\n7\n"),
            None,
            marks=pytest.mark.slow,
        ),
        pytest.param(WEIGHTS, of_an_earlier_version, None, marks=pytest.mark.slow),
        (WEIGHTS, lambda path: cut(path, 0), "cannot be read. OSError"),
        (WEIGHTS, flip, "Its content was changed"),
        *(
            pytest.param(*damage, marks=pytest.mark.slow)
            for damage in (
                (WEIGHTS, of_other_shapes, "cannot be read"),
                (WEIGHTS, lambda path: cut(path, 0.5), "cannot be read. OSError"),
                (WEIGHTS, lambda path: cut(path, 0.99), "cannot be read. OSError"),
                (WEIGHTS, of_another_run, "or is that of another run"),
                (WEIGHTS, within_an_epoch, "was not written after an epoch"),
                ("data.json", lambda path: cut(path, 0.5), "data.json is not JSON"),
                ("data.json", lambda path: path.unlink(), "data.json is missing"),
                ("settings.json", lambda path: cut(path, 0.5), "not hold settings"),
            )
        ),
    ],
)
def test_a_damaged_run_ends_like_an_unbroken_one(
    name, damage, warning, killed_and_unbroken, tmp_path, caplog, monkeypatch
):
    settings, killed, unbroken = killed_and_unbroken
    shutil.copytree(killed, tmp_path, dirs_exist_ok=True)
    directory = run.directory(settings, tmp_path)
    # For time.
    monkeypatch.setattr(RepresentationClassifier, "export", lambda *a, **k: None)
    damage(directory / name)
    content = (directory / name).read_bytes() if (directory / name).exists() else None
    record = run.train(settings, output_dir=tmp_path)
    assert record.metrics == unbroken.metrics
    assert {**record.history, "seconds": []} == {**unbroken.history, "seconds": []}
    assert len(record.history["seconds"]) == 3
    if warning is None:
        assert not (directory / "damaged-1").exists()
        return
    (said,) = caplog.messages
    assert warning in said
    assert str(directory / name) in said
    assert f"moved to {directory / 'damaged-1'}, and the run starts anew" in said
    assert content is None or (directory / "damaged-1" / name).read_bytes() == content


@pytest.mark.slow
def test_a_history_of_other_columns_starts_anew(killed_and_unbroken, tmp_path):
    settings, killed, unbroken = killed_and_unbroken
    shutil.copytree(killed, tmp_path, dirs_exist_ok=True)
    directory = run.directory(settings, tmp_path)
    of_an_earlier_version(directory / WEIGHTS)
    (directory / "history.csv").write_text("epoch,seconds\n0,1\n1,1\n")
    record = run.train(settings, output_dir=tmp_path)
    assert record.history["loss"] == unbroken.history["loss"]
    assert (directory / "damaged-1" / "history.csv").exists()


@pytest.mark.slow
def test_a_run_that_failed_in_its_export_is_finished(tmp_path, monkeypatch):
    settings = toy_runs.settings()
    unbroken = run.train(settings, output_dir=tmp_path / "unbroken")

    def full_disk(*args, **kwargs):
        raise OSError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(RepresentationClassifier, "export", full_disk)
        with pytest.raises(OSError, match="No space left"):
            run.train(settings, output_dir=tmp_path)
    record = run.train(settings, output_dir=tmp_path)
    assert record.metrics == unbroken.metrics
    assert len(record.history["loss"]) == 3


def test_resuming_repeats_no_epoch_of_the_history(tmp_path):
    settings = toy_runs.settings("erm")
    directory = run_files.open_directory(settings, tmp_path)
    (directory / "history.csv").write_text(
        "epoch,accuracy,loss,seconds,val_accuracy,val_loss\n"
        "0,0.1,9.0,1.0,0.1,9.0\n1,0.1,9"
    )
    record = run.train(settings, output_dir=tmp_path)
    assert len(record.history["loss"]) == 3
    assert record.history["loss"][0] < 9.0


def test_nan_ends_the_run_with_a_record(tmp_path):
    settings = toy_runs.settings("erm", learning_rate=1e30, epochs=50)
    record = run.train(settings, output_dir=tmp_path)
    assert record.status == "diverged"
    assert "loss is" in record.reason
    assert len(record.history["loss"]) == 1
    directory = run.directory(settings, tmp_path)
    # Standard JSON has no NaN.
    text = (directory / "record.json").read_text()
    json.loads(text, parse_constant=pytest.fail)
    assert records.read(directory / "record.json") == record
    assert not (directory / "model").exists()
    # If it had been killed before its record, then it would diverge again.
    assert not (directory / "backup").exists()
    (directory / "record.json").unlink()
    assert run.train(settings, output_dir=tmp_path).status == "diverged"


@pytest.mark.slow
def test_an_impossible_bound_ends_the_run(tmp_path, monkeypatch):
    monkeypatch.setattr(run, "entropy", lambda cells: -10.0)
    record = run.train(toy_runs.settings(), output_dir=tmp_path)
    assert record.status == "diverged"
    assert "above H(C) = -10.000" in record.reason


def test_the_bound_is_compared_with_the_entropy_of_the_attribute(tmp_path, monkeypatch):
    entropies = []

    class Spy(callbacks.StopOnDivergence):
        def __init__(self, entropy):
            entropies.append(entropy)
            super().__init__(entropy)

    monkeypatch.setattr(callbacks, "StopOnDivergence", Spy)
    run.train(toy_runs.settings("erm", epochs=1), output_dir=tmp_path)
    shares = toy.load(640, seed=3).train.attributes.mean(0)
    counted = -(shares * np.log(shares)).sum() + (3 - 1) / (2 * 640)
    assert entropies == [pytest.approx(counted, abs=1e-6)]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            Settings(data=groups.PeerProblem(), method=groups.Erm()),
            "Unknown data set of a run. Expected: one of .*'toy'.*: 'peers'",
        ),
        (
            Settings(data=toy_runs.Toy(), method=groups.PeerAudit()),
            "Unknown method of a run. Expected: one of .*'svm'.*: 'audit'",
        ),
    ],
)
def test_what_is_not_registered_stops_before_any_work(settings, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        run.train(settings, output_dir=tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_method_that_is_not_registered(tmp_path, monkeypatch):
    monkeypatch.setattr(groups.Method, "known", dict(groups.Method.known))

    @groups.checked
    class Magic(groups.TrainingMethod):
        name = "magic"

    settings = Settings(data=toy_runs.Toy(), method=Magic())
    with pytest.raises(ValueError, match=r"Unknown method.*'erm'.*: 'magic'"):
        run.train(settings, output_dir=tmp_path)


def test_a_run_does_not_go_on_with_other_data(tmp_path):
    settings = toy_runs.settings("erm")
    directory = run_files.open_directory(settings, tmp_path)
    records.write_json(directory / "data.json", {"source": "elsewhere"})
    with pytest.raises(ValueError, match=r"begun on other data.*elsewhere"):
        run.train(settings, output_dir=tmp_path)


def test_a_record_of_other_settings_is_not_taken(tmp_path):
    settings = toy_runs.settings("erm")
    other = records.Record(
        settings=change(settings, seed=4),
        status="done",
        metrics={},
        data={},
        history={},
        environment={},
        wall_seconds=0.0,
    )
    directory = run_files.open_directory(settings, tmp_path)
    records.write(other, directory / "record.json")
    with pytest.raises(ValueError, match="is the record of another run"):
        run.train(settings, output_dir=tmp_path)


def test_a_batch_larger_than_the_data(tmp_path):
    settings = toy_runs.settings("erm", batch_size=641)
    with pytest.raises(ValueError, match="Expected: batch_size <= 640"):
        run.train(settings, output_dir=tmp_path)


@pytest.mark.slow
def test_reports_change_the_history_and_not_the_weights(tmp_path):
    """Eager or compiled, one call for each epoch or one for three."""
    plain = run.train(toy_runs.settings(), output_dir=tmp_path)
    reported = run.train(toy_runs.settings(epochs_per_report=3), output_dir=tmp_path)
    assert len(plain.history["loss"]) == 3
    assert len(reported.history["loss"]) == 1
    assert reported.metrics["test_accuracy"] == plain.metrics["test_accuracy"]
    assert reported.history["test_loss"][-1] == pytest.approx(
        plain.history["test_loss"][-1], rel=1e-5
    )
    compiled = run.train(
        toy_runs.settings(epochs_per_report=3, jit_compile=True),
        output_dir=tmp_path,
    )
    assert compiled.history["test_loss"][-1] == pytest.approx(
        plain.history["test_loss"][-1], rel=1e-2
    )


def test_a_discriminant_replaces_the_classifier(tmp_path):
    settings = toy_runs.settings(
        "erm", epochs=1, discriminant_shrinkage=0.3, overlap_width=1.0
    )
    record = run.train(settings, output_dir=tmp_path)
    model = keras.saving.load_model(run.directory(settings, tmp_path) / "model.keras")
    dataset = toy.load(640, seed=3)
    for split in ("train", "test"):
        rows = getattr(dataset, split)
        outputs = model.predict(rows.inputs, verbose=0)
        found = (outputs["logits"].argmax(1) == rows.labels).mean()
        assert record.metrics[f"{split}_accuracy"] == pytest.approx(found)
        if split == "train":
            positions = dataset.attribute_spec.positions(rows.attributes)
            expected = adjusted_discriminant(
                outputs["features"],
                rows.labels,
                positions,
                sample_weight=overlap_weights(rows.labels, positions, width=1.0),
                shrinkage=0.3,
            )
    for weights, own in zip(expected, model.classifier.get_weights(), strict=True):
        np.testing.assert_allclose(own, weights, rtol=1e-3, atol=1e-4)
