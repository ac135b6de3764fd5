"""UTKFace: names, splits, what is left out, and archives of any kind."""

import gzip
import hashlib
import io
import logging
import os
import tarfile

import numpy as np
import pytest
import utk
from PIL import Image

from keras_unbias.data import utk_faces

SMALL = {"train_size": 20, "test_size": 60, "image_size": 48}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return utk.write(tmp_path_factory.mktemp("utk") / "faces")


@pytest.fixture
def copy(folder, tmp_path):
    """A folder that a test may change, with the same pictures."""
    place = tmp_path / "copy"
    place.mkdir()
    for path in folder.iterdir():
        (place / path.name).hardlink_to(path)
    return place


def load(place, **changes):
    return utk_faces.load(**{**SMALL, **changes}, data_dir=place)


def splits(data):
    return {"train": data.train, "test": data.test, **data.further}


def names(data, place):
    """The names of the rows of every split, found by their contents."""
    by_content = {path.read_bytes(): path.name for path in place.rglob("*.jpg")}
    return {
        split: [by_content[content] for content in rows.inputs]
        for split, rows in splits(data).items()
    }


def person(name):
    age, gender, *_ = name.split("_")
    return int(age), {"0": "man", "1": "woman"}[gender]


def is_eb1(name):
    return person(name) in [
        *((age, "woman") for age in range(31)),
        *((age, "man") for age in range(41, 117)),
    ]


def is_eb2(name):
    age, _ = person(name)
    return not is_eb1(name) and not 31 <= age <= 40


@pytest.mark.parametrize("train_split", ["eb1", "eb2"])
def test_splits_labels_and_attributes(folder, train_split):
    data = load(folder, train_split=train_split, seed=3)
    found = names(data, folder)
    belongs = {"eb1": is_eb1, "eb2": is_eb2}
    other = {"eb1": "eb2", "eb2": "eb1"}[train_split]
    assert set(found) == {"train", "test", other}
    assert all(map(belongs[train_split], found["train"]))
    # All that are not in the test split.
    rest = {path.name for path in folder.iterdir()} - set(found["test"])
    assert sorted(found[other]) == sorted(filter(belongs[other], rest))
    sizes = {split: sum(map(belongs[split], rest)) for split in belongs}
    assert data.facts["split_sizes"] == {**sizes, "test": 60}
    everyone = [name for rows in found.values() for name in rows]
    assert len(everyone) == len(set(everyone))
    assert len(data.train) == data.facts["train_size"] == 20
    assert len(data.test) == data.facts["test_size"] == 60
    for split, rows in splits(data).items():
        for name, label, vector in zip(
            found[split], rows.labels, rows.attributes, strict=True
        ):
            age, gender = person(name)
            assert label == {"woman": 0, "man": 1}[gender]
            expected = 0 if age < 20 else min((age - 15) // 5, 11)
            assert vector.tolist() == [float(n == expected) for n in range(12)]
    assert data.attribute_spec.names == ("age",) and data.num_classes == 2


def test_the_seed_draws_the_splits(folder):
    def chosen(**settings):
        return names(load(folder, **settings), folder)

    one = chosen(seed=1)
    assert one == chosen(seed=1)
    for split, rows in chosen(seed=2).items():
        assert sorted(rows) != sorted(one[split])
    # The other training split changes no test face, the size no order.
    assert one["test"] == chosen(seed=1, train_split="eb2")["test"]
    everything = load(folder, seed=1, train_size=None)
    assert names(everything, folder)["train"][:20] == one["train"]
    assert len(everything.train) == everything.facts["split_sizes"]["eb1"]


@pytest.mark.parametrize("train_split", ["eb1", "eb2"])
def test_held_out_faces_are_in_no_split_of_any_seed(folder, train_split):
    other = {"eb1": "eb2", "eb2": "eb1"}[train_split]
    belongs = {"eb1": is_eb1, "eb2": is_eb2}
    settings = {"train_split": train_split, "held_out": 50, "train_size": None}
    everyone = {path.name for path in folder.iterdir()}
    (held,) = {
        tuple(
            names(load(folder, seed=seed, evaluate_on="held_out", **settings), folder)[
                "test"
            ]
        )
        for seed in range(3)
    }
    assert len(set(held)) == 50
    for seed in range(3):
        reported = names(load(folder, seed=seed, **settings), folder)
        rest = everyone - {*held} - {*reported["test"]}
        assert len(reported["test"]) == 60
        for split, rows in (("train", train_split), (other, other)):
            assert sorted(reported[split]) == sorted(filter(belongs[rows], rest))
        chosen = names(
            load(folder, seed=seed, evaluate_on="held_out", **settings), folder
        )
        assert chosen["train"] == reported["train"]
        assert chosen[other] == list(filter(belongs[other], held))
    with pytest.raises(ValueError, match="`held_out` is out of range.*>= 1"):
        load(folder, evaluate_on="held_out")
    with pytest.raises(ValueError, match="Unknown evaluate_on"):
        load(folder, evaluate_on="train")
    with pytest.raises(ValueError, match=r"Lower train_size, test_size or held_out"):
        load(folder, held_out=220)


def test_training_faces_alone_are_mirrored(folder):
    plain, mirrored = load(folder), load(folder, augment=True)
    for split in ("train", "test"):
        pair = [next(iter(d.batches(split, 20)))[0] for d in (plain, mirrored)]
        np.testing.assert_array_equal(*pair)
    one, other = (next(iter(d.stream(20, seed=1)))[0] for d in (plain, mirrored))
    turned = [not np.array_equal(a, b) for a, b in zip(one, other, strict=True)]
    assert 0 < sum(turned) < 20
    for a, b, turn in zip(one, other, turned, strict=True):
        np.testing.assert_array_equal(b, a[:, ::-1] if turn else a)


def test_images_are_those_of_the_files(folder):
    data = load(folder)
    for split, found in names(data, folder).items():
        images = np.concatenate([x for x, _ in data.batches(split, 16)])
        for name, image in zip(found, images, strict=True):
            np.testing.assert_array_equal(image, Image.open(folder / name))
    assert load(folder, image_size=30).input_shape == (30, 30, 3)


def test_an_archive_is_the_folder(folder, tmp_path):
    expected = load(folder, seed=1)
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n"
        for path in sorted(folder.iterdir())
    ]
    checksum = hashlib.sha256("".join(lines).encode()).hexdigest()
    assert expected.facts["checksum"] == checksum
    assert expected.facts["source"] == "folder"
    for name in ("faces.tar", "faces.tar.gz"):
        place = tmp_path / name.replace(".", "_")
        place.mkdir()
        (place / "weights.h5").write_bytes(b"of a backbone")
        path = utk.pack(folder, place / name)
        for data_dir in (path, place, str(place)):
            data = load(data_dir, seed=1)
            assert data.facts == {**expected.facts, "source": "tar"}
            assert names(data, folder) == names(expected, folder)
        # Nothing is unpacked there.
        assert sorted(os.listdir(place)) == sorted([name, "weights.h5"])
    assert load(folder.parent, seed=1).facts == expected.facts


