"""The IMDB half of IMDB-WIKI: paths, ages and genders of its faces.

Reads `imdb.mat` or the split files of Kim et al. 2019, "Learning Not to
Learn". The ages follow from dates of birth and years of photos on record, many
of which are wrong. Rows with impossible dates are left out and counted, never
corrected.

Reference: Rothe, Timofte & Van Gool, "DEX: Deep EXpectation of apparent age
from a single image", ICCV workshops 2015.
"""

import dataclasses
import functools
import hashlib
import os
import pathlib

import numpy as np
import pandas as pd

from keras_unbias.data import age_bias, imdb_mat, regular_file, restricted_pickle

URL = "https://data.vision.ee.ethz.ch/cvl/rrothe/imdb-wiki/"
IMAGES = "imdb_crop"
MAT = "imdb.mat"
AGE_GENDER = "imdb_age_gender.npy"
SPLIT = "imdb_split.npy"
LISTS = {"eb1": "eb1_img_list.npy", "eb2": "eb2_img_list.npy"}
SPLIT_FILES = (AGE_GENDER, SPLIT, *LISTS.values())
OLDEST = 100
# The smallest score of the face detector in `imdb.mat`.
FACE_SCORE = 1.0
FILE_NAME = r"_(\d+)-(\d+)-(\d+)_(\d+)\.\w+$"
# Matlab counts days from year 0.
MATLAB_1970 = 719529
# Days of the years 1 to 2737. Others are damage.
BIRTH_DAYS = (367, 1_000_000)
# The real imdb.mat has some 50 MB.
LARGEST_MAT = 2**29
# Share of the test split, that of Kim et al.: 22,468 of 112,340 rows.
TEST_SHARE = 0.2


@dataclasses.dataclass(frozen=True)
class Faces:
    """Paths, ages and genders of faces, by split.

    Args:
        splits: dict from `"eb1"`, `"eb2"` and `"test"` to frames with the
            columns `path` (relative to the directory of images), `age`
            (years) and `gender` (0 female, 1 male).
        left_out: dict from reasons to numbers of rows.
        source: str, the files that were read.
        checksum: str, SHA-256 of all paths, ages and genders.
        images: path of the directory of images.
    """

    splits: dict[str, pd.DataFrame]
    left_out: dict[str, int]
    source: str
    checksum: str
    images: pathlib.Path


def read(data_dir: str | os.PathLike) -> Faces:
    """Reads what a directory holds of IMDB-WIKI.

    If Kim et al.'s four files are beside `imdb_crop/`, the splits are theirs.
    Otherwise the splits are made from `imdb.mat`, in the directory or in
    `imdb_crop/`, by the definition of section 5.2 of the paper on mutual
    information backpropagation. `test` is a fifth of the faces, drawn with a
    fixed seed. Of the others, `eb1` are the women of 0 to 30 years and the
    men over 40, `eb2` are the men of 0 to 30 years and the women over 40.

    Args:
        data_dir: path of the directory.

    Returns:
        `Faces`.

    Raises:
        FileNotFoundError: if there is no such directory, or files are missing.
        ValueError: if a file is damaged, holds no usable face, names a picture
            twice, or names one that is not in the directory of images.

    Example:

    >>> import tempfile
    >>> from keras_unbias.data import drawn_faces
    >>> with tempfile.TemporaryDirectory() as place:
    ...     faces = read(drawn_faces.write(f"{place}/faces", rows=60))
    >>> list(faces.splits), list(faces.splits["test"])
    (['eb1', 'eb2', 'test'], ['path', 'age', 'gender'])
    """
    data_dir = pathlib.Path(data_dir)
    images = data_dir / IMAGES
    if not images.is_dir():
        raise FileNotFoundError(
            f"There are no faces in {data_dir}. Expected: the directory "
            f"{IMAGES}/ of IMDB-WIKI, beside or with {MAT}. Received: no such "
            f"directory. Download it from {URL}."
        )
    there = [name for name in SPLIT_FILES if (data_dir / name).exists()]
    if there:
        if len(there) < len(SPLIT_FILES):
            raise FileNotFoundError(
                f"Some of Kim et al.'s split files are missing. Expected: "
                f"all of {list(SPLIT_FILES)} in {data_dir}, or none. Received: "
                f"only {there}. Add the others, or move these away."
            )
        splits, left_out = _read_split_files(data_dir)
        source = "split files of Kim et al."
    else:
        frame, left_out = _usable(_read_mat(data_dir))
        splits, source = _by_definition(frame), MAT
    for name, split in splits.items():
        if not len(split):
            raise ValueError(
                f"No face is left for the split {name}. Expected: some. "
                f"Received: none; left out: {left_out}. Fetch the files again."
            )
    _check_paths(splits, images)
    everything = pd.concat(splits.values(), keys=splits).to_csv()
    checksum = hashlib.sha256(everything.encode()).hexdigest()
    return Faces(splits, left_out, source, checksum, images)


