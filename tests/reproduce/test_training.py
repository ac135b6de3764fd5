import dataclasses
import gc
import json

import keras
import numpy as np
import pytest
import toy

from keras_unbias import callbacks, encoders
from keras_unbias import data as datasets
from keras_unbias.auditing import critics
from keras_unbias.methods import RepresentationClassifier
from reproduce.experiment import records, run
from reproduce.experiment import settings as run_settings


@pytest.fixture(autouse=True)
def toy_dataset(monkeypatch):
    toy.register(monkeypatch.setitem)


@pytest.fixture(autouse=True)
def no_audit(monkeypatch):
    """Hands back the audit, which would take as long as a run."""
    information = critics.held_out_information
    monkeypatch.setattr(
        fresh_estimators, "held_out_information", lambda *args, **kwargs: {}
    )
    return information


@pytest.mark.slow
def test_a_run_is_audited(tmp_path, monkeypatch, no_audit):
    monkeypatch.setattr(fresh_estimators, "held_out_information", no_audit)
    record = run.train(toy.config("erm"), output_dir=tmp_path)
    # Plain training keeps most of what there is to tell, H(C).
    assert record.audit["mutual_information"] > 0.7
    assert record.audit["conditional_mutual_information"] > 0.1
    model = keras.saving.load_model(
        record.config.directory(tmp_path) / "model.keras"
    )
    dataset = toy.load(640, seed=3)
    assert no_audit(model, dataset, seed=3) == pytest.approx(
        record.audit, abs=1e-3
    )


@pytest.mark.parametrize("method", toy.EVERY_METHOD)
def test_a_run_leaves_record_history_and_models(method, tmp_path):
    config = toy.config(method)
    record = run.train(config, output_dir=tmp_path)
    directory = config.directory(tmp_path)
    assert records.read_record(directory / "record.json") == record
    assert record.status == "done"
    assert record.config == config
    assert not (directory / "backup").exists()
    assert {len(values) for values in record.history.values()} == {3}
    assert ("mutual_information" in record.metrics) == (method == "mi_backprop")
    environment = record.environment
    assert environment["versions"]["keras"] == keras.__version__
    assert environment["precision"] == "float32"

    test = toy.load(640, seed=3).test
    model = keras.saving.load_model(directory / "model.keras")
    logits = model.predict(test.inputs, verbose=0)["logits"]
    accuracy = (logits.argmax(1) == test.labels).mean()
    assert record.metrics["test_accuracy"] == pytest.approx(accuracy)
    assert record.history["test_accuracy"][-1] == pytest.approx(
        accuracy, abs=1e-5
    )

    stamp = (directory / "record.json").stat().st_mtime_ns
    assert run.train(config, output_dir=tmp_path) == record
    assert (directory / "record.json").stat().st_mtime_ns == stamp


def build(seed=3, **changes):
    # Four batches: what estimator_accumulate may divide.
    config = toy.config(**{"estimator_batches": 4, **changes})
    config = dataclasses.replace(config, seed=seed)
    return run.build_model(config, toy.load(64, seed=3), steps=20)


@pytest.mark.parametrize(
    ("name", "values", "read"),
    [
        ("mi_weight", (0.25, 2.0), lambda m: m.mi_weight),
        ("conditional", (False, True), lambda m: m.conditional),
        (
            "conditional",
            (False, True),
            lambda m: m.estimator.num_classes == 3,
        ),
        ("estimator_batches", (0, 2), lambda m: m.estimator_batches),
        ("own_optimizer", (False, True), lambda m: m.own_optimizer),
        ("clip", (False, True), lambda m: m.clip),
        ("standardize", (False, True), lambda m: m.estimator.standardize),
        ("estimator_steps", (2, 5), lambda m: m.estimator.steps),
        (
            "estimator_learning_rate",
            (1e-4, 1e-2),
            lambda m: m.estimator.optimizer.learning_rate.numpy(),
        ),
        (
            "estimator_optimizer",
            ("adam", "sgd"),
            lambda m: type(m.estimator.optimizer).__name__.lower(),
        ),
        ("estimator_accumulate", (2, 4), lambda m: m.estimator.accumulate),
        (
            "critic",
            ("concatenated", "separable"),
            lambda m: type(m.estimator.critic).__name__.lower()[:-6],
        ),
        ("seed", (1, 2), lambda m: m.estimator.seed),
        ("prior_strength", (0.5, 1.0), lambda m: m.label_prior.strength),
        (
            "learning_rate",
            (1e-4, 1e-2),
            lambda m: m.optimizer.learning_rate.numpy(),
        ),
        ("weight_averaging", (0.5, 0.9), lambda m: m.optimizer.ema_momentum),
    ],
)
def test_a_setting_comes_to_the_model(name, values, read):
    # Of two values, one is not what stands for what was left out.
    for value in values:
        assert read(build(**{name: value})) == pytest.approx(value)


