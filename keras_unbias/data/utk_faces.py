"""UTKFace: gender, where training women and men differ in age.

The task of `imdb_faces` with other faces: the label is the gender, the
attribute is the age. The names of the pictures tell both.
"""

import collections
import gzip
import hashlib
import io
import logging
import os
import pathlib
import re
import tarfile

import numpy as np
import pandas as pd

from keras_unbias.checks import check_choice, check_integer
from keras_unbias.data import age_bias, image_files, regular_file
from keras_unbias.data.augmentation import random_mirror
from keras_unbias.data.dataset import BiasedDataset, Split, describe

logger = logging.getLogger(__name__)

URL = "https://susanqq.github.io/UTKFace/"
FORM = "<age>_<gender>_<race>_<date>.jpg.chip.jpg"
NAME = re.compile(r"([0-9]{1,3})_([0-9]{1,3})_([0-9]{1,3})_[0-9]+\.jpg\.chip\.jpg")
# The largest age, gender and race that a name can rightly hold.
MOST = (116, 1, 4)
HELD_OUT_SEED = 2**31
# The real pictures have up to some 20 kB, all of them some 140 MB.
LARGEST_PICTURE, LARGEST, MOST_FILES = 2**20, 2**29, 100_000
# Of a tar. They count for every file in it, and UTKFace needs none.
MOST_GLOBAL_HEADERS = 100
OTHER_NAME = "another form of name"
IMPOSSIBLE = "impossible age, gender or race"
BAD = "bad image"
CONTRADICTING = "same picture with another age or gender"
REPEATED = "same picture again"
Face = collections.namedtuple("Face", ["name", "age", "gender", "content"])


def load(
    *,
    train_split: str = "eb1",
    seed: int = 0,
    train_size: int | None = 2000,
    test_size: int = 2000,
    held_out: int = 0,
    evaluate_on: str = "test",
    image_size: int = 224,
    augment: bool = False,
    data_dir: str | os.PathLike | None = None,
) -> BiasedDataset:
    """Loads pictures, ages and genders of the faces.

    The source is the archive of aligned and cropped faces, some 23,700
    pictures of 200 x 200 pixels, that <https://susanqq.github.io/UTKFace/>
    links. They are for non-commercial research only, and their copyright is
    their owners'. A label is 0 for female and 1 for male, as in `imdb_faces`.
    The names of the pictures have 0 for male and 1 for female.

    The splits are drawn anew for each seed. First come the test faces, of all
    ages. Of the others, EB1 are the women of 0 to 30 years and the men over
    40, EB2 are the men of 0 to 30 years and the women over 40. No picture is
    in two splits, but several pictures may show one person.

    These are left out and counted in `facts["left_out"]`: names of another
    form, impossible values in them, pictures that cannot be read, copies of a
    picture under a further name, and all copies if their names contradict
    each other in age or gender. The log names each of them at level DEBUG.

    The files stay in memory as they are. They become images when a batch
    needs them.

    Reference: Zhang, Song & Qi, "Age Progression/Regression by Conditional
    Adversarial Autoencoder", CVPR 2017.

    Args:
        train_split: `"eb1"`, young women and older men, or `"eb2"`, the
            reverse. The other one becomes a further test split. Defaults to
            `"eb1"`.
        seed: non-negative int that determines all splits. Defaults to 0.
        train_size: int, number of training rows, or `None` for all. Defaults
            to 2,000, as in the paper for IMDB faces.
        test_size: int, number of test rows. Defaults to 2,000.
        held_out: int, number of faces of all ages that are in no split,
            whatever the seed, so that settings can be chosen on them.
            Defaults to 0.
        evaluate_on: `"test"`, or `"held_out"` for the held-out faces in place
            of the test split, and those of the other split among them in
            place of the other split. Defaults to `"test"`.
        image_size: int, height and width to which images are resized.
            Defaults to 224.
        augment: bool, whether `stream` mirrors training faces with
            `augmentation.random_mirror`. Defaults to `False`.
        data_dir: path of a directory with the pictures, in it or in folders
            in it, named `<age>_<gender>_<race>_<date>.jpg.chip.jpg`. Or path
            of a `.tar` or `.tar.gz` file of them, or of a directory with one
            such file and no pictures. Nothing is unpacked to the disk. It is
            required, because the faces have to be downloaded by hand.

    Returns:
        A `BiasedDataset` with 2 classes, an attribute of 12 one-hot bins of
        age, and uint8 inputs of shape `(image_size, image_size, 3)`, RGB.

    Raises:
        ValueError: if an argument is out of range, an archive is damaged, or
            there are too few faces.
        FileNotFoundError: if there are no pictures.

    Example:

    >>> import tempfile
    >>> from keras_unbias.data import drawn_faces
    >>> rng = np.random.default_rng(0)
    >>> with tempfile.TemporaryDirectory() as place:
    ...     for age in range(100):
    ...         gender = age % 2
    ...         name = f"{age}_{gender}_0_{age}.jpg.chip.jpg"
    ...         drawn_faces.draw(age, 1 - gender, rng).save(f"{place}/{name}")
    ...     dataset = load(
    ...         train_size=9, test_size=20, image_size=48, data_dir=place
    ...     )
    >>> len(dataset.train), dataset.input_shape, list(dataset.further)
    (9, (48, 48, 3), ['eb2'])
    """
    _check(train_split, seed, train_size, test_size, image_size, data_dir)
    check_integer("held_out", held_out, minimum=int(evaluate_on == "held_out"))
    check_choice("evaluate_on", evaluate_on, ("test", "held_out"))
    source, files = _read(data_dir)
    faces, left_out = _usable(files)
    (other,) = set(age_bias.SPLITS) - {train_split}
    pools = _draw(faces, test_size, held_out, seed)
    if evaluate_on == "held_out":
        chosen = pools["held_out"]
        pools |= {"test": chosen, other: _biased(chosen)[other]}
    _check_sizes(pools, left_out, {train_split: train_size or 1, other: 1})
    train = _split(pools[train_split][:train_size])
    test = _split(pools["test"])
    facts = describe(
        train,
        test,
        train.attributes.argmax(1),
        source=source,
        checksum=_checksum(faces),
        split_sizes={name: len(pool) for name, pool in pools.items() if len(pool)},
        left_out=left_out,
        note="",
    )
    logger.info("%s: %s, left out: %s", data_dir, facts["split_sizes"], left_out)
    return BiasedDataset(
        name="utk_faces",
        train=train,
        test=test,
        further={other: _split(pools[other])},
        num_classes=2,
        attribute_spec=age_bias.SPEC,
        decode=image_files.decoder(image_size, image_files.decode),
        augment=random_mirror if augment else None,
        facts=facts,
    )