def _check_paths(splits, images):
    """Checks that every path is of another picture, which is in `images`."""
    root, where, twice = os.path.realpath(images), {}, []
    resolve = functools.cache(os.path.realpath)
    for name, split in splits.items():
        for path in split.path:
            pure, real = pathlib.PurePath(path), ""
            if path.isprintable() and not {"\\", ".."} & {*path, *pure.parts}:
                real = os.path.join(resolve(os.path.join(root, pure.parent)), pure.name)
                # Two paths, or a path and a link, may lead to one file.
                real = os.path.realpath(real) if os.path.islink(real) else real
            if not pure.name or not real.startswith(os.path.join(root, "")):
                raise ValueError(
                    f"A path leaves the directory of images. Expected: names of "
                    f"pictures in {root}, with forward slashes. Received: {path!r} in "
                    f"the split {name}. Fetch the files again. Pictures behind links "
                    "have to be copied, but the directory itself may be a link."
                )
            if real in where:
                twice.append((path, where[real], name))
            where[real] = name
    if twice:
        path, *names = twice[0]
        raise ValueError(
            f"The splits name {len(twice)} pictures twice. Expected: every picture in "
            f"one of {list(splits)}, once. Received: {path!r} in "
            f"{' and '.join(names)}. Remove it from one of the two."
        )


def _read_mat(data_dir):
    """Returns all rows of imdb.mat: path, gender, age, scores."""
    found = [p for p in (data_dir / MAT, data_dir / IMAGES / MAT) if p.exists()]
    if not found:
        raise FileNotFoundError(
            f"{MAT} is missing. Expected: {data_dir / MAT}. Received: no such "
            f"file. Download it from {URL}."
        )
    path = found[0]
    try:
        content = regular_file.read(path, largest=LARGEST_MAT)
        frame = pd.DataFrame(imdb_mat.read(content))
        frame[["gender", "face_score", "second_face_score"]]
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(
            f"{path} cannot be read. Expected: the variable 'imdb' with full_path, "
            f"gender, face_score and second_face_score. Received: {error}. Fetch it "
            "again, or use Kim et al.'s split files, which hold ages and genders too."
        ) from error
    return frame.assign(age=_ages(frame))


def _ages(frame):
    """Returns ages, NaN where dates are missing, impossible or contradictory.

    Both the file and the names of the images hold dates. A photo counts as
    taken in the middle of its year.
    """
    parts = frame.path.str.extract(FILE_NAME).astype(float)
    parts.columns = ["year", "month", "day", "taken"]
    named = parts.notna().all(axis=1)
    # pandas 2.1 warns of days that no calendar has.
    with np.errstate(invalid="ignore"):
        birth = pd.to_datetime(parts[["year", "month", "day"]], errors="coerce")
    from_names = _age(birth.dt.year, birth.dt.month, parts.taken)
    from_file = pd.Series(np.nan, frame.index)
    if {"dob", "photo_taken"} <= set(frame):
        known = frame.dob.between(*BIRTH_DAYS)
        days = frame.dob.where(known)
        days = np.floor(days.fillna(MATLAB_1970)) - MATLAB_1970
        days = days.to_numpy().astype(int).astype("M8[D]")
        months = days.astype("M8[M]").astype(int)
        from_file = _age(1970 + months // 12, 1 + months % 12, frame.photo_taken).where(
            known
        )
    # For a birthday "00" the file holds a real day that is not the birthday.
    ages = from_file.where(~named | from_names.notna()).fillna(from_names)
    return ages.where(from_names.isna() | (ages == from_names))


