"""Pickled files: honest ones are read, hostile ones are refused."""

import os
import pickle
import struct

import numpy as np
import pytest

from keras_unbias.data import restricted_pickle


class Python2Pickler:
    """Writes arrays and dicts opcode by opcode, as Python 2 did.

    Its `str` opcodes, which Python 3 reads but cannot write, are the point.
    """

    def __init__(self, protocol):
        self.protocol = protocol

    def file(self, value):
        header = b"\x80\x02" if self.protocol == 2 else b""
        return header + self.write(value) + b"."

    def write(self, value):
        if value is None:
            return b"N"
        if isinstance(value, bool):
            old, new = (b"I01\n", b"\x88") if value else (b"I00\n", b"\x89")
            return new if self.protocol == 2 else old
        if isinstance(value, int):
            small = self.protocol > 0
            return b"J" + struct.pack("<i", value) if small else b"I%d\n" % value
        if isinstance(value, bytes):
            if self.protocol == 0:
                return b"S" + repr(value)[1:].encode() + b"\n"
            return b"T" + struct.pack("<i", len(value)) + value
        if isinstance(value, tuple):
            return b"(" + b"".join(map(self.write, value)) + b"t"
        if isinstance(value, list):
            return b"(" + b"".join(map(self.write, value)) + b"l"
        if isinstance(value, dict):
            items = [x for pair in value.items() for x in pair]
            return b"(" + b"".join(map(self.write, items)) + b"d"
        return self.array(value)

    def array(self, array):
        if array.dtype == object:
            dtype = self.dtype(b"O8", b"|", 63)
            content = array.ravel().tolist()
        else:
            order = array.dtype.str[:1].encode()
            dtype = self.dtype(array.dtype.str[1:].encode(), order, 0)
            content = array.tobytes()
        state = b"(" + self.write(1) + self.write(array.shape) + dtype
        state += self.write(False) + self.write(content) + b"t"
        made = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n"
        return made + self.write((0,)) + self.write(b"b") + b"tR" + state + b"b"

    def dtype(self, code, byte_order, flags):
        state = (3, byte_order, None, None, None, -1, -1, flags)
        made = b"cnumpy\ndtype\n" + self.write((code, 0, 1)) + b"R"
        return made + self.write(state) + b"b"


def npy(content, dtype="|O", version=1):
    """Wraps a pickle as np.save does."""
    text = f"{{'descr': {dtype!r}, 'fortran_order': False, 'shape': (), }}"
    header = text.encode().ljust(117) + b"\n"
    size = struct.pack("<H" if version == 1 else "<I", len(header))
    return b"\x93NUMPY" + bytes([version, 0]) + size + header + content


def make_dict(key=lambda name: name):
    return {
        key("image"): np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4),
        key("label"): np.array([3, -7], np.int64),
    }


def assert_is_dict(received):
    expected = make_dict()
    assert list(received) == list(expected)
    for key, array in expected.items():
        assert type(received[key]) is np.ndarray
        assert received[key].dtype == array.dtype
        np.testing.assert_array_equal(received[key], array)


def write(tmp_path, content, name="data.npy"):
    path = tmp_path / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("protocol", [0, 1, 2])
@pytest.mark.parametrize("wrap", [npy, bytes], ids=["npy", "plain"])
def test_files_of_python_2_load(tmp_path, protocol, wrap):
    values = np.array(make_dict(str.encode), object)
    content = Python2Pickler(protocol).file(values)
    # The fixture is what it claims to be: Python's own reader agrees.
    reference = pickle.loads(content, encoding="bytes")
    assert set(reference.item()) == {b"image", b"label"}
    assert_is_dict(restricted_pickle.load(write(tmp_path, wrap(content))))


@pytest.mark.parametrize("protocol", [0, 1, 2])
def test_files_of_python_3_for_python_2_load(tmp_path, protocol):
    values = np.array(make_dict(), object)
    content = pickle.dumps(values, protocol=protocol, fix_imports=True)
    assert b"_codecs\nencode" in content
    content = content.replace(b"numpy._core", b"numpy.core")
    assert_is_dict(restricted_pickle.load(write(tmp_path, npy(content))))


def test_files_of_np_save_load(tmp_path):
    path = tmp_path / "data.npy"
    np.save(path, make_dict(), allow_pickle=True)
    assert_is_dict(restricted_pickle.load(path))
    assert_is_dict(restricted_pickle.load(str(path)))