def test_settings_of_none_leave_their_part_out():
    model = build(weight_averaging=0.0, prior_strength=0.0)
    assert not model.optimizer.use_ema
    assert model.label_prior is None


def test_a_rate_falls_over_the_epochs_or_not_at_all():
    for decay, end in (("cosine", 0.0), ("constant", 0.01)):
        model = build(decay=decay, learning_rate=0.01, epochs=3)
        rates = []
        for step in (0, 30, 60):
            model.optimizer.iterations.assign(step)
            rates.append(float(model.optimizer.learning_rate))
        assert rates == pytest.approx([0.01, (0.01 + end) / 2, end])


class Killed(BaseException):
    """What no part of a run can catch."""


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
def test_a_killed_run_goes_on_to_the_same_weights(tmp_path, monkeypatch):
    config = toy.config(epochs=3)
    directory = config.directory(tmp_path / "killed")
    backup = directory / "backup" / "latest.weights.h5"

    def kill_once(self, epoch, logs=None):
        on_epoch_end(self, epoch, logs)
        epochs.append(epoch)
        if epochs == [0, 1]:
            raise Killed

    epochs, on_epoch_end = [], callbacks.Backup.on_epoch_end
    monkeypatch.setattr(callbacks.Backup, "on_epoch_end", kill_once)
    with pytest.raises(Killed):
        run.train(config, output_dir=tmp_path / "killed")
    gc.collect()  # Closes its history, as the end of a process does.
    assert not (directory / "record.json").exists()
    assert backup.exists()

    models, records = [], []
    for name in ("killed", "unbroken"):
        records.append(run.train(config, output_dir=tmp_path / name))
        directory = config.directory(tmp_path / name)
        models.append(keras.saving.load_model(directory / "model.keras"))
    assert epochs == [0, 1] + [2] + [0, 1, 2]
    for parts in ("variables", "optimizer", "mi_optimizer", "estimator"):
        one, other = (getattr(model, parts) for model in models)
        if parts == "estimator":
            one, other = one.optimizer, other.optimizer
        one = one if parts == "variables" else one.variables
        other = other if parts == "variables" else other.variables
        assert len(one) == len(other) > 0
        for a, b in zip(one, other):
            np.testing.assert_array_equal(a, b, err_msg=a.path)
    for name in ("loss", "test_accuracy", "mutual_information"):
        assert records[0].history[name] == records[1].history[name]
        assert len(records[0].history[name]) == 3


@pytest.mark.slow
def test_a_run_that_failed_in_its_export_is_finished(tmp_path, monkeypatch):
    config = toy.config()
    unbroken = run.train(config, output_dir=tmp_path / "unbroken")

    def full_disk(*args, **kwargs):
        raise OSError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(RepresentationClassifier, "export", full_disk)
        with pytest.raises(OSError, match="No space left"):
            run.train(config, output_dir=tmp_path)
    record = run.train(config, output_dir=tmp_path)
    assert record.metrics == unbroken.metrics
    assert len(record.history["loss"]) == 3


def test_resuming_repeats_no_epoch_of_the_history(tmp_path):
    config = toy.config("erm")
    directory = records.open_run(config, tmp_path)
    (directory / "history.csv").write_text(
        "epoch,accuracy,loss,seconds,val_accuracy,val_loss\n"
        "0,0.1,9.0,1.0,0.1,9.0\n1,0.1,9"
    )
    record = run.train(config, output_dir=tmp_path)
    assert len(record.history["loss"]) == 3
    assert record.history["loss"][0] < 9.0


def test_nan_ends_the_run_with_a_record(tmp_path):
    config = toy.config("erm", learning_rate=1e30, epochs=50)
    record = run.train(config, output_dir=tmp_path)
    assert record.status == "diverged"
    assert "loss is" in record.reason
    assert len(record.history["loss"]) == 1
    directory = config.directory(tmp_path)
    # Standard JSON, which knows no NaN.
    text = (directory / "record.json").read_text()
    json.loads(text, parse_constant=pytest.fail)
    assert not (directory / "model").exists()
    # Had it been killed before its record, it would diverge again.
    assert not (directory / "backup").exists()
    (directory / "record.json").unlink()
    again = run.train(config, output_dir=tmp_path)
    assert again.status == "diverged"


