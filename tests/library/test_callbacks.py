"""The callbacks, together with those of Keras."""

import csv

import keras
import numpy as np
import pytest

from keras_unbias import callbacks
from keras_unbias.dependence import critics
from keras_unbias.methods import (
    MutualInformationBackpropagation,
    RepresentationClassifier,
)


def compiled(problem, **arguments):
    model = MutualInformationBackpropagation(
        problem.encoder(), problem.classes, **arguments
    )
    model.compile(keras.optimizers.Adam(3e-3))
    return model


def fit(model, problem, epochs, callbacks, **arguments):
    return model.fit(
        *problem.train,
        batch_size=128,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
        **arguments,
    ).history


@pytest.mark.slow
def test_the_monitor_logs_the_held_out_bounds(problem):
    model = RepresentationClassifier(problem.encoder(), problem.classes)
    model.compile(keras.optimizers.Adam(3e-3))
    monitor = callbacks.MutualInformationMonitor(problem.test, every=2, passes=10)
    history = fit(model, problem, 3, [monitor])

    plain = history["held_out_mutual_information"]
    conditional = history["held_out_conditional_mutual_information"]
    assert np.isnan(plain).tolist() == [False, True, False]
    assert np.isnan(conditional).tolist() == [False, True, False]
    inputs, targets = problem.test
    rows = {
        "epochs": 10,
        "batch_size": critics.choose_batch_size(len(inputs)),
    }
    features = model.predict(inputs, verbose=0)["features"]
    assert plain[-1] == pytest.approx(
        critics.held_out_bound(features, targets["attribute"], **rows),
        abs=1e-3,
    )
    assert conditional[-1] == pytest.approx(
        critics.held_out_bound(
            features, *reversed(targets.values()), num_classes=3, **rows
        ),
        abs=1e-3,
    )


def test_a_diverged_model_is_not_measured(problem):
    monitor = callbacks.MutualInformationMonitor(problem.test, passes=1)
    monitor.set_model(lambda x: {"features": x * np.nan})
    monitor.on_train_begin()
    logs = {}
    monitor.on_epoch_end(0, logs)
    assert len(logs) == 2 and np.isnan([*logs.values()]).all()


def test_the_arguments_of_a_monitor_are_checked():
    for wrong in ({"every": 0}, {"every": 1.5}, {"passes": 0}):
        ((name, value),) = wrong.items()
        with pytest.raises(ValueError, match=f"{name}={value}"):
            callbacks.MutualInformationMonitor(None, **wrong)


def test_the_validation_loss_shows_a_broken_last_step():
    stop = callbacks.StopOnDivergence(entropy=1.0)
    stop.set_model(keras.Model())
    stop.on_epoch_end(0, {"loss": 0.1, "val_loss": 0.2})
    assert not stop.reason
    stop.on_epoch_end(1, {"loss": 0.1, "val_loss": np.nan})
    assert stop.reason == "val_loss is nan after epoch 2"
    assert stop.model.stop_training


def test_a_loss_that_is_not_finite_stops_the_training():
    stop = callbacks.StopOnDivergence()
    stop.set_model(keras.Model())
    stop.on_train_batch_end(0, {"loss": 1.0, "mutual_information": 1e9})
    stop.on_epoch_end(0, {"loss": 1.0, "mutual_information": 1e9})
    assert not stop.reason
    stop.on_train_batch_end(3, {"loss": 1.0, "mutual_information": np.inf})
    stop.on_train_batch_end(4, {"loss": np.nan})
    assert stop.reason == "mutual_information is inf at batch 3"
    assert stop.model.stop_training


def test_a_bound_above_the_entropy_is_impossible():
    stop = callbacks.StopOnDivergence(entropy=1.0)
    stop.set_model(keras.Model())
    stop.on_epoch_end(0, {"mutual_information": 0.9})
    assert not stop.reason
    stop.on_epoch_end(1, {"mutual_information": 1.1})
    assert "1.100 nats after epoch 2, above H(C) = 1.000" in stop.reason
    assert stop.model.stop_training


