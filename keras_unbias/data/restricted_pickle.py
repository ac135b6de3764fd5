"""A reader of pickled NumPy files that does not execute what they name.

Published data are often `np.save` files of Python dicts and lists, written by
Python 2. `np.load(allow_pickle=True)` would execute whatever such a file asks
for. This reader gives the file inert stand-ins for the few NumPy names that it
needs. Not even NumPy's own `__setstate__`, which trusts its input, sees the
bytes of the file. Arrays and dicts are made at the end from checked values, so
that time and memory are bounded by the size of the file.
"""

import collections
import io
import math
import os
import pickle
import pickletools
import re
import reprlib
from pathlib import Path
from typing import ClassVar

import numpy as np

from keras_unbias.data import regular_file

# The published files have less than 200 MB.
LARGEST = 2**30
# Plain memory only: booleans, numbers and fixed-width strings.
PLAIN_DTYPE = re.compile(r"b1|[iu][1248]|f[248]|[SU][1-9]\d{0,6}")
OBJECT_DTYPE = re.compile(r"O[48]?")
# Values in a key, with all tuples in tuples, and keys that have the same hash.
MAX_KEY, MAX_EQUAL_HASHES = 100, 100
# What makes objects, hashes them, or refers to what is not in the file.
REFUSED_OPCODES = {
    *("PERSID", "BINPERSID", "EXT1", "EXT2", "EXT4", "INST", "OBJ", "NEWOBJ"),
    *("NEWOBJ_EX", "EMPTY_SET", "FROZENSET", "ADDITEMS", "BYTEARRAY8"),
    *("NEXT_BUFFER", "READONLY_BUFFER"),
}