def _check(train_split, seed, train_size, test_size, image_size, data_dir):
    check_integer("seed", seed, minimum=0)
    check_integer("image_size", image_size, minimum=1)
    check_integer("test_size", test_size, minimum=1)
    if train_size is not None:
        check_integer("train_size", train_size, minimum=1)
    check_choice("train_split", train_split, age_bias.SPLITS)
    if data_dir is None:
        raise FileNotFoundError(
            "The faces have to be downloaded by hand. Expected: data_dir, a directory "
            "or a tar file of the aligned and cropped faces of UTKFace. Received: "
            f"data_dir=None. Download them from {URL} and pass the path."
        )


def find(data_dir: str | os.PathLike) -> pathlib.Path | list[pathlib.Path]:
    """Finds the faces, and reads none of them.

    Args:
        data_dir: as in `load`.

    Returns:
        Path of the archive, or sorted list of the paths of the pictures.

    Raises:
        FileNotFoundError: if there are none.
    """
    path = pathlib.Path(data_dir)
    if not path.exists():
        raise FileNotFoundError(
            "There are no faces. Expected: a directory or a tar file of UTKFace. "
            f"Received: nothing at {path}. Download the faces from {URL}."
        )
    if not path.is_dir():
        return path
    pictures = sorted(path.rglob("*.jpg"))
    if any(NAME.fullmatch(picture.name) for picture in pictures):
        return pictures
    archives = [p for p in path.iterdir() if p.name.endswith((".tar", ".tar.gz"))]
    if len(archives) != 1:
        raise FileNotFoundError(
            f"There are no faces in {path}. Expected: pictures named {FORM}, or one "
            f".tar or .tar.gz file of them. Received: {len(archives)} such files and "
            f"no such picture. Download the faces from {URL}, or pass the path of one "
            "archive."
        )
    return archives[0]


def _read(data_dir):
    """Returns the kind of the source, and pairs of names and contents."""
    found = find(data_dir)
    if isinstance(found, list):
        return "folder", _bounded(_of_folder(found), data_dir)
    return "tar", _bounded(_of_tar(found), found)


def _of_folder(paths):
    for path in paths:
        try:
            yield path.name, regular_file.read(path, largest=LARGEST_PICTURE)
        except OSError:
            yield path.name, b""


