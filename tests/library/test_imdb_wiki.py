"""The rows of IMDB-WIKI: ages, splits, and what is left out."""

import datetime
import os
import pickle

import numpy as np
import pytest
from faces import people, row, write, write_split_files

from keras_unbias.data import imdb_wiki


def test_ages_are_those_of_the_calendar(tmp_path):
    rng = np.random.default_rng(0)
    rows, expected = [], {}
    for number in range(300):
        born = datetime.date(1900, 1, 1) + datetime.timedelta(
            days=int(rng.integers(0, 30_000))
        )
        taken = int(rng.integers(1990, 2000))
        path = f"{number}.jpg"
        rows.append(
            row(
                number,
                0,
                number % 2,
                dob=float(born.toordinal() + 366),
                photo_taken=float(taken),
                full_path=path,
            )
        )
        # Taken in the middle of the year.
        middle = datetime.date(taken, 6, 30)
        age = taken - born.year - ((born.month, born.day) > (6, 30))
        assert (middle - born).days // 366 <= age
        expected[path] = age
    read = imdb_wiki.read(write(tmp_path / "faces", rows, images=False))
    for split in read.splits.values():
        for face in split.itertuples():
            assert face.age == expected[face.path]
            assert face.gender == int(face.path[:-4]) % 2
    possible = sum(0 <= age <= 100 for age in expected.values())
    assert read.left_out["impossible age"] == len(rows) - possible


def test_every_flaw_is_left_out_and_counted(tmp_path):
    flawed = [
        row(1, 20, 0, full_path="1/nm1_rm1_1980-0-0_2000.jpg"),
        row(2, 20, 0, full_path="1/nm2_rm2_1980-2-31_2000.jpg"),
        row(3, 20, 0, dob=0.0, full_path="1/nm3_rm3_0-0-0_2000.jpg"),
        row(4, 20, 0, dob=np.nan, full_path="1/no_dates.jpg"),
        # imdb.mat and the name give different ages.
        row(5, 20, 0, full_path="1/nm5_rm5_1970-3-15_2000.jpg"),
        row(6, 20, 0, dob=368.0, full_path="1/year_1.jpg"),
        row(7, 20, 0, photo_taken=1949.0, full_path="1/not_born.jpg"),
        row(8, 20, np.nan),
        row(9, 20, 0, face_score=-np.inf),
        row(10, 20, 0, face_score=0.9),
        row(11, 20, 0, face_score=np.nan),
        row(12, 20, 0, second_face_score=1.5),
    ]
    read = imdb_wiki.read(write(tmp_path / "faces", people() + flawed, images=False))
    assert read.left_out == {
        "no possible dates": 5,
        "impossible age": 2,
        "unknown gender": 1,
        "face score below 1": 3,
        "a second face": 1,
    }
    everybody = {p for split in read.splits.values() for p in split.path}
    assert everybody == {r["full_path"] for r in people()}


def test_dates_of_file_names_stand_in_for_damaged_ones(tmp_path):
    rows = people()
    saved = row(99, 23, 0, dob=np.nan, photo_taken=np.nan)
    for number in range(20):
        rows.append({**saved, "full_path": f"a{number}_1977-3-15_2000.jpg"})
    read = imdb_wiki.read(write(tmp_path / "faces", rows, images=False))
    assert sum(read.left_out.values()) == 0
    eb1 = read.splits["eb1"]
    assert set(eb1.age[eb1.path.str.startswith("a")]) == {23}


def test_splits_are_the_papers(tmp_path):
    rows = people() + [row(n, 31 + n % 10, n % 2) for n in range(40)]
    read = imdb_wiki.read(write(tmp_path / "a", rows, images=False))
    ages = {r["full_path"]: r for r in rows}
    for face in read.splits["eb1"].itertuples():
        assert face.age <= 30 if face.gender == 0 else face.age > 40
    for face in read.splits["eb2"].itertuples():
        assert face.age <= 30 if face.gender == 1 else face.age > 40
    paths = [set(split.path) for split in read.splits.values()]
    assert len(set.union(*paths)) == sum(map(len, paths))
    assert len(paths[2]) == 40
    # All of the rest that has the ages, and nobody else.
    rest = set(ages) - paths[2]
    assert paths[0] | paths[1] == {p for p in rest if not 31 <= _age(ages[p]) <= 40}
    # The order of the file does not matter.
    again = imdb_wiki.read(write(tmp_path / "b", rows[::-1], images=False))
    assert again.checksum == read.checksum
    changed = [{**r, "gender": 1.0 - r["gender"]} for r in rows]
    other = imdb_wiki.read(write(tmp_path / "c", changed, images=False))
    assert other.checksum != read.checksum