def test_what_is_left_out_is_counted_and_named(copy, tmp_path, caplog):
    first, second, third, *_ = sorted(copy.iterdir())
    expected = {
        utk_faces.OTHER_NAME: ["61_1_20170109142408075.jpg.chip.jpg", "face.jpg"],
        utk_faces.IMPOSSIBLE: [
            utk.name(117, 0, 1),
            utk.name(20, 3, 1),
            utk.name(20, 0, 1, race=5),
        ],
        utk_faces.BAD: [utk.name(20, 0, 2), utk.name(21, 0, 2), utk.name(22, 0, 2)],
        utk_faces.CONTRADICTING: [second.name, utk.name(116, 0, 3), third.name],
        utk_faces.REPEATED: [f"{first.name[:-13]}9.jpg.chip.jpg"],
    }
    age, gender, *_ = third.name.split("_")
    expected[utk_faces.CONTRADICTING] += [utk.name(age, 1 - int(gender), 4)]
    for name in expected[utk_faces.OTHER_NAME] + expected[utk_faces.IMPOSSIBLE]:
        (copy / name).write_bytes(os.urandom(9))
    cut, pipe, empty = (copy / name for name in expected[utk_faces.BAD])
    cut.write_bytes(first.read_bytes()[:-200])
    os.mkfifo(pipe)
    empty.touch()
    for reason, place, old in (
        (utk_faces.CONTRADICTING, 1, second),
        (utk_faces.CONTRADICTING, 3, third),
        (utk_faces.REPEATED, 0, first),
    ):
        (copy / expected[reason][place]).write_bytes(old.read_bytes())
    (copy / "notes.txt").write_text("no picture")
    with caplog.at_level(logging.DEBUG, "keras_unbias.data.utk_faces"):
        data = load(copy)
    counts = {reason: len(left_out) for reason, left_out in expected.items()}
    assert data.facts["left_out"] == counts
    for reason, left_out in expected.items():
        for name in left_out:
            assert f"{name!r} is left out: {reason}" in caplog.text, name
    assert caplog.text.count("is left out") == sum(counts.values())
    # The archive leaves out the same.
    assert load(utk.pack(copy, tmp_path / "a.tar")).facts["left_out"] == counts


def test_a_copy_of_another_race_is_the_same_face(copy):
    (path,) = copy.glob("7_1_*")
    path.with_name(utk.name(7, 1, 0, race=4)).write_bytes(path.read_bytes())
    assert load(copy).facts["left_out"][utk_faces.REPEATED] == 1


def add(archive, name, content=b"", **fields):
    member = tarfile.TarInfo(name)
    member.size = len(content)
    for field, value in fields.items():
        setattr(member, field, value)
    archive.addfile(member, io.BytesIO(content))