def _of_tar(path):
    try:
        content = regular_file.read(path, largest=LARGEST)
        if content.startswith(b"\x1f\x8b"):
            # A few bytes may unpack to more than there is memory.
            with gzip.open(io.BytesIO(content)) as file:
                content = file.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise ValueError(f"more than {LARGEST} bytes")
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as archive:
            for member in archive:
                if len(archive.pax_headers) > MOST_GLOBAL_HEADERS:
                    raise ValueError(f"{len(archive.pax_headers)} global headers")
                start, size = member.offset_data, member.size
                regular = member.isreg() and size <= LARGEST_PICTURE
                name = pathlib.PurePosixPath(member.name).name
                yield name, content[start : start + size] if regular else b""
    # A damaged archive fails in many ways.
    except Exception as error:
        raise ValueError(
            f"{path} cannot be read. Expected: a .tar or .tar.gz file of UTKFace, of "
            f"at most {LARGEST} bytes. Received: {error}. Fetch it again from {URL}."
        ) from error


def _bounded(files, path):
    """Returns the pictures of a source, if memory holds them for sure."""
    pictures, size = [], 0
    for number, (name, content) in enumerate(files, 1):
        size += len(content)
        if number > MOST_FILES or size > LARGEST:
            raise ValueError(
                f"{path} holds more than UTKFace. Expected: at most {MOST_FILES} files "
                f"of {LARGEST} bytes in all. Received: more. Pass the path of the "
                "aligned and cropped faces alone."
            )
        if name.endswith(".jpg"):
            pictures.append((name, content))
    return pictures


def _usable(files):
    """Returns a frame of the faces, and numbers of the others by reason."""
    reasons = (OTHER_NAME, IMPOSSIBLE, BAD, CONTRADICTING, REPEATED)
    left_out = dict.fromkeys(reasons, 0)

    def leave_out(reason, *names):
        left_out[reason] += len(names)
        for name in names:
            logger.debug("%r is left out: %s", name, reason)

    copies = collections.defaultdict(list)
    # Not all sources have an order.
    for name, content in sorted(files):
        match = NAME.fullmatch(name)
        values = [int(text) for text in match.groups()] if match else []
        if not match:
            leave_out(OTHER_NAME, name)
        elif any(value > most for value, most in zip(values, MOST, strict=True)):
            leave_out(IMPOSSIBLE, name)
        else:
            age, gender, _ = values
            copies[content].append(Face(name, age, 1 - gender, content))
    # A bad one would otherwise end a run after hours.
    bad = image_files.unreadable(list(copies), image_files.decode)
    faces = []
    for content, same in copies.items():
        names = [face.name for face in same]
        if content in bad:
            leave_out(BAD, *names)
        elif len({(face.age, face.gender) for face in same}) > 1:
            leave_out(CONTRADICTING, *names)
        else:
            faces.append(same[0])
            leave_out(REPEATED, *names[1:])
    return pd.DataFrame(faces, columns=Face._fields), left_out


def _draw(faces, test_size, held_out, seed):
    """Returns the faces of the splits in random order."""
    # The same for all seeds.
    order = np.random.default_rng(HELD_OUT_SEED).permutation(len(faces))
    kept, rest = faces.iloc[order[:held_out]], faces.iloc[np.sort(order[held_out:])]
    shuffled = rest.iloc[np.random.default_rng(seed).permutation(len(rest))]
    test, rest = shuffled[:test_size], shuffled[test_size:]
    return {"held_out": kept, "test": test, **_biased(rest)}


def _biased(faces):
    masks = age_bias.split_masks(faces.age, faces.gender)
    return {name: faces[mask] for name, mask in masks.items()}


def _check_sizes(pools, left_out, wanted):
    received = {name: len(pool) for name, pool in pools.items()}
    if any(received[name] < rows for name, rows in wanted.items()):
        raise ValueError(
            "There are too few faces for the splits. Expected: at least "
            f"{wanted} besides the test split. Received: {received}, left out: "
            f"{left_out}. Lower train_size, test_size or held_out, or pass more "
            "pictures."
        )


def _split(faces):
    vectors = age_bias.one_hot_bins(faces.age)
    return Split(faces.content.to_numpy(), faces.gender.to_numpy(), vectors)


def _checksum(faces):
    """Returns the SHA-256 of what `sha256sum` writes of the files."""
    digest = hashlib.sha256()
    for face in faces.itertuples():
        own = hashlib.sha256(face.content).hexdigest()
        digest.update(f"{own}  {face.name}\n".encode())
    return digest.hexdigest()