def test_a_version_2_header_is_read(tmp_path):
    content = pickle.dumps(make_dict(), protocol=4)
    path = write(tmp_path, npy(content, version=2))
    assert_is_dict(restricted_pickle.load(path))


@pytest.mark.parametrize("protocol", range(5))
@pytest.mark.parametrize(
    "array",
    [
        np.array([[True, False]]),
        np.array([1, 2**40], ">i8"),
        np.array(2.5, np.float16),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.array(["a", "käse"]),
        np.array([b"a", b"xyz"]),
    ],
    ids=lambda array: array.dtype.str,
)
def test_arrays_of_plain_memory_load(tmp_path, protocol, array):
    content = pickle.dumps([array], protocol=protocol)
    [received] = restricted_pickle.load(write(tmp_path, content))
    assert received.dtype == array.dtype
    np.testing.assert_array_equal(received, array)


@pytest.mark.parametrize("protocol", range(5))
def test_other_plain_values_load(tmp_path, protocol):
    values = {
        "ages": [np.float64(3.5), np.int64(-2), 2**70, None, True, 1.25],
        "paths": [b"01/a.jpg", "02/b.jpg"],
        (1, "x"): (np.bool_(True), np.str_("s"), np.bytes_(b"b")),
    }
    path = write(tmp_path, pickle.dumps(values, protocol=protocol))
    received = restricted_pickle.load(path)
    assert received == {
        "ages": [3.5, -2, 2**70, None, True, 1.25],
        "paths": ["01/a.jpg", "02/b.jpg"],
        (1, "x"): (True, "s", "b"),
    }
    assert type(received["ages"][1]) is int


def test_object_arrays_become_lists(tmp_path):
    path = tmp_path / "data.npy"
    np.save(path, np.array(["a", b"b", 3], object), allow_pickle=True)
    assert restricted_pickle.load(path) == ["a", "b", 3]


def test_files_without_a_pickle_load(tmp_path):
    path = tmp_path / "data.npy"
    np.save(path, np.array(["a.jpg", "b.jpg"]))
    np.testing.assert_array_equal(restricted_pickle.load(path), ["a.jpg", "b.jpg"])


def test_shared_values_stay_shared_at_no_cost(tmp_path):
    values = ["end"]
    for _ in range(60):  # 2 ** 60 values, were they copied
        values = [values, values]
    path = write(tmp_path, pickle.dumps(values))
    received = restricted_pickle.load(path)
    assert received[0] is received[1]


class MakesMarker:
    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("wrap", [npy, bytes], ids=["npy", "plain"])
def test_hostile_objects_are_refused_unexecuted(tmp_path, protocol, wrap):
    marker = tmp_path / "marker"
    hostile = {"image": [MakesMarker(marker)]}
    content = pickle.dumps(hostile, protocol=protocol)
    path = write(tmp_path, wrap(content))
    with pytest.raises(ValueError, match=rf"{path} is refused.*global \w+\.mkdir"):
        restricted_pickle.load(path)
    assert not marker.exists()
    # The file is dangerous indeed: Python's own reader obeys it.
    pickle.loads(content)
    assert marker.exists()


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("os", "system"),
        ("posix", "system"),
        ("builtins", "eval"),
        ("__builtin__", "getattr"),
        ("numpy", "load"),
        ("numpy.core.multiarray", "fromfile"),
        ("_codecs", "decode"),
    ],
)
def test_other_globals_are_refused(tmp_path, module, name):
    marker = tmp_path / "marker"
    command = f"touch {marker}"
    text = f"c{module}\n{name}\n(S'{command}'\ntR."
    path = write(tmp_path, text.encode())
    with pytest.raises(ValueError, match=f"the global {module}.{name}"):
        restricted_pickle.load(path)
    assert not marker.exists()


WRITER = Python2Pickler(1)
RECONSTRUCT = b"cnumpy.core.multiarray\n_reconstruct\n"
NDARRAY = b"cnumpy\nndarray\n"
EMPTY_ARRAY = RECONSTRUCT + b"(" + NDARRAY + WRITER.write((0,)) + b"U\x01btR"
BYTES = WRITER.dtype(b"u1", b"|", 0)
OBJECTS = WRITER.dtype(b"O8", b"|", 0)  # flags that claim plain memory