def _age(values):
    born = datetime.date.fromordinal(int(values["dob"]) - 366)
    return 2000 - born.year


def test_split_files_of_kim_et_al(tmp_path):
    directory = write(tmp_path / "faces", people(), images=False)
    known = {
        "a/1.jpg": {"age": 20, "gender": 0},
        "a/2.jpg": (np.int64(50), np.int64(1)),
        "a/3.jpg": {"age": -3, "gender": 1},
        "a/4.jpg": {"age": 64.0, "gender": float("nan")},
        "a/5.jpg": [25, 1],
        "a/6.jpg": {"age": 33, "gender": 1},
    }
    write_split_files(
        directory,
        known,
        eb1=["a/1.jpg", "a/2.jpg"],
        eb2=["a/5.jpg", "a/3.jpg"],
        test=["a/6.jpg", "a/4.jpg"],
    )
    read = imdb_wiki.read(directory)
    assert read.source == "split files of Kim et al."
    eb1, eb2, test = (read.splits[n] for n in ("eb1", "eb2", "test"))
    assert eb1.values.tolist() == [["a/1.jpg", 20, 0], ["a/2.jpg", 50, 1]]
    assert eb2.values.tolist() == [["a/5.jpg", 25, 1]]
    assert test.values.tolist() == [["a/6.jpg", 33, 1]]
    assert read.left_out["impossible age"] == 1
    assert read.left_out["unknown gender"] == 1


def test_split_files_that_do_not_fit_are_refused(tmp_path):
    directory = write(tmp_path / "faces", people(), images=False)
    known = {"a.jpg": {"age": 20, "gender": 0}}
    write_split_files(directory, known, ["a.jpg"], ["b.jpg"], ["a.jpg"])
    with pytest.raises(ValueError, match=r"do not fit together.*b.jpg"):
        imdb_wiki.read(directory)
    (directory / imdb_wiki.SPLIT).unlink()
    with pytest.raises(FileNotFoundError, match="split files are missing"):
        imdb_wiki.read(directory)


class Hostile:
    def __init__(self, call, *arguments):
        self.reduced = call, arguments

    def __reduce__(self):
        return self.reduced


@pytest.mark.parametrize("name", imdb_wiki.SPLIT_FILES)
def test_hostile_split_files_run_nothing(tmp_path, name):
    directory = write(tmp_path / "faces", people(), images=False)
    known = {"a.jpg": {"age": 20, "gender": 0}}
    write_split_files(directory, known, ["a.jpg"], ["a.jpg"], ["a.jpg"])
    victim = tmp_path / "victim"
    value = {"a.jpg": Hostile(os.mkdir, str(victim))}
    (directory / name).write_bytes(pickle.dumps(value))
    with pytest.raises(ValueError, match="nothing in it was executed"):
        imdb_wiki.read(directory)
    assert not victim.exists()


def test_missing_and_damaged_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no faces in.*Download it from"):
        imdb_wiki.read(tmp_path / "nowhere")
    (tmp_path / "imdb_crop").mkdir()
    with pytest.raises(FileNotFoundError, match=r"imdb.mat is missing"):
        imdb_wiki.read(tmp_path)
    (tmp_path / "imdb.mat").write_bytes(b"MATLAB 5.0" + bytes(200))
    with pytest.raises(ValueError, match=r"imdb.mat cannot be read.*again"):
        imdb_wiki.read(tmp_path)
    no_gender = [{k: v for k, v in r.items() if k != "gender"} for r in people()]
    damaged = write(tmp_path / "faces", no_gender, images=False)
    with pytest.raises(ValueError, match=r"cannot be read.*gender"):
        imdb_wiki.read(damaged)


def test_no_face_left_is_refused(tmp_path):
    rows = [row(n, 35, 1) for n in range(10)]
    with pytest.raises(ValueError, match="No face is left for the split eb1"):
        imdb_wiki.read(write(tmp_path / "faces", rows, images=False))