def load(path: str | os.PathLike):
    """Loads a file of `np.save` or a plain pickle without executing it.

    Python 2 did not distinguish text from bytes. All strings are therefore
    returned as `str`, in Latin-1, which keeps every byte.

    Args:
        path: path of the file, the output of `np.save` for any object or a
            pickle of protocol 0 to 4.

    Returns:
        The content of the file, made of dict, list, tuple, str, int, float,
        bool, None and NumPy arrays of numbers, booleans or fixed-width
        strings. An object array becomes a list, one of shape `()` becomes its
        object.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is damaged, names anything that such a file
            does not need, or holds other values than those above.

    Example:

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as place:
    ...     np.save(f"{place}/ages.npy", {"nm1.jpg": 35}, allow_pickle=True)
    ...     load(f"{place}/ages.npy")
    {'nm1.jpg': 35}
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(
            f"{path} does not exist. Expected: a pickled NumPy file. "
            "Received: no such file. Correct the path."
        )
    try:
        file = io.BytesIO(regular_file.read(path, largest=LARGEST))
        if file.getvalue().startswith(np.lib.format.MAGIC_PREFIX):
            shape, dtype = _read_header(file)
            if not dtype.hasobject:
                return _read_array(file, shape, dtype)
        return _Plain().convert(_Unpickler(file, encoding="bytes").load())
    except _Refused as error:
        raise ValueError(
            f"{path} is refused, and nothing in it was executed. Expected: plain "
            f"arrays, numbers, strings, lists and dicts. Received: {error}. If you "
            "trust the file, load it with NumPy and save its arrays again."
        ) from error
    # Damaged pickles raise many kinds of errors, which Python does not list.
    except Exception as error:
        raise ValueError(
            f"{path} cannot be read. Expected: a complete pickled NumPy "
            f"file. Received: {short(error)}. Fetch the file again."
        ) from error


class _Refused(ValueError):
    """Raised when the file asks for what is not allowed."""


def _read_header(file):
    version = np.lib.format.read_magic(file)
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    if version not in readers:
        raise _Refused(f"npy version {version} instead of (1, 0) or (2, 0)")
    shape, _, dtype = readers[version](file)
    if dtype != np.dtype(object) and dtype.kind not in "biufcSU":
        raise _Refused(f"an npy header of dtype {short(dtype)} instead of object")
    if not dtype.itemsize:
        # Without bytes, any number of them fits into any file.
        raise _Refused("strings of no characters")
    return shape, dtype


def _read_array(file, shape, dtype):
    expected = math.prod(shape) * dtype.itemsize
    received = len(file.getvalue()) - file.tell()
    if received != expected:
        raise ValueError(f"{received} bytes for an array of {expected} bytes")
    file.seek(0)
    return np.load(file, allow_pickle=False)


class _Unpickler(pickle._Unpickler):
    # That in C makes room for the largest number of its memo, and hashes the
    # keys of a dict at once.
    dispatch: ClassVar = dict(pickle._Unpickler.dispatch)

    def find_class(self, module, name):
        if (module, name) not in GLOBALS:
            raise _Refused(f"the global {module[:100]}.{name[:100]}")
        return GLOBALS[module, name]

    def load_empty_dict(self):
        self.append(_Dict())

    def load_dict(self):
        items, made = self.pop_mark(), _Dict()
        for number in range(0, len(items), 2):
            made[items[number]] = items[number + 1]
        self.append(made)

    dispatch[pickle.EMPTY_DICT[0]] = load_empty_dict
    dispatch[pickle.DICT[0]] = load_dict


def _refusal(opcode):
    def refuse(unpickler):
        raise _Refused(f"the opcode {opcode}")

    return refuse


for _opcode in pickletools.opcodes:
    if _opcode.name in REFUSED_OPCODES:
        _Unpickler.dispatch[ord(_opcode.code)] = _refusal(_opcode.name)


class _Name:
    """Stands in for a name in the file, which may be called at most.

    It is an instance because a pickle can set attributes of functions and
    classes.
    """

    __slots__ = ("_call", "_name")

    def __init__(self, name, call=None):
        self._name, self._call = name, call

    def __call__(self, *arguments):
        if self._call is None:
            raise _Refused(f"a call of {self._name}{short(arguments)}")
        return self._call(*arguments)

    def __setstate__(self, state):
        raise _Refused(f"a state for {self._name}")


class _Dtype:
    """Stands in for `numpy.dtype` while the file is read."""

    __slots__ = ("_byte_order", "_code")

    def __init__(self, code, align=False, copy=True):
        code = _text(code)
        if not (PLAIN_DTYPE.fullmatch(code) or OBJECT_DTYPE.fullmatch(code)):
            raise _Refused(f"the dtype {short(code)}")
        self._code, self._byte_order = code, "|"

    def __setstate__(self, state):
        version, byte_order, subarray, names, fields = state[:5]
        byte_order = _text(byte_order)
        known = version in (3, 4) and byte_order in tuple("<>|=")
        if not known or (subarray, names, fields) != (None, None, None):
            raise _Refused(f"the dtype state {short(state)}")
        self._byte_order = byte_order

    @property
    def is_object(self):
        return self._code.startswith("O")

    def to_numpy(self):
        return np.dtype(self._byte_order + self._code)


class _Array:
    """Stands in for `numpy.ndarray` while the file is read."""

    __slots__ = ("content", "shape")

    def __setstate__(self, state):
        _, shape, dtype, fortran_order, content = state
        if type(dtype) is not _Dtype or not _is_shape(shape):
            raise _Refused(f"an array of shape {short(shape)}")
        self.shape = shape
        if dtype.is_object:
            if type(content) is not list or len(content) != math.prod(shape):
                raise _Refused("an object array without its objects")
            self.content = content
        else:
            order = "F" if fortran_order else "C"
            array = _from_bytes(content, dtype, math.prod(shape))
            self.content = array.reshape(shape, order=order)


class _Dict:
    """Stands in for a dict while the file is read.

    Keys are hashed at the end. The hash of a tuple that holds another one
    twice, and so on, takes for ever, that of a deep one exhausts the stack.
    """

    __slots__ = ("pairs",)

    def __init__(self):
        self.pairs = []

    def __setitem__(self, key, value):
        self.pairs.append((key, value))

    def __setstate__(self, state):
        raise _Refused("a state for a dict")


class _Plain:
    """Turns stand-ins into arrays and refuses all but plain values."""

    _OPEN = object()

    def __init__(self):
        # By identity, so that shared values stay shared, nested sharing does
        # not take exponential time, and cycles are found.
        self._done = {}

    def convert(self, value):
        kind = type(value)
        if value is None or kind in (bool, int, float, str):
            return value
        if kind is bytes:
            return value.decode("latin1")
        if kind not in (_Dict, list, tuple, _Array):
            raise _Refused(f"a value of type {kind.__name__}")
        key = id(value)
        if key not in self._done:
            self._done[key] = self._OPEN
            self._done[key] = self._container(kind, value)
        if self._done[key] is self._OPEN:
            raise _Refused(f"a {kind.__name__.strip('_').lower()} that contains itself")
        return self._done[key]

    def _container(self, kind, value):
        if kind is _Dict:
            return self._dict(value.pairs)
        if kind is not _Array:
            return kind(self.convert(item) for item in value)
        if not hasattr(value, "content"):
            raise _Refused("an array without a state")
        if isinstance(value.content, np.ndarray):
            return value.content
        if len(value.shape) > 1:
            raise _Refused(f"an object array of shape {value.shape}")
        items = [self.convert(item) for item in value.content]
        return items if value.shape else items[0]

    def _dict(self, pairs):
        keys = [self.convert(key) for key, _ in pairs]
        if any(_size(key) > MAX_KEY for key in keys):
            raise _Refused(f"a dict with a key of more than {MAX_KEY} values")
        # Each is compared with each.
        hashes = collections.Counter(map(hash, keys))
        if max(hashes.values(), default=0) > MAX_EQUAL_HASHES:
            raise _Refused(f"a dict with over {MAX_EQUAL_HASHES} keys of one hash")
        made = {
            key: self.convert(value)
            for key, (_, value) in zip(keys, pairs, strict=True)
        }
        if len(made) < len(keys):
            raise _Refused("a dict that has a key twice")
        return made


def _size(key, most=MAX_KEY):
    """Counts the values in tuples, up to a few more than `most`."""
    if type(key) is not tuple:
        return 1
    size = 1
    for value in key:
        if size > most:
            break
        size += _size(value, most - size)
    return size


def _reconstruct(subtype, shape, type_code):
    if subtype is not NDARRAY or shape != (0,) or _text(type_code) != "b":
        raise _Refused(f"an array made from {short((shape, type_code))}")
    return _Array()


def _scalar(dtype, content):
    if type(dtype) is not _Dtype or dtype.is_object:
        raise _Refused("a scalar without a plain dtype")
    return _from_bytes(content, dtype, 1)[0].item()


def _encode(text, encoding):
    # Other codecs process the text with code that may be costly.
    if type(text) is not str or _text(encoding) not in ("latin1", "latin-1"):
        raise _Refused(f"the codec {short(encoding)}")
    return text.encode("latin1")


def _from_bytes(content, dtype, count):
    dtype = dtype.to_numpy()
    size = count * dtype.itemsize
    if type(content) is not bytes or len(content) != size:
        raise _Refused(f"array memory that does not have its {size} bytes")
    return np.frombuffer(content, dtype)


def _is_shape(shape):
    return (
        type(shape) is tuple
        and len(shape) <= 32
        and all(type(size) is int and 0 <= size < 2**63 for size in shape)
    )


def short(value):
    """Shows a value or an error of the file by its beginning."""
    form = reprlib.Repr()
    form.maxlevel, form.maxother = 2, 200
    return form.repr(value)


def _text(value):
    if type(value) not in (bytes, str):
        raise _Refused(f"{short(value)} in place of a string")
    return value.decode("latin1") if type(value) is bytes else value


NDARRAY = _Name("numpy.ndarray")
RECONSTRUCT = _Name("_reconstruct", _reconstruct)
SCALAR = _Name("scalar", _scalar)
# NumPy 2 renamed numpy.core. In the protocols of Python 2, Python 3 writes
# bytes with _codecs.encode, and empty ones with bytes().
GLOBALS = {
    ("numpy", "ndarray"): NDARRAY,
    ("numpy", "dtype"): _Name("numpy.dtype", _Dtype),
    ("numpy.core.multiarray", "_reconstruct"): RECONSTRUCT,
    ("numpy._core.multiarray", "_reconstruct"): RECONSTRUCT,
    ("numpy.core.multiarray", "scalar"): SCALAR,
    ("numpy._core.multiarray", "scalar"): SCALAR,
    ("_codecs", "encode"): _Name("_codecs.encode", _encode),
    ("__builtin__", "bytes"): _Name("bytes", lambda: b""),
}