def array_state(shape, dtype, content):
    parts = (1, shape, dtype, False, content)
    written = (p if p is dtype else WRITER.write(p) for p in parts)
    return EMPTY_ARRAY + b"(" + b"".join(written) + b"tb."


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (array_state((8,), OBJECTS, b"\x41" * 8), "without its objects"),
        (array_state((2,), OBJECTS, [1]), "without its objects"),
        (array_state((1, 2), OBJECTS, [1, 2]), r"of shape \(1, 2\)"),
        (array_state((9,), BYTES, b"1234"), "its 9 bytes"),
        (array_state((10**9,), BYTES, b""), "its 1000000000 bytes"),
        (array_state((-1,), BYTES, b""), r"shape \(-1,\)"),
        (array_state((1,), b"N", b"1"), r"shape \(1,\)"),
        (EMPTY_ARRAY + b".", "without a state"),
        (
            RECONSTRUCT + b"(" + NDARRAY + WRITER.write((4,)) + b"U\x01btR.",
            "an array made from",
        ),
        (
            RECONSTRUCT + b"(cnumpy\ndtype\n" + WRITER.write((0,)) + b"U\x01btR.",
            "an array made from",
        ),
        (NDARRAY + WRITER.write((4,)) + b"R.", "a call of numpy.ndarray"),
        (NDARRAY + WRITER.write({b"x": 1}) + b"b.", "a state for numpy.nd"),
        (RECONSTRUCT + WRITER.write({b"x": 1}) + b"b.", "a state for _rec"),
        (NDARRAY + b".", "a value of type _Name"),
        (BYTES + b".", "a value of type _Dtype"),
        (WRITER.dtype(b"V8", b"|", 0) + b".", "the dtype 'V8'"),
        (WRITER.dtype(b"M8", b"<", 0) + b".", "the dtype 'M8'"),
        (WRITER.dtype(b"u1,O", b"|", 0) + b".", "the dtype 'u1,O'"),
        (WRITER.dtype(b"u1", b"?", 0) + b".", "the dtype state"),
        (b"cnumpy\ndtype\n" + WRITER.write((3,)) + b"R.", "3 in place of"),
        (
            b"cnumpy\ndtype\n(U\x02u1tR"
            + WRITER.write((3, b"|", (b"O", (2,)), None, None, -1, -1, 0))
            + b"b.",
            "the dtype state",
        ),
        (
            b"cnumpy.core.multiarray\nscalar\n(" + OBJECTS + b"U\x011tR.",
            "a scalar without",
        ),
        (b"c_codecs\nencode\n(V1\nVrot13\ntR.", "the codec 'rot13'"),
        (b"c_codecs\nencode\n(I1\nVlatin1\ntR.", "the codec 'latin1'"),
        (b"\x80\x04\x8f.", "the opcode EMPTY_SET"),
        (b"]q\x00h\x00a.", "a list that contains itself"),
        (b"}q\x00U\x01ah\x00s.", "a dict that contains itself"),
    ],
)
def test_abused_names_are_refused(tmp_path, content, message):
    path = write(tmp_path, content)
    with pytest.raises(ValueError, match=f"is refused.*{message}"):
        restricted_pickle.load(path)


def test_a_refusal_leaves_the_reader_as_it_was(tmp_path):
    content = RECONSTRUCT + b"(N}U\x0c__defaults__)stb."
    with pytest.raises(ValueError, match="a state for _reconstruct"):
        restricted_pickle.load(write(tmp_path, content))
    np.save(tmp_path / "data.npy", make_dict(), allow_pickle=True)
    assert_is_dict(restricted_pickle.load(tmp_path / "data.npy"))


@pytest.mark.parametrize("share", [0.0, 0.02, 0.3, 0.7, 0.99])
def test_truncated_files_are_refused(tmp_path, share):
    whole = npy(Python2Pickler(2).file(np.array(make_dict(str.encode), object)))
    path = write(tmp_path, whole[: int(share * len(whole))])
    with pytest.raises(ValueError, match=f"{path} cannot be read.*Fetch"):
        restricted_pickle.load(path)


def test_files_of_another_kind_are_refused(tmp_path):
    path = write(tmp_path, b"<!DOCTYPE html><html>Sign in</html>")
    with pytest.raises(ValueError, match="cannot be read"):
        restricted_pickle.load(path)


def test_foreign_npy_headers_are_refused(tmp_path):
    content = pickle.dumps(1)
    path = write(tmp_path, npy(content, version=3))
    with pytest.raises(ValueError, match=r"refused.*version \(3, 0\)"):
        restricted_pickle.load(path)
    path = write(tmp_path, npy(content, dtype=[("a", "|O")]))
    with pytest.raises(ValueError, match=r"refused.*instead of object"):
        restricted_pickle.load(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none.npy does not exist"):
        restricted_pickle.load(tmp_path / "none.npy")
