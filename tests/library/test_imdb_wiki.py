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


FACE = {"age": 20, "gender": 0}
KNOWN = dict.fromkeys(["a.jpg", "b.jpg", "c.jpg", "b/c.jpg", "d.jpg"], FACE)


@pytest.mark.parametrize(
    ("eb1", "eb2", "test", "received"),
    [
        (["a.jpg"], ["b.jpg"], ["c.jpg", "a.jpg"], "1 pic.*'a.jpg' in eb1 and test"),
        (["a.jpg"], ["a.jpg"], ["c.jpg"], "1 pic.*'a.jpg' in eb1 and eb2"),
        (["a.jpg"], ["b.jpg", "b.jpg"], ["b.jpg"], "2 pic.*'b.jpg' in eb2 and eb2"),
        (["a.jpg"], ["b/c.jpg"], ["b//c.jpg"], "1 pic.*in eb2 and test"),
        (["a.jpg"], ["b.jpg"], ["./a.jpg"], "1 pic.*in eb1 and test"),
        (["a.jpg"], ["b.jpg"], ["d.jpg"], "1 pic.*'d.jpg' in eb1 and test"),
    ],
)
def test_a_picture_in_two_places_is_refused(tmp_path, eb1, eb2, test, received):
    directory = write(tmp_path / "faces", people(), images=False)
    (directory / "imdb_crop" / "d.jpg").symlink_to("a.jpg")
    known = {**KNOWN, "b//c.jpg": FACE, "./a.jpg": FACE}
    write_split_files(directory, known, eb1, eb2, test)
    with pytest.raises(ValueError, match=f"splits name {received}"):
        imdb_wiki.read(directory)


def test_a_picture_twice_in_imdb_mat_is_refused(tmp_path):
    rows = [*people(), people()[7]]
    with pytest.raises(ValueError, match=r"splits name 1 pictures twice.*007.jpg"):
        imdb_wiki.read(write(tmp_path / "faces", rows, images=False))


OUTSIDE = ["../out.jpg", "/etc/out.jpg", "x/../../out.jpg", "..\\out.jpg", "a\0.jpg"]
OUTSIDE += ["link.jpg", "links/a.jpg", "a\n.jpg", "", "."]


@pytest.mark.parametrize(
    ("kind", "path"), [("lists", path) for path in OUTSIDE] + [("mat", OUTSIDE[0])]
)
def test_a_path_that_leaves_the_directory_is_refused(tmp_path, path, kind):
    row = {**people()[0], "full_path": path}
    rows = people() + [row] * (kind == "mat")
    directory = write(tmp_path / "faces", rows, images=False)
    (directory / "imdb_crop" / "link.jpg").symlink_to(tmp_path / "out.jpg")
    (directory / "imdb_crop" / "links").symlink_to(tmp_path)
    if kind == "lists":
        known = {"a.jpg": FACE, "b.jpg": FACE, path: FACE}
        write_split_files(directory, {"c.jpg": FACE}, ["a.jpg"], ["b.jpg"], ["c.jpg"])
        np.save(directory / imdb_wiki.AGE_GENDER, known, allow_pickle=True)
        np.save(directory / imdb_wiki.SPLIT, {"test_list": [path]}, allow_pickle=True)
    with pytest.raises(ValueError, match="leaves the directory of images"):
        imdb_wiki.read(directory)


def test_the_directory_of_images_may_be_a_link(tmp_path):
    directory = write(tmp_path / "faces", people(), images=False)
    crop = directory / "imdb_crop"
    linked = tmp_path / "linked"
    linked.mkdir()
    (linked / "imdb_crop").symlink_to(crop)
    assert imdb_wiki.read(linked).checksum == imdb_wiki.read(directory).checksum


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (imdb_wiki.AGE_GENDER, {"a.jpg": {"age": 10**400, "gender": 0}}),
        (imdb_wiki.AGE_GENDER, {"a.jpg": "21"}),
        (imdb_wiki.AGE_GENDER, {"a.jpg": [1, 2, 3]}),
        (imdb_wiki.AGE_GENDER, {"a.jpg": {"age": [[20]], "gender": 0}}),
        (imdb_wiki.AGE_GENDER, np.arange(3)),
        (imdb_wiki.AGE_GENDER, ["a.jpg"]),
        (imdb_wiki.SPLIT, np.arange(3)),
        (imdb_wiki.SPLIT, ["c.jpg"]),
        (imdb_wiki.SPLIT, {"test_list": 5}),
        (imdb_wiki.LISTS["eb1"], {"a.jpg": 1}),
        (imdb_wiki.LISTS["eb1"], [["a.jpg"], []]),
        (imdb_wiki.LISTS["eb1"], [b"\xff.jpg"]),
        (imdb_wiki.LISTS["eb1"], "a.jpg"),
    ],
)
def test_split_files_with_other_contents_are_refused(tmp_path, name, value):
    directory = write(tmp_path / "faces", people(), images=False)
    write_split_files(directory, KNOWN, ["a.jpg"], ["b.jpg"], ["c.jpg"])
    (directory / name).write_bytes(pickle.dumps(value))
    with pytest.raises(ValueError, match="do not fit together"):
        imdb_wiki.read(directory)


def test_a_path_of_nested_tuples_is_refused(tmp_path):
    directory = write(tmp_path / "faces", people(), images=False)
    write_split_files(directory, KNOWN, ["a.jpg"], ["b.jpg"], ["c.jpg"])
    path = "a.jpg"
    for _ in range(60):  # 2 ** 60 values, were they hashed
        path = (path, path)
    (directory / imdb_wiki.LISTS["eb1"]).write_bytes(pickle.dumps([path]))
    with pytest.raises(ValueError, match="a path of type tuple"):
        imdb_wiki.read(directory)


@pytest.mark.parametrize("name", ["imdb.mat", imdb_wiki.SPLIT])
def test_pipes_are_refused(tmp_path, name):
    directory = write(tmp_path / "faces", people(), images=False)
    if name != "imdb.mat":
        write_split_files(directory, KNOWN, ["a.jpg"], ["b.jpg"], ["c.jpg"])
        (directory / name).unlink()
    os.mkfifo(directory / name)
    with pytest.raises(ValueError, match=f"{name} cannot be.*not a regular file"):
        imdb_wiki.read(directory)


def test_dates_that_no_calendar_has_are_left_out(tmp_path):
    flawed = [
        row(1, 20, 0, dob=1e300),
        row(2, 20, 0, dob=np.inf),
        row(3, 20, 0, photo_taken=np.inf),
        row(4, 20, 0, full_path="4/nm4_99999999999999999999-3-15_2000.jpg"),
        row(5, 20, 0, full_path=f"5/nm5_{9 * 10**400}-3-15_2000.jpg"),
        row(6, 20, 0, dob=-1e300, full_path="6/a.jpg"),
    ]
    read = imdb_wiki.read(write(tmp_path / "faces", people() + flawed, images=False))
    # The names of the first two hold their dates.
    assert sum(read.left_out.values()) == 4


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
