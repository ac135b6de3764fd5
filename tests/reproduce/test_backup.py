"""The backup of a run, written whole or not at all, and its clock."""

import pathlib
import time

import keras
import numpy as np
import pytest

from reproduce.experiment.backup import Backup, Clock, HistoryFile


def model_and_rows():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.1), "mse")
    model.optimizer.build(model.trainable_variables)
    rng = np.random.default_rng(0)
    return model, rng.normal(size=(32, 2)), rng.normal(size=(32, 1))


def backup_in(directory, run_id="a"):
    history = HistoryFile(directory / "history.csv")
    return Backup(directory / "backup" / "latest.weights.h5", history, run_id)


def fit(model, *rows, backup, epochs, initial_epoch=0):
    model.fit(
        *rows,
        batch_size=8,
        shuffle=False,
        epochs=epochs,
        initial_epoch=initial_epoch,
        callbacks=[Clock(), backup.history, backup],
        verbose=0,
    )


def test_a_restored_training_equals_an_unbroken_one(tmp_path):
    backup = backup_in(tmp_path)
    first, *rows = model_and_rows()
    assert backup.restore(first, steps=4) == 0
    fit(first, *rows, backup=backup, epochs=2)
    assert [path.name for path in backup.path.parent.iterdir()] == ["latest.weights.h5"]

    resumed, *rows = model_and_rows()
    epoch = backup.restore(resumed, steps=4)
    assert epoch == 2
    fit(resumed, *rows, backup=backup, epochs=3, initial_epoch=epoch)
    unbroken, *rows = model_and_rows()
    fit(unbroken, *rows, backup=backup_in(tmp_path / "b"), epochs=3)
    for one, other in zip(
        resumed.variables + resumed.optimizer.variables,
        unbroken.variables + unbroken.optimizer.variables,
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)


def test_a_kill_while_writing_keeps_the_last_backup(tmp_path, monkeypatch):
    model, *rows = model_and_rows()
    backup = backup_in(tmp_path)
    fit(model, *rows, backup=backup, epochs=1)
    before = backup.path.read_bytes()

    write_bytes = pathlib.Path.write_bytes

    def killed(path, content):
        write_bytes(path, content[:50])
        raise KeyboardInterrupt

    monkeypatch.setattr(pathlib.Path, "write_bytes", killed)
    with pytest.raises(KeyboardInterrupt):
        backup.on_epoch_end(1)
    assert backup.path.read_bytes() == before


def test_a_diverged_state_is_not_kept(tmp_path):
    model, *_ = model_and_rows()
    backup = backup_in(tmp_path)
    backup.set_model(model)
    model.stop_training = True
    backup.on_epoch_end(0)
    assert not backup.path.exists()


def test_the_clock_adds_up_the_seconds():
    clock, logs = Clock(), [{}, {}]
    for epoch, log in enumerate(logs):
        clock.on_epoch_begin(epoch)
        time.sleep(0.02)
        clock.on_epoch_end(epoch, log)
    assert all(0.02 <= log["seconds"] < 5 for log in logs)
    assert clock.total == sum(log["seconds"] for log in logs)