def _age(year, month, taken):
    return taken - year - (month > 6)


def _usable(frame):
    """Drops unusable rows, counted by the first reason that holds."""
    reasons = {
        "no possible dates": frame.age.isna(),
        "impossible age": ~frame.age.between(0, OLDEST),
        "unknown gender": ~frame.gender.isin((0, 1)),
        # -inf means that no face was found and the crop is the whole image.
        f"face score below {FACE_SCORE:g}": ~(frame.face_score >= FACE_SCORE),
        "a second face": frame.second_face_score.notna(),
    }
    bad, left_out = pd.Series(False, frame.index), {}
    for reason, rows in reasons.items():
        left_out[reason] = int((rows & ~bad).sum())
        bad |= rows
    frame = frame[~bad].astype({"age": int, "gender": int})
    return frame[["path", "age", "gender"]], left_out


def _by_definition(frame):
    """Returns the splits EB1, EB2 and test of the paper's section 5.2."""
    frame = frame.sort_values("path", ignore_index=True)
    order = np.random.default_rng(0).permutation(len(frame))
    test = np.zeros(len(frame), bool)
    test[order[: round(TEST_SHARE * len(frame))]] = True
    masks = age_bias.split_masks(frame.age, frame.gender)
    splits = {name: frame[mask & ~test] for name, mask in masks.items()}
    return {**splits, "test": frame[test]}


def _read_split_files(data_dir):
    known = restricted_pickle.load(data_dir / AGE_GENDER)
    lists = {
        name: restricted_pickle.load(data_dir / file) for name, file in LISTS.items()
    }
    lists["test"] = restricted_pickle.load(data_dir / SPLIT)
    try:
        lists["test"] = lists["test"]["test_list"]
        splits, left_out = {}, {}
        for name, paths in lists.items():
            rows = [(path, *_labels(known[path])) for path in _texts(paths)]
            frame = pd.DataFrame(rows, columns=["path", "age", "gender"])
            # The lists were filtered by score. They do not hold the scores.
            frame = frame.assign(face_score=np.inf, second_face_score=np.nan)
            splits[name], reasons = _usable(frame)
            left_out = {r: left_out.get(r, 0) + n for r, n in reasons.items()}
    except (LookupError, TypeError, ValueError, OverflowError) as error:
        raise ValueError(
            f"Kim et al.'s split files in {data_dir} do not fit together. Expected: "
            f"{AGE_GENDER} with an age and a gender for every path of the lists, and "
            f"'test_list' in {SPLIT}. Received: {restricted_pickle.short(error)}. "
            "Fetch them again, all four."
        ) from error
    return splits, left_out


def _texts(paths):
    # Lists hold str, but an array of bytes still holds bytes. A tuple could
    # take for ever as a key.
    for path in _sequence(paths):
        if not isinstance(path, str | bytes):
            raise TypeError(f"a path of type {type(path).__name__}")
        yield path.decode() if isinstance(path, bytes) else str(path)


def _labels(value):
    """Returns age and gender of a dict or of a pair."""
    pair = (value["age"], value["gender"]) if isinstance(value, dict) else value
    age, gender = map(float, _sequence(pair))
    return age, gender


def _sequence(value):
    if not isinstance(value, list | tuple | np.ndarray):
        raise TypeError(f"{type(value).__name__} in place of a list")
    return value
