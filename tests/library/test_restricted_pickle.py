"""Pickled files: honest ones are read, hostile ones are refused."""

import os
import pickle
import pickletools
import struct

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

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


WRITER = Python2Pickler(1)
RECONSTRUCT = b"cnumpy.core.multiarray\n_reconstruct\n"
NDARRAY = b"cnumpy\nndarray\n"
EMPTY_ARRAY = RECONSTRUCT + b"(" + NDARRAY + WRITER.write((0,)) + b"U\x01btR"
BYTES = WRITER.dtype(b"u1", b"|", 0)
OBJECTS = WRITER.dtype(b"O8", b"|", 0)  # flags that claim plain memory
WRITE_LONG = b"\x8a\x0f"
# A tuple that holds one twice that holds one twice ... , and one as deep.
SHARED = b")" + b"2\x86" * 60
DEEP = b")" + b"\x85" * 20_000
EQUAL_HASHES = b"".join(
    WRITE_LONG + (number * (2**61 - 1)).to_bytes(15, "little") + b"N"
    for number in range(1, 20_000)
)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"}" + SHARED + b"Ns.", "a key of more than 100 values"),
        (b"(" + SHARED + b"Nd.", "a key of more than 100 values"),
        (b"}(" + SHARED + b"Nu.", "a key of more than 100 values"),
        (b"}" + DEEP + b"Ns.", "RecursionError"),
        (b"]" * 20_000 + b"a" * 19_999 + b".", "RecursionError"),
        (b"\x80\x04(" + SHARED + b"\x91.", "the opcode FROZENSET"),
        (b"\x80\x04\x8f(" + SHARED + b"\x90.", "the opcode EMPTY_SET"),
        (b"}(" + EQUAL_HASHES + b"u.", "over 100 keys of one hash"),
        (b"}(U\x01aNX\x01\x00\x00\x00aNu.", "a key twice"),
        (b"}N}U\x05pairsNs\x86b.", "a state for a dict"),
        (b"cnumpy\nndarray\n" + SHARED + b"R.", "a call of numpy.ndarray"),
        (b"\x80\x04\x8e" + struct.pack("<Q", 2**40) + b"x.", "EOFError"),
        (b"\x80\x05\x96" + struct.pack("<Q", 2**40) + b"x.", "opcode BYTEARRAY8"),
        (b"\x8b" + struct.pack("<i", 2**31 - 1) + b"x.", "EOFError"),
        (b"I" + b"9" * 10_000 + b"\n.", "Exceeds the limit"),
        (b"\x82\x01.", "the opcode EXT1"),
        (b"cnumpy\nndarray\n)\x81.", "the opcode NEWOBJ"),
        (b"(inumpy\ndtype\n.", "the opcode INST"),
        (b"Px\n.", "the opcode PERSID"),
    ],
)
def test_little_is_done_before_a_file_is_trusted(tmp_path, content, message):
    path = write(tmp_path, content)
    with pytest.raises(ValueError, match=f"{path} (is refused|cannot).*{message}"):
        restricted_pickle.load(path)


def test_a_memo_number_asks_for_no_memory(tmp_path):
    # Python's reader in C makes room for 2 ** 32 values here.
    path = write(tmp_path, b"]r\xff\xff\xff\xff0j\xff\xff\xff\xff.")
    assert restricted_pickle.load(path) == []


def test_tuples_may_be_keys(tmp_path):
    value = {((1, 2), "a"): 1, (): 2, ((1, 2), "b"): 3}
    path = write(tmp_path, pickle.dumps(value))
    assert restricted_pickle.load(path) == value


@pytest.mark.parametrize(
    ("dtype", "shape", "rest", "message"),
    [
        ("|u1", (2**40,), b"", f"0 bytes for an array of {2**40} bytes"),
        ("|u1", (2**32, 2**32), b"", f"0 bytes for an array of {2**64} bytes"),
        ("|S2147483647", (1,), b"", "0 bytes for an array"),
        ("|u1", (-1,), b"", "0 bytes for an array of -1 bytes"),
        ("<i8", (2,), bytes(17), "17 bytes for an array of 16 bytes"),
        ("<i8", (2,), bytes(15), "15 bytes for an array of 16 bytes"),
        ("|V4", (1,), bytes(4), r"dtype\('V4'\) instead of object"),
        ("<M8[s]", (1,), bytes(8), r"dtype\('<M8\[s\]'\) instead of object"),
    ],
)
def test_the_size_of_an_array_is_checked_first(tmp_path, dtype, shape, rest, message):
    text = f"{{'descr': {dtype!r}, 'fortran_order': False, 'shape': {shape}, }}\n"
    header = struct.pack("<H", len(text)) + text.encode()
    path = write(tmp_path, b"\x93NUMPY\x01\x00" + header + rest)
    with pytest.raises(ValueError, match=f"{path} (is refused|cannot).*{message}"):
        restricted_pickle.load(path)


