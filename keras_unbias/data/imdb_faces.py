"""IMDB faces: gender, where training women and men differ in age.

The task of section 5.2 and Table 2 of the paper on mutual information
backpropagation: the label is the gender (0 female, 1 male), the attribute is
the age. One sentence of the paper's section 5 swaps them, a slip that its
section 5.2 and its released code do not have.
"""

import logging
import os

import numpy as np
import pandas as pd

from keras_unbias.checks import check_choice, check_integer
from keras_unbias.data import age_bias, image_files, imdb_wiki
from keras_unbias.data.dataset import BiasedDataset, Split, describe

logger = logging.getLogger(__name__)

SOURCES = ("imdb", "drawn")
DRAWN = "synthetic miniature, not IMDB"


def load(
    *,
    train_split: str = "eb1",
    seed: int = 0,
    train_size: int | None = 2000,
    faces: str = "imdb",
    image_size: int = 224,
    skip_bad_images: bool = False,
    data_dir: str | os.PathLike | None = None,
) -> BiasedDataset:
    """Loads paths, ages and genders of the faces.

    The images themselves are read when a batch needs them.

    Args:
        train_split: `"eb1"`, young women and older men, or `"eb2"`, the
            reverse. The other one becomes a further test split. Defaults to
            `"eb1"`.
        seed: non-negative int that determines which training rows are drawn.
            Defaults to 0.
        train_size: int, number of training rows, or `None` for all. Defaults
            to 2,000, as in the paper.
        faces: `"imdb"`, or `"drawn"` for a directory that `drawn_faces.write`
            has made. Defaults to `"imdb"`.
        image_size: int, height and width to which images are resized.
            Defaults to 224.
        skip_bad_images: bool, whether images that cannot be read are left out
            and counted. Otherwise the first one is named in an error.
            Defaults to `False`.
        data_dir: path of the directory of the files, as `imdb_wiki.read`
            expects it. It is required, because the faces have to be
            downloaded by hand.

    Returns:
        A `BiasedDataset` with 2 classes, an attribute of 12 one-hot bins of
        age, and uint8 inputs of shape `(image_size, image_size, 3)`, RGB.

    Raises:
        ValueError: if an argument is out of range, a file is damaged or an
            image cannot be read.
        FileNotFoundError: if files are missing.

    Example:

    >>> import tempfile
    >>> from keras_unbias.data import drawn_faces
    >>> with tempfile.TemporaryDirectory() as place:
    ...     directory = drawn_faces.write(f"{place}/faces", rows=60)
    ...     dataset = load(
    ...         faces="drawn", train_size=9, image_size=48, data_dir=directory
    ...     )
    >>> len(dataset.train), dataset.input_shape, list(dataset.further)
    (9, (48, 48, 3), ['eb2'])
    """
    _check(train_split, seed, train_size, faces, image_size, data_dir)
    read = imdb_wiki.read(data_dir)
    (other,) = set(age_bias.SPLITS) - {train_split}
    splits, bad = {}, 0
    for name in (train_split, other, "test"):
        wanted, frame = None, read.splits[name]
        if name == train_split:
            wanted, frame = train_size, frame.sample(frac=1, random_state=seed)
        frame, skipped = _readable(name, frame, wanted, read.images, skip_bad_images)
        bad += skipped
        splits[name] = Split(
            _paths(frame, read.images),
            frame.gender.to_numpy(),
            age_bias.one_hot_bins(frame.age),
        )
    train, test = splits[train_split], splits["test"]
    facts = describe(
        train,
        test,
        train.attributes.argmax(1),
        source=read.source,
        checksum=read.checksum,
        split_sizes={name: len(split) for name, split in read.splits.items()},
        left_out={**read.left_out, "bad image": bad},
        note=DRAWN if faces == "drawn" else "",
    )
    logger.info(
        "%s: %s, left out: %s", data_dir, facts["split_sizes"], facts["left_out"]
    )
    return BiasedDataset(
        name="imdb_faces",
        train=train,
        test=test,
        further={other: splits[other]},
        num_classes=2,
        attribute_spec=age_bias.SPEC,
        decode=image_files.decoder(image_size),
        facts=facts,
    )


def _check(train_split, seed, train_size, faces, image_size, data_dir):
    check_integer("seed", seed, minimum=0)
    check_integer("image_size", image_size, minimum=1)
    if train_size is not None:
        check_integer("train_size", train_size, minimum=1)
    check_choice("train_split", train_split, age_bias.SPLITS)
    check_choice("faces", faces, SOURCES)
    if data_dir is None:
        raise FileNotFoundError(
            "The faces have to be downloaded by hand. Expected: data_dir, the "
            "directory of IMDB-WIKI. Received: data_dir=None. Download them "
            f"from {imdb_wiki.URL} and pass the directory."
        )


def _paths(frame, images):
    return np.array([str(images / path) for path in frame.path])


def _readable(name, frame, wanted, images, skip):
    """Takes the first `wanted` rows whose images can be read, or all of these.

    All images are read once before training. Otherwise a bad one would end a
    run after hours.
    """
    rows, left, taken, bad = len(frame), wanted or len(frame), [], 0
    if left > rows:
        raise ValueError(
            f"The split {name} has too few rows. Expected: train_size <= "
            f"{rows}. Received: train_size={wanted}. Use fewer rows, or all "
            "with train_size=None."
        )
    while left and len(frame):
        chosen, frame = frame[:left], frame[left:]
        paths = _paths(chosen, images)
        problems = image_files.unreadable(paths)
        if problems and not skip:
            raise ValueError(
                f"{next(iter(problems.values()))} {len(problems)} of "
                f"{len(chosen)} images cannot be read. Pass "
                "skip_bad_images=True to leave them out and count them."
            )
        taken.append(chosen[~np.isin(paths, list(problems))])
        bad += len(problems)
        left -= len(taken[-1])
    if not sum(map(len, taken)):
        raise ValueError(
            f"No image of the split {name} can be read. Expected: some in "
            f"{images}. Received: {bad} bad ones. Fetch the images again."
        )
    if left and wanted:
        raise ValueError(
            f"Too few images of the split {name} can be read. Expected: "
            f"train_size <= {wanted - left}. Received: train_size={wanted}, "
            f"where {bad} of {rows} images are bad. Use fewer rows."
        )
    return pd.concat(taken), bad
