"""Settings come to the loader, the encoder, the method and its optimizers."""

import dataclasses
import inspect
import logging

import keras
import pytest
import toy
import toy_runs

from keras_unbias import backend, data, encoders, methods
from keras_unbias.information import MutualInformationEstimator
from reproduce.experiment import build, groups
from reproduce.experiment.settings import Settings, change


@pytest.fixture(autouse=True)
def toy_dataset(monkeypatch):
    toy_runs.register(monkeypatch.setitem)


def model(method="mi_backprop", **changes):
    if method == "mi_backprop":
        # Four batches, which estimator_accumulate may divide.
        changes = {"estimator_batches": 4, **changes}
    settings = toy_runs.settings(method, **changes)
    return build.build_model(settings, toy.load(64, seed=3), steps=20)


@pytest.mark.parametrize(
    ("name", "values", "read"),
    [
        ("mi_weight", (0.25, 2.0), lambda m: m.mi_weight),
        (
            "mi_weight",
            (0.25, 2.0),
            lambda m: (
                float(m.mi_optimizer.learning_rate) / float(m.optimizer.learning_rate)
            ),
        ),
        ("conditional", (False, True), lambda m: m.conditional),
        ("conditional", (False, True), lambda m: m.estimator.num_classes == 3),
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
        ("epsilon", (1e-8, 1e-6), lambda m: m.optimizer.epsilon),
        ("epsilon", (1e-8, 1e-6), lambda m: m.mi_optimizer.epsilon),
        ("epsilon", (1e-8, 1e-6), lambda m: m.estimator.optimizer.epsilon),
        ("jit_compile", (False, True), lambda m: m.jit_compile),
    ],
)
def test_a_setting_comes_to_the_model(name, values, read):
    # One of two values is not the default.
    for value in values:
        assert read(model(**{name: value})) == pytest.approx(value)


@pytest.mark.parametrize(
    ("method", "name", "values", "read"),
    [
        (
            "bias_balanced",
            "prior_strength",
            (0.5, 1.0),
            lambda m: m.label_prior.strength,
        ),
        (
            "chi_squared",
            "penalty_weight",
            (0.5, 1.0),
            lambda m: m.penalty_weight,
        ),
        (
            "attribute_confusion",
            "confusion_weight",
            (0.5, 1.0),
            lambda m: m.confusion_weight,
        ),
        (
            "attribute_confusion",
            "attribute_hidden",
            ((8,), (4, 2)),
            lambda m: m.attribute_hidden,
        ),
        (
            "attribute_confusion",
            "attribute_rate",
            (1.0, 3.0),
            lambda m: (
                float(m.attribute_optimizer.learning_rate)
                / float(m.optimizer.learning_rate)
            ),
        ),
        (
            "attribute_confusion",
            "epsilon",
            (1e-8, 1e-6),
            lambda m: m.attribute_optimizer.epsilon,
        ),
        (
            "adversarial_unlearning",
            "entropy_weight",
            (0.5, 1.0),
            lambda m: m.entropy_weight,
        ),
        (
            "adversarial_unlearning",
            "reversal_weight",
            (0.5, 1.0),
            lambda m: m.reversal_weight,
        ),
    ],
)
def test_a_setting_comes_to_its_method(method, name, values, read):
    for value in values:
        assert read(model(method, **{name: value})) == pytest.approx(value)


def test_settings_of_zero_leave_their_part_out():
    plain = model(weight_averaging=0.0, prior_strength=0.0)
    assert not plain.optimizer.use_ema
    assert plain.label_prior is None


def test_a_rate_falls_over_the_epochs_or_not_at_all():
    for decay, end in (("cosine", 0.0), ("constant", 0.01)):
        built = model(decay=decay, learning_rate=0.01, epochs=3)
        rates = []
        for step in (0, 30, 60):
            built.optimizer.iterations.assign(step)
            rates.append(float(built.optimizer.learning_rate))
        assert rates == pytest.approx([0.01, (0.01 + end) / 2, end])


def test_a_rate_falls_over_all_reports():
    built = model(learning_rate=0.01, epochs=6, epochs_per_report=2)
    # Three reports of 20 steps.
    built.optimizer.iterations.assign(60)
    assert float(built.optimizer.learning_rate) == pytest.approx(0)
    assert built.steps_per_execution == 20


def test_the_critic_and_its_optimizer_can_be_others():
    built = model(critic_hidden=(5,), estimator_optimizer="sgd")
    widths = [weight.shape[-1] for weight in built.estimator.critic.weights]
    assert widths == [5, 5, 1, 1]
    assert isinstance(built.estimator.optimizer, keras.optimizers.SGD)


