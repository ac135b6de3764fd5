"""The process that reads imdb.mat: what it returns, and how it may end."""

import numpy as np
import pytest
from faces import people, write

from keras_unbias.data import drawn_faces, imdb_mat


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    directory = write(tmp_path_factory.mktemp("faces") / "a", people(), images=False)
    return (directory / "imdb_crop" / "imdb.mat").read_bytes()


def test_columns_are_what_was_written(content):
    columns = imdb_mat.read(content)
    rows = people()
    assert columns.pop("path") == [row["full_path"] for row in rows]
    assert set(columns) == set(imdb_mat.NUMBERS)
    for name, column in columns.items():
        np.testing.assert_array_equal(column, [row[name] for row in rows])


def test_a_crash_of_the_reader_is_an_error(content, tmp_path, monkeypatch):
    script = tmp_path / "script.py"
    script.write_text("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    monkeypatch.setattr(imdb_mat, "__file__", str(script))
    with pytest.raises(ValueError, match=r"a crash of SciPy's reader \(-11\)"):
        imdb_mat.read(content)


def test_a_reader_that_does_not_end_is_stopped(content, monkeypatch):
    monkeypatch.setattr(imdb_mat, "SECONDS", 0)
    with pytest.raises(ValueError, match="no end after 0 seconds"):
        imdb_mat.read(content)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"gender": np.array([1, 0, 1j])}, "gender of type complex"),
        ({"gender": np.array([1.0, 0.0])}, "columns of different lengths"),
        ({"gender": np.array(["a", "b", [1]], object)}, "gender of type object"),
        ({"full_path": np.array(["a", "b", 1.0], object)}, "more than strings"),
    ],
)
def test_other_columns_are_refused(tmp_path, changes, message):
    columns = {
        "full_path": np.array(["a.jpg", "b.jpg", "c.jpg"], object),
        "gender": np.array([0.0, 1.0, 1.0]),
        **changes,
    }
    drawn_faces.write_mat(tmp_path / "imdb.mat", columns)
    with pytest.raises(ValueError, match=message):
        imdb_mat.read((tmp_path / "imdb.mat").read_bytes())
