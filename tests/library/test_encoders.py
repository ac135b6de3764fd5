import keras
import numpy as np
import pytest

from keras_unbias import encoders


def test_backbones_are_those_of_keras():
    names = encoders.backbones()
    assert {"small", "ResNet50", "MobileNetV2", "EfficientNetB0"} <= set(names)
    assert all(name == "small" or hasattr(keras.applications, name) for name in names)


@pytest.fixture(scope="module")
def resnet():
    return encoders.face_encoder(shape=(32, 32, 3), weights="none")


def test_the_papers_network(resnet):
    assert resnet.output_shape == (None, 128)
    names = [layer.name for layer in resnet.layers[1].layers]
    assert "conv5_block3_out" in names and "predictions" not in names


def norms(encoder):
    return [
        layer
        for layer in encoder.layers[1].layers
        if isinstance(layer, keras.layers.BatchNormalization)
    ]


def test_batch_normalization_is_as_the_argument_says(resnet):
    images = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), "uint8")

    def moves(encoder):
        before = norms(encoder)[0].moving_mean.numpy()
        training, inference = (
            encoder(images, training=t).numpy() for t in (True, False)
        )
        same = np.allclose(training, inference)
        after = norms(encoder)[0].moving_mean.numpy()
        return not same, not (after == before).all()

    assert moves(resnet) == (False, False)
    assert not any(layer.trainable_variables for layer in norms(resnet))
    trained = encoders.face_encoder(
        shape=(32, 32, 3),
        backbone="MobileNetV2",
        weights="none",
        batch_norm="training",
    )
    assert moves(trained) == (True, True)
    assert all(len(layer.trainable_variables) == 2 for layer in norms(trained))


def test_a_frozen_backbone_keeps_all_of_its_weights():
    encoder = encoders.face_encoder(
        shape=(32, 32, 3), backbone="MobileNet", alpha=0.25, weights="none", frozen=True
    )
    assert [w.shape for w in encoder.trainable_weights] == [(256, 128), (128,)]
    layers = [layer for layer in encoder.layers[1].layers if layer.weights]
    assert layers and not any(layer.trainable for layer in layers)
    with pytest.raises(ValueError, match="A frozen backbone keeps its statistics"):
        encoders.face_encoder(frozen=True, batch_norm="training")


def test_pooled_features_are_means_of_the_backbones_channels():
    arguments = {"backbone": "MobileNet", "alpha": 0.25, "weights": "none"}
    encoder = encoders.face_encoder(shape=(64, 64, 3), features="pooled", **arguments)
    images = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), "uint8")
    body = keras.Sequential(encoder.layers[:2])
    np.testing.assert_allclose(
        encoder(images), np.mean(body(images), (1, 2)), rtol=1e-5, atol=1e-6
    )
    assert encoder.output_shape == (None, 256)
    symmetric = encoders.face_encoder(
        shape=(64, 64, 3), features="symmetric", **arguments
    )
    symmetric.set_weights(encoder.get_weights())
    expected = (encoder(images) + encoder(images[:, :, ::-1])) / 2
    np.testing.assert_allclose(symmetric(images), expected, rtol=1e-4, atol=1e-5)
    again = keras.Model.from_config(symmetric.get_config())
    assert again.output_shape == (None, 256)


def test_preprocessing_is_the_backbones_own():
    images = np.random.default_rng(0).integers(0, 256, (2, 5, 5, 3), "uint8")
    rgb = images.astype(float)
    means = np.array([103.939, 116.779, 123.68])
    for of, expected in (
        ("ResNet50", rgb[..., ::-1] - means),
        ("MobileNetV2", rgb / 127.5 - 1),
        ("small", rgb / 127.5 - 1),
        # The means of blue, green, red taken from red, green, blue.
        ("released", rgb - means),
    ):
        layer = encoders.Preprocessing(of)
        np.testing.assert_allclose(layer(images), expected, rtol=1e-5, atol=1e-4)
        again = encoders.Preprocessing.from_config(layer.get_config())
        np.testing.assert_array_equal(again(images), layer(images))