@pytest.mark.parametrize("own_optimizer", [True, False])
@pytest.mark.slow
def test_a_weight_of_zero_is_plain_training(problem, own_optimizer):
    def trained(model, callbacks):
        keras.utils.set_random_seed(1)
        fit(model, problem, 2, callbacks)
        return model.predict(problem.test[0][:50], verbose=0)["logits"]

    def made(mi_weight):
        keras.utils.set_random_seed(0)
        return compiled(problem, mi_weight=mi_weight, own_optimizer=own_optimizer)

    off = callbacks.MiWeightSchedule(lambda epoch, weight: 0 * weight)
    scheduled = trained(made(2.0), [off])
    np.testing.assert_allclose(scheduled, trained(made(0.0), []), atol=1e-6)
    assigned = made(2.0)
    assigned.mi_weight = 0.0
    np.testing.assert_allclose(scheduled, trained(assigned, []), atol=1e-6)
    assert np.abs(scheduled - trained(made(2.0), [])).max() > 1e-3


def test_the_weight_warms_up(problem):
    model = compiled(problem, mi_weight=0.6)
    # One batch per epoch takes less time than its compilation.
    model.run_eagerly = True
    schedule = callbacks.MiWeightSchedule(callbacks.warm_up(2))
    history = fit(model, problem, 4, [schedule], steps_per_epoch=1)
    np.testing.assert_allclose(history["mi_weight"], [0.2, 0.4, 0.6, 0.6])


def test_a_schedule_starts_from_the_assigned_weight(problem):
    model = compiled(problem, mi_weight=0.6)
    model.run_eagerly = True
    model.mi_weight = 0.3
    assert float(model.mi_weight_variable) == pytest.approx(0.3)
    assert float(model.mi_optimizer.learning_rate) == pytest.approx(
        0.3 * float(model.optimizer.learning_rate)
    )
    schedule = callbacks.MiWeightSchedule(callbacks.warm_up(2))
    history = fit(model, problem, 2, [schedule], steps_per_epoch=1)
    np.testing.assert_allclose(history["mi_weight"], [0.1, 0.2])
    assert model.mi_weight == model.get_config()["mi_weight"] == 0.3


def test_a_negative_weight_is_refused(problem):
    with pytest.raises(ValueError, match=r"number >= 0.*-1.0"):
        compiled(problem).mi_weight = -1.0
    schedule = callbacks.MiWeightSchedule(lambda epoch, weight: -weight)
    with pytest.raises(ValueError, match=r"Received: schedule\(epoch=0, weight\)=-1.0"):
        fit(compiled(problem), problem, 1, [schedule])


@pytest.mark.slow
def test_our_callbacks_work_with_those_of_keras(problem, tmp_path):
    def run(epochs):
        keras.utils.set_random_seed(0)
        model = compiled(problem, mi_weight=0.5, conditional=True)
        stop = keras.callbacks.EarlyStopping(
            "val_loss", patience=9, restore_best_weights=True
        )
        history = fit(
            model,
            problem,
            epochs,
            [
                callbacks.MutualInformationMonitor(problem.test, passes=2),
                callbacks.MiWeightSchedule(callbacks.warm_up(2)),
                keras.callbacks.CSVLogger(tmp_path / "log.csv", append=True),
                keras.callbacks.TensorBoard(tmp_path / "board"),
                keras.callbacks.ModelCheckpoint(tmp_path / "best.keras"),
                keras.callbacks.BackupAndRestore(
                    tmp_path / "backup", delete_checkpoint=False
                ),
                stop,
            ],
            validation_data=problem.test,
        )
        return model, stop, history

    _, _, first = run(2)
    _, stop, second = run(4)  # Continues at the third epoch.
    assert len(first["loss"]) == len(second["loss"]) == 2
    assert second["mi_weight"] == [0.5, 0.5]
    assert stop.best <= min(second["val_loss"])
    assert list((tmp_path / "board").rglob("events*"))
    with (tmp_path / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["held_out_mutual_information"]) for row in rows] == [
        *first["held_out_mutual_information"],
        *second["held_out_mutual_information"],
    ]
    saved = keras.saving.load_model(tmp_path / "best.keras")
    assert float(saved.mi_weight_variable) == 0.5
    assert saved.evaluate(*problem.test, verbose=0, return_dict=True)[
        "loss"
    ] == pytest.approx(second["val_loss"][-1], rel=1e-4)
