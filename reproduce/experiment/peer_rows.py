"""The training and test rows of a comparison with other packages."""

import numpy as np
import pandas as pd

from reproduce.experiment import peer_problems
from reproduce.experiment.groups import PeerProblem

# Of the backbone that Table 2 has on two cores.
IMAGE_SIZE = 96
BACKBONE = {
    "backbone": "MobileNet",
    "alpha": 0.25,
    "weights": "mobilenet_0.25_224_no_top.weights.h5",
    "features": "pooled",
}


def draw(
    data: PeerProblem, seed: int, data_dir: str | None = None
) -> tuple[peer_problems.Rows, peer_problems.Rows]:
    """Makes the rows of a run.

    Args:
        data: the problem.
        seed: seed of the draw, or of the split of real data.
        data_dir: where the files of real data are: that of German credit, see
            `german_credit.load`, faces and `BACKBONE["weights"]`.

    Returns:
        The training rows, and the test rows. In test rows that are drawn the
        attribute agrees with the label by chance only.
    """
    if data.problem == "credit":
        return _credit(seed, data_dir)
    if data.problem == "faces":
        return _faces(data, seed, data_dir)
    problem = peer_problems.PROBLEMS[data.problem]
    return (
        problem.draw(data.rows, data.agreement, 2 * seed),
        problem.draw(data.rows, 1 / problem.classes, 2 * seed + 1),
    )


def _credit(seed, data_dir):
    from keras_unbias.data import german_credit

    dataset = german_credit.load(seed=seed, data_dir=data_dir)
    train, test = (
        peer_problems.Rows(
            split.inputs, split.labels, pd.DataFrame({"young": split.attributes[:, 0]})
        )
        for split in (dataset.train, dataset.test)
    )
    return train, test


def _faces(data, seed, data_dir):
    """Returns features of faces: the label is the gender, and the attribute old.

    Training rows that agree are young women and older men. The test faces are of
    all ages.
    """
    from keras_unbias import encoders
    from keras_unbias.data import age_bias, utk_faces

    dataset = utk_faces.load(
        seed=seed, train_size=None, image_size=IMAGE_SIZE, data_dir=data_dir
    )
    encoder = encoders.face_encoder(
        shape=dataset.input_shape, data_dir=data_dir, **BACKBONE
    )

    def rows(split, count):
        images = dataset.decode(split.inputs[:count])
        ages = split.attributes[:count].argmax(1)
        old = ages >= age_bias.age_bin(40)
        return peer_problems.Rows(
            encoder.predict(images, verbose=0),
            split.labels[:count],
            pd.DataFrame({"old": old.astype(int)}),
        )

    agreeing = round(data.agreement * data.rows)
    wanted = {"eb1": agreeing, "eb2": data.rows - agreeing}
    there = {"eb1": len(dataset.train), "eb2": len(dataset.further["eb2"])}
    if any(there[name] < count for name, count in wanted.items()):
        raise ValueError(
            "There are too few faces beside the test split. Expected: at least "
            f"{wanted}. Received: {there}. Lower `rows`, or pass more faces."
        )
    drawn = [
        rows(dataset.train, wanted["eb1"]),
        rows(dataset.further["eb2"], wanted["eb2"]),
    ]
    train = peer_problems.Rows(
        np.concatenate([part.inputs for part in drawn]),
        np.concatenate([part.labels for part in drawn]),
        pd.concat([part.attributes for part in drawn], ignore_index=True),
    )
    return train, rows(dataset.test, None)
