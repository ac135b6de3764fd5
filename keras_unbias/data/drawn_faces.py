"""A synthetic miniature of IMDB faces in the same files and formats.

Age shows in the hair, which turns gray, and in wrinkles. Gender shows in the
length of the hair, in the jaw and in the lips. The drawn faces replace the
real ones in tests and on machines that do not have them.
"""

import os
import pathlib
import shutil

import numpy as np
import scipy.io
from PIL import Image, ImageDraw

from keras_unbias.data import imdb_wiki

SIZE = 48
# The ages of EB1 and EB2, and those between them, which only the test split
# has.
AGES = (0, 85)


def write(
    directory: str | os.PathLike, *, rows: int = 6_000, seed: int = 0
) -> pathlib.Path:
    """Writes `imdb_crop/` with images and `imdb.mat` if it is not there yet.

    One row in fifty has a flaw of the real ones: an unknown birthday, a date
    in year 0, no gender, no face, or a second face.

    Args:
        directory: path of the directory to make. It appears as a whole or
            not at all.
        rows: int, number of faces. Defaults to 6,000.
        seed: non-negative int that determines the faces. Defaults to 0.

    Returns:
        The path of the directory.

    Example:

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as place:
    ...     directory = write(pathlib.Path(place, "faces"), rows=3)
    ...     len(list(directory.rglob("*.jpg")))
    3
    """
    directory = pathlib.Path(directory)
    if directory.exists():
        return directory
    unfinished = directory.with_name(f"{directory.name}.{os.getpid()}")
    rng = np.random.default_rng(seed)
    taken = rng.integers(1960, 2015, rows)
    age = rng.integers(*AGES, rows, endpoint=True)
    gender = rng.integers(0, 2, rows).astype(float)
    columns = {
        "full_path": np.empty(rows, object),
        "dob": np.empty(rows),
        "photo_taken": taken.astype(float),
        "gender": gender,
        "face_score": rng.uniform(1, 6, rows),
        "second_face_score": np.full(rows, np.nan),
    }
    for row in range(rows):
        month, day = rng.integers(1, 13), rng.integers(1, 29)
        year = taken[row] - age[row] - (month > 6)
        born = np.datetime64(f"{year}-{month:02}-{day:02}")
        columns["dob"][row] = born.astype(int) + imdb_wiki.MATLAB_1970
        flaw = rng.integers(250)
        if flaw == 0:
            month = day = 0
        elif flaw == 1:
            year = columns["dob"][row] = 0
        elif flaw < 5:
            name = ("gender", "face_score", "second_face_score")[flaw - 2]
            columns[name][row] = (np.nan, -np.inf, 3.0)[flaw - 2]
        name = f"nm{row:07}_rm{row:07}_{year}-{month}-{day}_{taken[row]}.jpg"
        columns["full_path"][row] = path = f"{row % 100:02}/{name}"
        file = unfinished / imdb_wiki.IMAGES / path
        file.parent.mkdir(parents=True, exist_ok=True)
        draw(age[row], gender[row], rng).save(file, quality=90)
    write_mat(unfinished / imdb_wiki.IMAGES / imdb_wiki.MAT, columns)
    try:
        os.rename(unfinished, directory)
    except OSError:
        # Another process was faster. Its faces are the same.
        shutil.rmtree(unfinished)
    return directory


def write_mat(path: str | os.PathLike, columns: dict[str, np.ndarray]) -> None:
    """Writes rows as the variable `imdb` of a Matlab file.

    Args:
        path: path of the file.
        columns: dict from names of fields to arrays of shape `(rows,)`, with
            dtype object for strings.

    Example:

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as place:
    ...     write_mat(f"{place}/imdb.mat", {"gender": np.array([0.0, 1.0])})
    ...     list(scipy.io.loadmat(f"{place}/imdb.mat")["imdb"].dtype.names)
    ['gender']
    """
    fields = np.empty((1, 1), [(name, object) for name in columns])
    for name, column in columns.items():
        fields[name][0, 0] = column[np.newaxis]
    scipy.io.savemat(path, {"imdb": fields})


def draw(age: float, gender: int, rng: np.random.Generator) -> Image.Image:
    """Draws one face.

    Args:
        age: float, years.
        gender: int, 0 for female or 1 for male.
        rng: `numpy.random.Generator` of everything else.

    Returns:
        A Pillow image of 48 x 48 pixels.

    Example:

    >>> draw(30, 1, np.random.default_rng(0)).size
    (48, 48)
    """

    def color(*channels, noise=12):
        return tuple(
            int(np.clip(value + rng.normal(0, noise), 0, 255)) for value in channels
        )

    background = color(120, 130, 140, noise=35)
    image = Image.new("RGB", (SIZE, SIZE), background)
    pen = ImageDraw.Draw(image)
    x, y = 24 + rng.normal(0, 2, 2)
    width, height = rng.normal(11, 1), rng.normal(14, 1)
    skin = color(215, 170, 140, noise=18)
    gray = 60 + 1.5 * (age + rng.normal(0, 12))
    hair = color(gray, gray, gray)
    length = rng.uniform(-5, 15)
    left, right = x - width, x + width
    pen.ellipse((left - 3, y - 19, right + 3, y + 8), fill=hair)
    pen.rectangle((left - 3, y - 6, right + 3, y + length), fill=hair)
    pen.ellipse((left, y - height + 1, right, y + height), fill=skin)
    if gender == 1:
        jaw = rng.uniform(0.8, 1.05) * width
        pen.polygon(
            ((left, y), (x - jaw, y + height), (x + jaw, y + height), (right, y)),
            fill=skin,
        )
    for side in (-1, 1):
        eye = x + side * 4.5
        pen.ellipse((eye - 1.5, y - 3, eye + 1.5, y), fill=color(40, 40, 50))
    wrinkle = color(170, 125, 100)
    for number in range(int(age + rng.normal(0, 12)) // 20):
        line = y - 5 - 1.6 * number
        pen.line((x - 5, line, x + 5, line), fill=wrinkle)
    lips = color(190, 90, 90, noise=25)
    pen.ellipse((x - 4, y + 6, x + 4, y + 9), fill=lips)
    return image
