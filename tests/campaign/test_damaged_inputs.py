"""Damaged and hostile files in the place of every file that the data folder reads.

Every reader has to return the right data or to end in an error of this package,
within seconds, and to run nothing that a file asks for.
"""

import functools
import gzip
import hashlib
import io
import os
import pickle
import pickletools
import shutil
import signal
import struct
import zipfile
import zlib

import faces
import german
import numpy as np
import pytest
import utk
from PIL import Image

from keras_unbias.data import (
    image_files,
    imdb_faces,
    imdb_wiki,
    mnist,
    published_colored_mnist,
    restricted_pickle,
    uci_german,
    utk_faces,
)

SECONDS = 60
PEOPLE = faces.people()
KNOWN = {row["full_path"]: {"age": 20, "gender": 0} for row in PEOPLE}
NAMES = list(KNOWN)
CUSTOMERS = german.text(german.rows())


class Hostile:
    def __init__(self, canary):
        self.canary = str(canary)

    def __reduce__(self):
        return os.mkdir, (self.canary,)


class Place:
    """A directory of whole files of one kind, and what reads them."""

    def __init__(self, path, target, read):
        self.path, self.read = path / target, read
        self.whole = self.path.read_bytes()
        self.right = read()


def digits():
    arrays = [
        np.random.default_rng(0).integers(0, 256, shape, np.uint8)
        for shape in ((6, 28, 28), (6,), (4, 28, 28), (4,))
    ]
    return dict(zip(mnist.CHECKSUMS, arrays, strict=True))


def _idx_content(array):
    sizes = struct.pack(f">{array.ndim}I", *array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()


def _digits(path):
    return mnist.read_directory(path).checksum


def make_idx(path, monkeypatch, end=""):
    for stem, array in digits().items():
        content = _idx_content(array)
        checksum = hashlib.md5(content).hexdigest()
        monkeypatch.setitem(mnist.CHECKSUMS, stem, checksum)
        content = gzip.compress(content) if end else content
        (path / f"{stem}{end}").write_bytes(content)
    return Place(path, f"{next(iter(mnist.CHECKSUMS))}{end}", lambda: _digits(path))


def make_gz(path, monkeypatch):
    return make_idx(path, monkeypatch, ".gz")


def make_npz(path, monkeypatch):
    make_idx(path, monkeypatch)
    arrays = [np.array(array) for array in digits().values()]
    for stem in mnist.CHECKSUMS:
        (path / stem).unlink()
    np.savez_compressed(
        path / "mnist.npz", **dict(zip(mnist.NPZ_KEYS, arrays, strict=True))
    )
    return Place(path, "mnist.npz", lambda: _digits(path))


def make_published(path, monkeypatch):
    rng = np.random.default_rng(0)
    content = {
        "train_image": rng.integers(0, 256, (9, 28, 28, 3), np.uint8),
        "train_label": np.arange(9),
        "test_image": rng.integers(0, 256, (4, 28, 28, 3), np.uint8),
        "test_label": np.arange(4.0),
    }
    name = "mnist_10color_jitter_var_0.020.npy"
    np.save(path / name, content, allow_pickle=True)

    def read():
        pictures, labels, _ = published_colored_mnist.read(0.02, path)
        return [array.tobytes() for array in (*pictures, *labels)]

    return Place(path, name, read)


def make_german(path, monkeypatch):
    (path / "german.data").write_text(CUSTOMERS)
    checksum = hashlib.sha256(CUSTOMERS.encode()).hexdigest()
    monkeypatch.setattr(uci_german, "SHA256", checksum)
    return Place(path, "german.data", lambda: uci_german.read(path).checksum)


def make_mat(path, monkeypatch):
    faces.write(path / "faces", PEOPLE, images=False)
    return Place(
        path / "faces",
        "imdb_crop/imdb.mat",
        lambda: imdb_wiki.read(path / "faces").checksum,
    )


def make_lists(path, monkeypatch, name):
    place = path / "faces"
    faces.write(place, PEOPLE, images=False)
    faces.write_split_files(place, KNOWN, NAMES[:40], NAMES[40:80], NAMES[80:])
    return Place(place, name, lambda: imdb_wiki.read(place).checksum)


def make_age_gender(path, monkeypatch):
    return make_lists(path, monkeypatch, imdb_wiki.AGE_GENDER)


def make_split(path, monkeypatch):
    return make_lists(path, monkeypatch, imdb_wiki.SPLIT)


def make_eb1(path, monkeypatch):
    return make_lists(path, monkeypatch, imdb_wiki.LISTS["eb1"])


def make_eb2(path, monkeypatch):
    return make_lists(path, monkeypatch, imdb_wiki.LISTS["eb2"])


def make_picture(path, monkeypatch, kind="PNG"):
    pixels = np.random.default_rng(0).integers(0, 256, (30, 30, 3), np.uint8)
    Image.fromarray(pixels).save(path / "a", kind)
    return Place(path, "a", lambda: image_files.read(path / "a", 30).tobytes())


def make_jpeg(path, monkeypatch):
    return make_picture(path, monkeypatch, "JPEG")


def make_face(path, monkeypatch):
    """A picture of the training split, by the loader of the whole data set."""
    place = faces.write(path / "faces", PEOPLE)
    first = imdb_faces.load(train_size=None, data_dir=place).train.inputs[0]

    def read():
        data = imdb_faces.load(train_size=None, data_dir=place)
        return image_files.read(data.train.inputs[0], 10).tobytes()

    return Place(path, os.path.relpath(first, path), read)


def make_tar(path, monkeypatch, name="a.tar"):
    utk.pack(utk.write(path / "faces"), path / name)
    shutil.rmtree(path / "faces")

    def read():
        data = utk_faces.load(train_size=9, test_size=60, data_dir=path)
        return data.facts["checksum"]

    return Place(path, name, read)


def make_tar_gz(path, monkeypatch):
    return make_tar(path, monkeypatch, "a.tar.gz")


# Whether a changed bit is found by a checksum. Otherwise the file may still be
# one of its kind, with another value.
MAKERS = {
    make_idx: True,
    make_gz: True,
    make_npz: True,
    make_german: True,
    make_picture: True,
    make_published: False,
    make_mat: False,
    make_age_gender: False,
    make_split: False,
    make_eb1: False,
    make_eb2: False,
    make_jpeg: False,
    make_face: False,
    make_tar: False,
    make_tar_gz: False,
}


def npy(dtype, shape, content=b""):
    text = f"{{'descr': {dtype!r}, 'fortran_order': False, 'shape': {shape}, }}\n"
    header = struct.pack("<H", len(text)) + text.encode()
    return b"\x93NUMPY\x01\x00" + header + content


@functools.cache
def gzip_bomb():
    return gzip.compress(bytes(2**30), 1)


@functools.cache
def zip_bomb():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for key in mnist.NPZ_KEYS:
            with archive.open(f"{key}.npy", "w", force_zip64=True) as entry:
                for _ in range(600):
                    entry.write(bytes(2**20))
    return file.getvalue()


@functools.cache
def mat_bomb():
    """A compressed variable of a gigabyte, in a file of a megabyte."""
    packer = zlib.compressobj()
    header = struct.pack("<II", 14, 2**30)
    parts = [packer.compress(header)]
    parts += [packer.compress(bytes(2**20)) for _ in range(2**10)]
    content = b"".join(parts) + packer.flush()
    start = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM"
    return start + struct.pack("<II", 15, len(content)) + content


@functools.cache
def png_bomb():
    def chunk(kind, data):
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    content = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(10**8)))
    return b"\x89PNG\r\n\x1a\n" + content + chunk(b"IEND", b"")