def test_precision_is_not_a_global_switch():
    encoder = encoders.face_encoder(
        "mixed_bfloat16", (32, 32, 3), backbone="MobileNetV2", weights="none"
    )
    assert keras.config.dtype_policy().name == "float32"
    assert norms(encoder)[0].dtype_policy.name == "mixed_bfloat16"
    assert encoder(np.zeros((1, 32, 32, 3), "uint8")).dtype == "float32"


@pytest.mark.parametrize(
    "argument",
    [
        {"backbone": "LeNet"},
        {"batch_norm": "off"},
        {"preprocessing": "bgr"},
        {"features": "flat"},
    ],
)
def test_unknown_names_are_refused(argument):
    ((name, value),) = argument.items()
    with pytest.raises(ValueError, match=f"Unknown {name}.*{value}"):
        encoders.face_encoder(**argument)


def test_the_small_backbone_has_no_weights_of_imagenet():
    with pytest.raises(ValueError, match="never trained on ImageNet"):
        encoders.face_encoder(backbone="small")


def test_features_have_the_widths_of_the_paper():
    for encoder, inputs, width in (
        (encoders.digit_encoder, np.zeros((2, 28, 28, 3), "uint8"), 64),
        (encoders.customer_encoder, np.zeros((2, 60)), 64),
    ):
        features = encoder("mixed_bfloat16")(inputs)
        assert features.shape == (2, width) and features.dtype == "float32"
    assert set(encoders.ENCODERS) == {
        "colored_mnist",
        "german_credit",
        "imdb_faces",
        "utk_faces",
    }


def test_mobilenets_have_several_widths():
    arguments = {"shape": (32, 32, 3), "weights": "none"}
    narrow = encoders.face_encoder(backbone="MobileNet", alpha=0.25, **arguments)
    # The last block has 1,024 channels at the usual width.
    assert narrow.layers[1].output_shape[-1] == 256
    for backbone in ("ResNet50", "small"):
        with pytest.raises(ValueError, match="has one width.*alpha=0.25"):
            encoders.face_encoder(backbone=backbone, alpha=0.25, **arguments)


def test_weights_are_read_from_files(tmp_path):
    arguments = {"shape": (32, 32, 3), "backbone": "small"}
    body = encoders.face_encoder(weights="none", **arguments).layers[1]
    weights = [w + 0.25 for w in body.get_weights()]
    body.set_weights(weights)
    body.save_weights(tmp_path / "body.weights.h5")
    body.save(tmp_path / "body.keras")
    for name in ("body.weights.h5", "body.keras"):
        encoder = encoders.face_encoder(weights=name, data_dir=tmp_path, **arguments)
        for one, other in zip(encoder.layers[1].get_weights(), weights, strict=True):
            np.testing.assert_array_equal(one, other)
    assert encoders.weights_file("small", name, tmp_path) == tmp_path / name
    assert encoders.weights_file("small", "none", tmp_path) is None
    (tmp_path / "bad.h5").write_bytes(b"no HDF5")
    with pytest.raises(ValueError, match=r"bad.h5 do not fit the backbone"):
        encoders.face_encoder(weights="bad.h5", data_dir=tmp_path, **arguments)
    for missing in ("no.h5", "body.txt"):
        with pytest.raises(FileNotFoundError, match=f"weights='{missing}'"):
            encoders.weights_file("small", missing, tmp_path)


def test_a_table_encoder_erases_after_it_standardizes():
    rng = np.random.default_rng(0)
    table = 5 + 3 * rng.normal(size=(50, 4))
    readout, directions = rng.normal(size=(4, 2)), rng.normal(size=(2, 4))
    encoder = encoders.table_encoder(table, 0.0, (readout, directions))
    plain = encoders.table_encoder(table, 0.0)
    trained = [v.numpy() for v in encoder.trainable_variables]
    assert len(trained) == 4
    for variable, value in zip(plain.trainable_variables, trained, strict=True):
        variable.assign(value)
    columns = (table - table.mean(0)) / table.std(0)
    erased = columns - columns @ readout @ directions
    # The plain encoder standardizes what it gets in the same way.
    as_input = erased * table.std(0) + table.mean(0)
    np.testing.assert_allclose(encoder(table), plain(as_input), atol=1e-4)
