"""IMDB faces: gender, in training sets whose women and men differ in age.

The task of section 5.2 of the paper and of its Table 2: the label is the
gender (0 female, 1 male), the attribute the age. (One sentence of the paper's
section 5 has them the other way round, a slip: its 5.2 and its released code
have not.)
"""

import logging

import numpy as np
import pandas as pd

from keras_unbias.checks import check_integer
from keras_unbias.data import image_files, imdb_wiki
from keras_unbias.data.dataset import BiasedDataset, Split
from keras_unbias.information import discrete

logger = logging.getLogger(__name__)

# Released code: one bin up to 20, then bins of five years, one from 70 on.
AGE_EDGES = (0, 20, 25, 30, 35, 40, 45, 50, 55, 60, 65, 70, 120)
AGE_BINS = len(AGE_EDGES) - 1
TRAIN_SPLITS = ("eb1", "eb2")
SOURCES = ("imdb", "drawn")
DRAWN = "synthetic miniature, not IMDB"


def load(
    *,
    train_split,
    seed,
    train_size=2000,
    faces="imdb",
    image_size=224,
    skip_bad_images=False,
    data_dir=None,
):
    """Loads the faces' paths, ages and genders; images are read when needed.

    Args:
        train_split: `"eb1"`, young women and older men, or `"eb2"`, the
            reverse. The other one is a further test split.
        seed: Non-negative integer that fixes which rows are drawn.
        train_size: The number of training rows; `None` for all. Defaults to
            2,000, as in the paper.
        faces: `"imdb"`, or `"drawn"` for a directory that `drawn_faces.write`
            has made. Defaults to `"imdb"`.
        image_size: Height and width that images are brought to. Defaults to
            224.
        skip_bad_images: Whether images that cannot be read are left out and
            counted. By default the first one is named in an error.
        data_dir: The directory of the files (`imdb_wiki.read`).

    Returns:
        A `BiasedDataset` with 2 classes, an attribute of 12 one-hot bins of
        age, and inputs uint8 `(image_size, image_size, 3)`, RGB.

    Raises:
        ValueError: If an argument is out of range, a file damaged or an image
            unreadable.
        FileNotFoundError: If files are missing.
    """
    _check(train_split, seed, train_size, faces, image_size, data_dir)
    read = imdb_wiki.read(data_dir)
    (other,) = set(TRAIN_SPLITS) - {train_split}
    frames, bad = {}, 0
    for name in (train_split, other, "test"):
        wanted = None
        frame = read.splits[name]
        if name == train_split:
            wanted = train_size
            frame = frame.sample(frac=1, random_state=seed)
        frames[name], skipped = _readable(
            name, frame, wanted, read.images, skip_bad_images
        )
        bad += skipped
    splits = {
        name: Split(
            _paths(frame, read.images),
            frame.gender.to_numpy(),
            np.eye(AGE_BINS, dtype=np.float32)[age_bin(frame.age)],
        )
        for name, frame in frames.items()
    }
    facts = _facts(splits[train_split], splits["test"], read, bad)
    logger.info(
        "%s: %s, left out: %s",
        data_dir,
        facts["split_sizes"],
        facts["left_out"],
    )
    return BiasedDataset(
        name="imdb_faces",
        train=splits[train_split],
        test=splits["test"],
        further={other: splits[other]},
        num_classes=2,
        attribute_size=AGE_BINS,
        decode=image_files.decoder(image_size),
        facts={**facts, "note": DRAWN if faces == "drawn" else ""},
    )


def age_bin(ages):
    """The number of the bin of each age in years, an int array."""
    return np.digitize(ages, AGE_EDGES) - 1


def _check(train_split, seed, train_size, faces, image_size, data_dir):
    check_integer("seed", seed, minimum=0)
    check_integer("image_size", image_size, minimum=1)
    if train_size is not None:
        check_integer("train_size", train_size, minimum=1)
    for name, value, known in (
        ("train_split", train_split, TRAIN_SPLITS),
        ("faces", faces, SOURCES),
    ):
        if value not in known:
            raise ValueError(
                f"Unknown {name}. Expected: one of {known}. Received: "
                f"{name}={value!r}. Correct the name."
            )
    if data_dir is None:
        raise FileNotFoundError(
            "The faces cannot be downloaded here. Expected: data_dir, the "
            "directory of IMDB-WIKI. Received: none. See reproduce/IMDB.md."
        )


def _facts(train, test, read, bad):
    """What the record says of the data."""
    bins = train.attributes.argmax(1)
    return {
        "source": read.source,
        "checksum": read.checksum,
        "train_size": len(train),
        "test_size": len(test),
        "floor_nats": discrete.discrete_mutual_information(train.labels, bins),
        "attribute_entropy_nats": discrete.entropy(bins),
        "split_sizes": {
            name: len(split) for name, split in read.splits.items()
        },
        "left_out": {**read.left_out, "bad image": bad},
    }


def _paths(frame, images):
    return np.array([str(images / path) for path in frame.path])


def _readable(name, frame, wanted, images, skip):
    """The first `wanted` rows whose images can be read, or all of these.

    All are read once before training: a bad one would otherwise end a run
    after hours.
    """
    rows, left, taken, bad = len(frame), wanted or len(frame), [], 0
    if left > rows:
        raise ValueError(
            f"The split {name} has fewer rows. Expected: train_size <= {rows}. "
            f"Received: {wanted}."
        )
    while left and len(frame):
        chosen, frame = frame[:left], frame[left:]
        paths = _paths(chosen, images)
        problems = image_files.unreadable(paths)
        if problems and not skip:
            raise ValueError(
                f"{next(iter(problems.values()))} {len(problems)} of "
                f"{len(chosen)} images cannot be read; skip_bad_images=True "
                "leaves them out and counts them."
            )
        chosen = chosen[~np.isin(paths, list(problems))]
        taken.append(chosen)
        bad += len(problems)
        left -= len(chosen)
    if not sum(map(len, taken)):
        raise ValueError(
            f"No image of a split can be read. Expected: some in {images}. "
            f"Received: {bad} bad ones. Fetch the images again."
        )
    if left and wanted:
        raise ValueError(
            f"Too few images of the split {name} can be read. Expected: "
            f"train_size <= {wanted - left}. Received: {wanted}, where {bad} "
            f"of {rows} images are bad."
        )
    return pd.concat(taken), bad