def foreign(canary):
    """Yields contents that none of the readers may accept."""
    yield "empty", b""
    yield "zeros", bytes(1000)
    yield "random", np.random.default_rng(1).bytes(5000)
    yield "page", b"<!DOCTYPE html><html>Sign in</html>"
    yield "utf-16", CUSTOMERS.encode("utf-16-le")
    yield "gzip", gzip.compress(bytes(10**6))
    yield "gzip bomb", gzip_bomb()
    yield "zip bomb", zip_bomb()
    yield "mat bomb", mat_bomb()
    yield "png bomb", png_bomb()
    yield "idx of terabytes", b"\x00\x00\x08\x03" + b"\xff" * 12
    for protocol in range(6):
        hostile = pickle.dumps({"image": [Hostile(canary)]}, protocol)
        yield f"pickle {protocol}", hostile
        yield f"npy of pickle {protocol}", npy("|O", (), hostile)
    shared, deep = b")" + b"2\x86" * 60, b")" + b"\x85" * 100_000
    yield "shared key", npy("|O", (), b"}" + shared + b"Ns.")
    yield "shared key in a dict", b"(" + shared + b"Nd."
    yield "shared set", b"\x80\x04(" + shared + b"\x91."
    yield "shared list", b"]" + b"2\x86" * 60 + b"."
    yield "deep key", b"}" + deep + b"Ns."
    yield "deep tuple", deep + b"."
    yield "memo", b"Nr\xff\xff\xff\xff0]."
    yield "bytes", b"\x80\x04\x8e" + struct.pack("<Q", 2**40) + b"x."
    yield "digits", b"I" + b"9" * 10**6 + b"\n."
    yield "npy of terabytes", npy("|u1", (2**40,))
    yield "npy of exabytes", npy("|u1", (2**32, 2**32))
    yield "npy of texts", npy("|S2147483647", (2**20,))
    for function in ("os\nsystem", "posix\nsystem", "__builtin__\neval"):
        yield function, f"c{function}\n(S'mkdir {canary}'\ntR.".encode()
    yield "postscript", f"%!PS-Adobe-3.0 EPSF-3.0\n({canary}) (w) file\n".encode()