@pytest.mark.slow
def test_an_impossible_bound_ends_the_run(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "_attribute_entropy", lambda _: -10.0)
    record = run.train(toy.config(), output_dir=tmp_path)
    assert record.status == "diverged"
    assert "above H(C) = -10.000" in record.reason


def test_entropy_of_the_attribute_is_that_of_its_rows():
    dataset = toy.load(3000, seed=0)
    shares = dataset.train.attributes.mean(0)
    assert run._attribute_entropy(dataset) == pytest.approx(
        -(shares * np.log(shares)).sum(), abs=1e-3
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": "magic"}, "Unknown method. Expected: one of .*'magic'"),
        ({"dataset": "cats"}, "Unknown data set. Expected: one of .*'cats'"),
        ({"settings": {"rows": 9}}, "Missing: .*'batch_size'"),
        (
            {"settings": toy.config("erm", colour=1).settings},
            r"Received beyond them: \['colour'\]",
        ),
        (
            {"settings": toy.config("erm", decay="linear").settings},
            "Unknown decay. Expected: .*'linear'",
        ),
        (
            {"settings": toy.config("erm", precision="half").settings},
            "Unknown precision. Expected: .*'half'",
        ),
        (
            {"settings": toy.config("erm", prior_strength=-0.5).settings},
            "`prior_strength` of erm .*>= 0. Received: -0.5",
        ),
        (
            {
                "method": "bias_balanced",
                "settings": toy.config(
                    "bias_balanced", prior_strength=0.0
                ).settings,
            },
            "`prior_strength` of bias_balanced .*> 0. Received: 0.0",
        ),
        (
            {
                "method": "mi_backprop",
                "settings": toy.config(mi_weight=-1.0).settings,
            },
            "`mi_weight` of mi_backprop .*>= 0. Received: -1.0",
        ),
        (
            {"settings": toy.config("erm", learning_rate=0.0).settings},
            "`learning_rate` of erm .*> 0. Received: 0.0",
        ),
        (
            {"settings": toy.config("erm", weight_averaging=1.0).settings},
            "`weight_averaging`.*>= 0 and < 1. Received: 1.0",
        ),
        (
            {"settings": toy.config("erm", weight_averaging=None).settings},
            "`weight_averaging`.*a number >= 0 and < 1. Received: None",
        ),
        (
            {"settings": toy.config("erm", learning_rate=np.inf).settings},
            "`learning_rate` of erm .*a number > 0. Received: inf",
        ),
        *(
            (
                {
                    "method": "mi_backprop",
                    "settings": toy.config(**{name: value}).settings,
                },
                message,
            )
            for name, value, message in (
                ("mi_weight", "1", "a number >= 0. Received: '1'"),
                ("mi_weight", np.nan, "a number >= 0. Received: nan"),
                ("conditional", "false", r"\(True, False\). Rec.*'false'"),
                ("jit_compile", "no", r"\(None, True, False\). Rec.*'no'"),
                ("critic_hidden", 64, "`critic_hidden`.*a list .* 64. Write"),
                ("critic_hidden", [0], "integer >= 1. Rec.* critic_hidden=0"),
            )
        ),
        (
            {"settings": toy.config("erm", epochs=0).settings},
            "`epochs` is out of range. Expected: an integer >= 1",
        ),
        (
            {"settings": toy.config("erm", epochs=2.0).settings},
            "an integer >= 1. Received: epochs=2.0",
        ),
        (
            {
                "method": "mi_backprop",
                "settings": toy.config(estimator_batches=-1).settings,
            },
            "an integer >= 0. Received: estimator_batches=-1",
        ),
        (
            {
                "method": "mi_backprop",
                "settings": toy.config(estimator_accumulate=3).settings,
            },
            "divides `estimator_batches`.*Expected: a divisor of 2. Rec.* 3",
        ),
    ],
)
def test_a_wrong_config_stops_before_any_work(changes, message, tmp_path):
    config = dataclasses.replace(toy.config("erm"), **changes)
    with pytest.raises(ValueError, match=message):
        run.train(config, output_dir=tmp_path)
    assert not list(tmp_path.iterdir())


