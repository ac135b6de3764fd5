"""Rows of a made-up imdb.mat, and the files around it."""

import datetime
import pickle

import numpy as np
from PIL import Image

from keras_unbias.data import drawn_faces, imdb_wiki


def row(number, age, gender, **changes):
    """A face taken in 2000 of somebody born in March, as columns have it."""
    born = datetime.date(2000 - age, 3, 15)
    values = {
        "dob": float(born.toordinal() + 366),
        "photo_taken": 2000.0,
        "full_path": f"{number:02}/nm{number}_rm{number}_{born.year}-3-15_2000.jpg",
        "gender": float(gender),
        "face_score": 2.0,
        "second_face_score": np.nan,
    }
    return {**values, **changes}


def write(directory, rows, images=True):
    """Writes imdb_crop/ with imdb.mat and small gray images."""
    crop = directory / imdb_wiki.IMAGES
    crop.mkdir(parents=True)
    columns = {
        name: np.array([r[name] for r in rows], object)
        if name == "full_path"
        else np.array([r[name] for r in rows])
        for name in rows[0]
    }
    drawn_faces.write_mat(crop / imdb_wiki.MAT, columns)
    for r in rows if images else ():
        path = crop / r["full_path"]
        path.parent.mkdir(exist_ok=True)
        Image.new("L", (12, 10), 77).save(path)
    return directory


def write_split_files(directory, known, eb1, eb2, test):
    """Writes Kim et al.'s files as Python 2 did: bytes, old protocols."""

    def save(name, value):
        array = np.empty((), object)
        array[()] = value
        np.save(directory / name, array, allow_pickle=True)

    def raw(paths):
        return [path.encode() for path in paths]

    save(imdb_wiki.AGE_GENDER, {k.encode(): v for k, v in known.items()})
    save(imdb_wiki.SPLIT, {b"train_list": [], b"test_list": raw(test)})
    np.save(directory / imdb_wiki.LISTS["eb1"], np.array(raw(eb1)))
    with open(directory / imdb_wiki.LISTS["eb2"], "wb") as file:
        pickle.dump(raw(eb2), file, protocol=2)


def people():
    """Rows enough for all splits: 40 of each kind of EB1 and EB2."""
    kinds = [(20, 0), (50, 1), (30, 1), (41, 0)]
    return [
        row(number, *kinds[number % 4], full_path=f"{number:03}.jpg")
        for number in range(160)
    ]