@pytest.mark.parametrize(
    ("flags", "dtype"), [("avx2", "float32"), ("avx512_bf16", "bfloat16")]
)
def test_a_precision_is_that_of_the_processor(
    monkeypatch, tmp_path, caplog, flags, dtype
):
    path = tmp_path / "cpuinfo"
    path.write_text(f"flags\t\t: fpu {flags} sse\n")
    monkeypatch.setattr(backend, "CPUINFO", path)
    monkeypatch.setattr(backend, "should_jit_compile", lambda: False)
    caplog.set_level(logging.WARNING)
    built = model("erm", precision="mixed_bfloat16")
    assert built.encoder.layers[0].compute_dtype == dtype
    assert ("computes in float32" in caplog.text) == (dtype == "float32")


def test_the_loader_takes_the_fields_of_the_data(monkeypatch):
    received = []
    monkeypatch.setattr(
        data, "load", lambda *args, **kwargs: received.append((args, kwargs))
    )
    settings = Settings(data=groups.ColoredMnist(attribute="bits", held_out=5), seed=4)
    build.load_data(settings, "somewhere")
    assert received == [
        (
            ("colored_mnist",),
            {
                "seed": 4,
                "data_dir": "somewhere",
                "color_variance": 0.02,
                "attribute": "bits",
                "digits": "mnist",
                "train_colors": "class",
                "gray_scale": False,
                "held_out": 5,
                "augment": False,
            },
        )
    ]


def defaults(function):
    parameters = inspect.signature(function).parameters.values()
    return {p.name: p.default for p in parameters}


def fields(group):
    return {field.name: field.default for field in dataclasses.fields(group)}


@pytest.mark.parametrize(
    "name", ["colored_mnist", "german_credit", "imdb_faces", "utk_faces"]
)
def test_fields_of_the_data_are_arguments_of_the_loader(name):
    expected = defaults(data.DATASETS[name])
    for field, default in fields(groups.Data.known[name]).items():
        assert default == expected[field], field


def test_fields_of_the_network_are_arguments_of_the_encoder():
    expected = defaults(encoders.face_encoder)
    del expected["dtype"], expected["shape"], expected["data_dir"]
    assert fields(groups.Network) == expected


@pytest.mark.parametrize("name", methods.METHODS)
def test_fields_of_a_method_are_its_arguments(name):
    found = fields(groups.Method.known[name])
    # The experiments make a prior, row weights and a classifier of these.
    for own in ("prior_strength", "overlap_width", "discriminant_shrinkage"):
        del found[own]
    # A method hands on what it does not take itself.
    expected = {}
    for kind in reversed(methods.METHODS[name].__mro__):
        expected.update(defaults(kind.__init__))
    for field, default in found.items():
        assert default == expected[field], field


def test_fields_of_the_estimator_have_the_defaults_of_the_library():
    own, library = groups.Estimator(), MutualInformationEstimator()
    assert own.estimator_steps == library.steps
    assert own.estimator_accumulate == library.accumulate
    assert own.standardize == library.standardize
    assert own.critic_hidden == library.critic.hidden
    assert own.critic == type(library.critic).__name__.lower()[:-6]
    assert own.estimator_learning_rate == pytest.approx(
        float(library.optimizer.learning_rate)
    )
    assert groups.Training().epsilon == library.optimizer.epsilon


def test_a_new_method_takes_a_class_and_a_line(monkeypatch):
    class Pushing(methods.RepresentationClassifier):
        def __init__(self, encoder, num_classes, *, push=1.0, **kwargs):
            super().__init__(encoder, num_classes, **kwargs)
            self.push = push

    monkeypatch.setattr(groups.Method, "known", dict(groups.Method.known))
    monkeypatch.setitem(methods.METHODS, "pushing", Pushing)

    @groups.checked
    class PushingSettings(groups.TrainingMethod):
        name = "pushing"
        push: groups.Weight = 1.0

    settings = change(toy_runs.settings("erm"), method=PushingSettings(push=3.0))
    built = build.build_model(settings, toy.load(64, seed=3), steps=2)
    assert built.push == 3.0


def test_weights_of_no_file_have_no_checksum(tmp_path):
    assert build.weights_facts(toy_runs.settings()) == {}
    faces = Settings(data=groups.ImdbFaces())
    assert build.weights_facts(faces, tmp_path) == {}


def test_weights_of_a_file_are_told_by_their_checksum(tmp_path):
    faces = change(Settings(data=groups.ImdbFaces()), weights="own.h5")
    with pytest.raises(FileNotFoundError, match=r"weights='own.h5'"):
        build.weights_facts(faces, tmp_path)
    (tmp_path / "own.h5").write_bytes(b"abc")
    checksum = build.weights_facts(faces, tmp_path)["weights_checksum"]
    # The test vector of FIPS 180-2.
    assert checksum.startswith("ba7816bf8f01cfea414140de5dae2223")
    assert len(checksum) == 64