def test_what_the_loader_has_a_default_for_may_be_left_out(
    monkeypatch,
):
    settings = {**toy.config("erm").settings, "color_variance": 0.02}
    del settings["rows"]
    base = dataclasses.replace(toy.config("erm"), dataset="colored_mnist")
    received = []
    monkeypatch.setattr(
        datasets, "load", lambda *args, **kwargs: received.append(kwargs)
    )
    for extra in ({}, {"attribute": "bits", "held_out": 5}):
        config = dataclasses.replace(base, settings={**settings, **extra})
        run_settings.check(config)
        run._load(config, "somewhere")
        assert received.pop() == {
            "seed": config.seed,
            "data_dir": "somewhere",
            "color_variance": 0.02,
            **extra,
        }
    del settings["color_variance"]
    with pytest.raises(ValueError, match="any of .*'held_out'.*Missing: .'col"):
        run_settings.check(dataclasses.replace(base, settings=settings))


def test_digit_encoder():
    for dtype in ("float32", "mixed_bfloat16"):
        encoder = encoders.digit_encoder(dtype)
        # 5*5*3*64 + 64, 5*5*64*64 + 64, 1024*512 + 512, 512*64 + 64.
        assert encoder.count_params() == 4864 + 102464 + 524800 + 32832
        images = np.full((2, 28, 28, 3), 255, "uint8")
        features = encoder(images)
        assert features.shape == (2, 64)
        assert features.dtype == "float32"
    assert keras.config.dtype_policy().name == "float32"


def test_history_is_cut_where_the_run_goes_on(tmp_path):
    path = tmp_path / "history.csv"
    path.write_text("epoch,accuracy\n0,0.1\n1,0.2\n2,0.3\n3")
    run._trim_history(path, 2)
    assert path.read_text() == "epoch,accuracy\n0,0.1\n1,0.2\n"
    assert run._history(path) == {"train_accuracy": [0.1, 0.2]}
    run._trim_history(path, 0)
    assert not path.exists()
    # Opened, and killed before the first line.
    path.touch()
    run._trim_history(path, 0)
    assert not path.exists()


def test_a_run_does_not_go_on_with_other_data(tmp_path):
    config = toy.config("erm")
    directory = records.open_run(config, tmp_path)
    records.write_json(directory / "data.json", {"source": "elsewhere"})
    with pytest.raises(ValueError, match="begun on other data.*elsewhere"):
        run.train(config, output_dir=tmp_path)


def test_a_run_goes_on_with_the_same_data_from_elsewhere(tmp_path):
    begun = {"source": "a mirror", "checksum": "1f", "train_size": 640}
    path = tmp_path / "data.json"
    records.write_json(path, begun)
    run._check_data(path, {**begun, "source": "the origin"})
    with pytest.raises(ValueError, match="begun on other data"):
        run._check_data(path, {**begun, "checksum": "2e"})


def test_a_batch_larger_than_the_data(tmp_path):
    with pytest.raises(ValueError, match="Expected: batch_size <= 640"):
        run.train(toy.config("erm", batch_size=641), output_dir=tmp_path)


@pytest.mark.slow
def test_reports_change_the_history_and_not_the_weights(tmp_path):
    """Eager or compiled, one call an epoch or one for three."""
    plain = run.train(toy.config(), output_dir=tmp_path / "plain")
    reported = run.train(
        toy.config(epochs_per_report=3), output_dir=tmp_path / "reported"
    )
    assert len(plain.history["loss"]) == 3
    assert len(reported.history["loss"]) == 1
    assert reported.metrics["test_accuracy"] == plain.metrics["test_accuracy"]
    assert reported.history["test_loss"][-1] == pytest.approx(
        plain.history["test_loss"][-1], rel=1e-5
    )
    compiled = run.train(
        toy.config(epochs_per_report=3, jit_compile=True),
        output_dir=tmp_path / "compiled",
    )
    assert compiled.history["test_loss"][-1] == pytest.approx(
        plain.history["test_loss"][-1], rel=1e-2
    )


def test_reports_divide_the_epochs(tmp_path):
    with pytest.raises(ValueError, match="divisor of 3. Received: 2"):
        run.train(toy.config(epochs_per_report=2), output_dir=tmp_path)


def test_the_critic_and_its_optimizer_can_be_others(tmp_path):
    config = toy.config(critic_hidden=(5,), estimator_optimizer="sgd")
    dataset = toy.load(640, seed=0)
    model = run.build_model(config, dataset, 20)
    assert [w.shape[-1] for w in model.estimator.critic.weights] == [5, 5, 1, 1]
    assert isinstance(model.estimator.optimizer, keras.optimizers.SGD)
    with pytest.raises(ValueError, match="Unknown estimator_optimizer"):
        run.train(toy.config(estimator_optimizer="lion"), output_dir=tmp_path)