def test_only_regular_members_of_an_archive_are_read(folder, tmp_path, monkeypatch):
    secret = tmp_path / "secret"
    picture = min(folder.iterdir()).read_bytes() + b"0"
    secret.write_bytes(picture)
    place = tmp_path / "in"
    place.mkdir()
    path = utk.pack(folder, place / "a.tar")
    monkeypatch.setattr(utk_faces, "LARGEST_PICTURE", 5000)
    with tarfile.open(path, "a") as archive:
        for date, kind in enumerate([tarfile.SYMTYPE, tarfile.LNKTYPE]):
            add(archive, utk.name(1, 0, date), type=kind, linkname=str(secret))
        for date, kind in enumerate([tarfile.CHRTYPE, tarfile.FIFOTYPE], 2):
            add(archive, utk.name(1, 0, date), type=kind)
        add(archive, utk.name(1, 0, 4), picture + bytes(5000))
        # It is read, and its folder is no place on the disk.
        add(archive, f"../{utk.name(1, 0, 5)}", picture)
    before = sorted(tmp_path.rglob("*"))
    data = load(path, train_size=None)
    assert data.facts["left_out"][utk_faces.BAD] == 5
    read = [content for rows in splits(data).values() for content in rows.inputs]
    assert read.count(picture) == 1
    assert sorted(tmp_path.rglob("*")) == before


def many_headers(folder, path):
    headers = {f"a{number}": "1" for number in range(101)}
    with tarfile.open(path, "w", pax_headers=headers) as archive:
        add(archive, utk.name(1, 0, 1))


def cut(folder, path):
    content = utk.pack(folder, path).read_bytes()
    path.write_bytes(content[: len(content) // 2])


def cut_gzip(folder, path):
    whole = gzip.compress(utk.pack(folder, path).read_bytes())
    path.write_bytes(whole[:-20])


def bomb(folder, path):
    path.write_bytes(gzip.compress(bytes(2**21)))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (many_headers, "101 global headers"),
        (cut, "unexpected end of data"),
        (cut_gzip, "Compressed file ended"),
        (bomb, "more than 1048576 bytes"),
        (lambda folder, path: path.write_text("no tar"), "Received: "),
        (lambda folder, path: path.mkdir(), "not a regular file"),
    ],
)
def test_damaged_archives_are_refused(folder, tmp_path, monkeypatch, make, message):
    monkeypatch.setattr(utk_faces, "LARGEST", 2**20)
    make(folder, tmp_path / "a.tar")
    with pytest.raises(ValueError, match=f"a.tar cannot be read.*{message}.*again"):
        load(tmp_path)


@pytest.mark.parametrize(("limit", "value"), [("LARGEST", 9999), ("MOST_FILES", 239)])
def test_no_more_is_read_than_memory_holds(folder, tmp_path, monkeypatch, limit, value):
    path = utk.pack(folder, tmp_path / "a.tar.gz")
    monkeypatch.setattr(utk_faces, limit, value)
    for place in (folder, path):
        with pytest.raises(ValueError, match=f"more than UTKFace|bytes.*{value}"):
            load(place)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_split": "eb3"}, "Unknown train_split.*eb3"),
        ({"train_size": 0}, "train_size.*Received: train_size=0"),
        ({"test_size": 0}, "test_size.*Received: test_size=0"),
        ({"seed": -1}, "seed"),
        ({"image_size": 0}, "image_size"),
        ({"train_size": 500}, "too few faces.*'eb1': 500.*Lower train_size"),
        ({"test_size": 240}, "too few faces.*'eb1': 20.*'eb1': 0"),
        ({"test_size": 10**9}, "too few faces.*'eb1': 0"),
    ],
)
def test_bad_arguments_are_refused(folder, changes, message):
    with pytest.raises(ValueError, match=message):
        load(folder, **changes)


def test_without_faces_the_error_says_where_to_look(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match="by hand.*data_dir=None.*UTKFace"):
        utk_faces.load()
    with pytest.raises(FileNotFoundError, match="nothing at .*missing.*UTKFace"):
        load(tmp_path / "missing")
    with pytest.raises(FileNotFoundError, match="no faces in .*: 0 such files"):
        load(tmp_path)
    for name in ("a.tar", "b.tar.gz"):
        utk.pack(folder, tmp_path / name)
    with pytest.raises(FileNotFoundError, match="2 such files.*path of one archive"):
        load(tmp_path)
    (tmp_path / "b.tar.gz").unlink()
    # A picture of something else hides no archive.
    (tmp_path / "face.jpg").touch()
    assert utk_faces.find(tmp_path) == tmp_path / "a.tar"
    (tmp_path / "a.tar").unlink()
    with pytest.raises(FileNotFoundError, match="0 such files and no such picture"):
        load(tmp_path)