@pytest.mark.parametrize("text", ["-" * 9900 + "1", "[" * 9900, "1" + "+1" * 4900])
def test_headers_that_exhaust_the_parser_are_refused(tmp_path, text):
    content = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()
    with pytest.raises(ValueError, match="cannot be read"):
        restricted_pickle.load(write(tmp_path, content))


def test_only_regular_files_of_a_possible_size_are_read(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe.npy")
    with pytest.raises(ValueError, match="pipe.npy cannot.*not a regular file"):
        restricted_pickle.load(tmp_path / "pipe.npy")
    with pytest.raises(ValueError, match="cannot be read.*not a regular file"):
        restricted_pickle.load(tmp_path)
    monkeypatch.setattr(restricted_pickle, "LARGEST", 100)
    with pytest.raises(ValueError, match="101 bytes, more than 100"):
        restricted_pickle.load(write(tmp_path, bytes(101)))


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
SCALARS |= st.binary(max_size=20)
VALUES = st.recursive(
    SCALARS,
    lambda v: st.lists(v) | st.dictionaries(SCALARS, v) | st.tuples(v, v),
    max_leaves=20,
)
PICKLES = st.builds(pickle.dumps, VALUES, protocol=st.integers(0, 4))
OPCODES = st.lists(
    st.sampled_from([op.code.encode("latin1") for op in pickletools.opcodes])
    | st.sampled_from([b"2\x86", b"q\x00", b"h\x00", b"K\x01", b"U\x01a", b"}(", b"u"])
    | st.sampled_from([NDARRAY, RECONSTRUCT, EMPTY_ARRAY, BYTES, OBJECTS])
    | st.binary(max_size=4),
    max_size=60,
).map(lambda parts: b"".join(parts) + b".")


@st.composite
def damaged_pickles(draw):
    content = bytearray(draw(PICKLES | st.just(pickle.dumps(make_dict(), protocol=2))))
    for _ in range(draw(st.integers(1, 4))):
        content[draw(st.integers(0, len(content) - 1))] = draw(st.integers(0, 255))
    return bytes(content)


def assert_plain(value):
    if isinstance(value, dict):
        assert_plain([*value.keys(), *value.values()])
    elif isinstance(value, list | tuple):
        for item in value:
            assert_plain(item)
    elif isinstance(value, np.ndarray):
        assert value.dtype.kind in "biufcSU"
    else:
        assert value is None or type(value) in (bool, int, float, str)


@pytest.mark.filterwarnings("ignore:invalid escape:DeprecationWarning")
@settings(
    deadline=5000,
    max_examples=100,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(content=st.binary() | OPCODES | damaged_pickles(), wrapped=st.booleans())
def test_any_bytes_end_in_plain_values_or_the_error(tmp_path, content, wrapped):
    path = write(tmp_path, npy(content) if wrapped else content)
    try:
        value = restricted_pickle.load(path)
    except ValueError as error:
        assert f"{path} is refused" in str(error) or f"{path} cannot" in str(error)
    else:
        assert_plain(value)


def twice_as_a_key(value):
    """Whether bytes and text that are equal in Latin-1 are keys of one dict."""
    if isinstance(value, list | tuple):
        return any(map(twice_as_a_key, value))
    if not isinstance(value, dict):
        return False
    texts = [k.decode("latin1") if isinstance(k, bytes) else k for k in value]
    return len(set(texts)) < len(texts) or twice_as_a_key(list(value.values()))


def as_text(value):
    if isinstance(value, bytes):
        return value.decode("latin1")
    if isinstance(value, dict):
        return {as_text(key): as_text(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(as_text, value))
    return value


@settings(
    deadline=5000,
    max_examples=50,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(value=VALUES, protocol=st.integers(0, 4))
def test_any_plain_value_is_read(tmp_path, value, protocol):
    assume(not twice_as_a_key(value))
    path = write(tmp_path, pickle.dumps(value, protocol=protocol))
    # NaN differs from itself.
    assert repr(restricted_pickle.load(path)) == repr(as_text(value))


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


@pytest.mark.parametrize("dtype", ["<U0", "|S0"])
def test_strings_of_no_characters_are_refused(tmp_path, dtype):
    """They would be any number of objects in a file of a hundred bytes."""
    header = {"descr": dtype, "fortran_order": False, "shape": (10**11,)}
    with open(tmp_path / "many.npy", "wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
    with pytest.raises(ValueError, match="strings of no characters"):
        restricted_pickle.load(tmp_path / "many.npy")
