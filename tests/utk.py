"""Drawn faces with the names of UTKFace, in a folder or a tar file."""

import tarfile

import numpy as np

from keras_unbias.data import drawn_faces


def name(age, gender, date, race=0):
    """A name, with the gender as UTKFace writes it: 0 male, 1 female."""
    return f"{age}_{gender}_{race}_{date}.jpg.chip.jpg"


def write(directory, rows=240):
    """Writes faces of 0 to 99 years, of men and of women."""
    directory.mkdir()
    rng = np.random.default_rng(0)
    for row in range(rows):
        age, gender = row * 7 % 100, row % 3 % 2
        face = drawn_faces.draw(age, 1 - gender, rng)
        face.save(directory / name(age, gender, 20170100 + row, row % 5))
    return directory


def pack(directory, path):
    """Packs a folder, the folder itself included."""
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as archive:
        archive.add(directory, "UTKFace")
    return path