def damaged(whole, seed, changes):
    """Yields files that are cut short, continued or changed."""
    rng = np.random.default_rng(seed)
    for share in (0.0, 0.01, 0.1, 0.5, 0.9):
        yield f"cut to {share}", whole[: int(share * len(whole))], True
    yield "cut by a byte", whole[:-1], True
    yield "twice", whole + whole, True
    yield "without its start", whole[10:], True
    for number in range(changes):
        content = bytearray(whole)
        for place in rng.integers(0, len(content), rng.integers(1, 4)):
            content[place] ^= 1 << rng.integers(8)
        yield f"changed {number}", bytes(content), False


class Hung(BaseException):
    """Not an error that a reader catches."""


def try_one(place, canary, count, detail, checked):
    """Reads once, and counts how it ended."""

    def stop(*_):
        raise Hung

    signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    fault = None
    try:
        value = place.read()
        if checked and value != place.right:
            fault = "unequal"
    except Hung:
        fault = "hung"
    except (ValueError, FileNotFoundError) as error:
        # Those of other libraries say less.
        if "Expected: " not in str(error) or "Received: " not in str(error):
            fault, detail = "raw", f"{detail}: {error!r}"
    except Exception as error:
        fault, detail = "raw", f"{detail}: {error!r}"
    finally:
        signal.alarm(0)
    if canary.exists():
        canary.rmdir()
        fault = "executed"
    count(fault, detail)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__[5:])
def test_damaged_files_end_in_an_error(tmp_path, monkeypatch, count, make):
    (tmp_path / "data").mkdir()
    canary = tmp_path / "canary"
    place = make(tmp_path / "data", monkeypatch)
    assert place.read() == place.right
    # Readers that start a process or load all pictures take longer.
    changes = 20 if make in (make_mat, make_face) else 150
    for name, content, known in damaged(place.whole, 0, changes):
        place.path.write_bytes(content)
        # What comes after the end of a picture or a pickle does no harm.
        checked = MAKERS[make] or (known and name == "twice")
        try_one(place, canary, count, f"{make.__name__}, {name}", checked)
    for name, content in foreign(canary):
        place.path.write_bytes(content)
        try_one(place, canary, count, f"{make.__name__}, {name}", True)


@pytest.mark.filterwarnings("ignore")
def test_any_opcodes_end_in_an_error(tmp_path, count):
    rng = np.random.default_rng(0)
    opcodes = [opcode.code.encode("latin1") for opcode in pickletools.opcodes]
    opcodes += [b"2\x86", b"q\x00", b"h\x00", b"K\x01", b"U\x01a", b"}(", b"I1\n"]
    opcodes += [b"cnumpy\nndarray\n", b"cnumpy\ndtype\n", b"\x80\x04", b"os\nsystem\n"]
    path, canary = tmp_path / "a.npy", tmp_path / "canary"
    path.write_bytes(b"N.")
    place = Place(tmp_path, path.name, lambda: restricted_pickle.load(path))
    for _ in range(20_000):
        parts = rng.choice(np.array(opcodes, object), rng.integers(1, 80))
        content = b"".join(parts) + b"."
        path.write_bytes(content)
        try_one(place, canary, count, repr(content), False)


def replace_by_pipe(path):
    os.mkfifo(path)


def replace_by_device(path):
    path.symlink_to("/dev/zero")


def replace_by_directory(path):
    path.mkdir()


def replace_by_loop(path):
    path.symlink_to(path)


def replace_by_sparse_file(path):
    with open(path, "wb") as file:
        file.truncate(2**42)


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__[5:])
def test_other_than_regular_files_end_in_an_error(tmp_path, monkeypatch, count, make):
    for replace in (
        replace_by_pipe,
        replace_by_device,
        replace_by_directory,
        replace_by_loop,
        replace_by_sparse_file,
    ):
        data = tmp_path / replace.__name__
        data.mkdir()
        place = make(data, monkeypatch)
        place.path.unlink()
        replace(place.path)
        try_one(place, tmp_path / "canary", count, f"{make}, {replace}", True)
