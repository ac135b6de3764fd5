"""A reader of pickled NumPy files that does not execute what they name.

Published data are often `np.save` files of Python dicts and lists, written by
Python 2. `np.load(allow_pickle=True)` would execute whatever such a file asks
for. This reader gives the file inert stand-ins for the few NumPy names that it
needs. Not even NumPy's own `__setstate__`, which trusts its input, sees the
bytes of the file. Arrays are made at the end from checked values.
"""

import math
import os
import pickle
import re
from pathlib import Path
from reprlib import repr as short

import numpy as np

# Plain memory only: booleans, numbers and fixed-width strings.
PLAIN_DTYPE = re.compile(r"b1|[iu][1248]|f[248]|[SU][1-9]\d{0,6}")
OBJECT_DTYPE = re.compile(r"O[48]?")


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
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} does not exist. Expected: a pickled NumPy file. "
            "Received: no such file. Correct the path."
        )
    try:
        with path.open("rb") as file:
            magic = file.read(np.lib.format.MAGIC_LEN)
            file.seek(0)
            is_npy = magic.startswith(np.lib.format.MAGIC_PREFIX)
            if is_npy and not _read_header_dtype(file).hasobject:
                return np.load(path, allow_pickle=False)
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
            f"file. Received: {error!r}. Fetch the file again."
        ) from error


class _Refused(ValueError):
    """Raised when the file asks for what is not allowed."""


def _read_header_dtype(file):
    version = np.lib.format.read_magic(file)
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    if version not in readers:
        raise _Refused(f"npy version {version} instead of (1, 0) or (2, 0)")
    dtype = readers[version](file)[2]
    if dtype.hasobject and dtype != np.dtype(object):
        raise _Refused(f"an npy header of dtype {dtype} instead of object")
    return dtype


class _Unpickler(pickle.Unpickler):
    def find_class(self, module, name):
        if (module, name) not in GLOBALS:
            raise _Refused(f"the global {module}.{name}")
        return GLOBALS[module, name]


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
        if kind not in (dict, list, tuple, _Array):
            raise _Refused(f"a value of type {kind.__name__}")
        key = id(value)
        if key not in self._done:
            self._done[key] = self._OPEN
            self._done[key] = self._container(kind, value)
        if self._done[key] is self._OPEN:
            raise _Refused(f"a {kind.__name__} that contains itself")
        return self._done[key]

    def _container(self, kind, value):
        if kind is dict:
            return {self.convert(k): self.convert(v) for k, v in value.items()}
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
        and all(type(size) is int and size >= 0 for size in shape)
    )


def _text(value):
    if type(value) not in (bytes, str):
        raise _Refused(f"{short(value)} in place of a string")
    return value.decode("latin1") if type(value) is bytes else value


NDARRAY = _Name("numpy.ndarray")
RECONSTRUCT = _Name("_reconstruct", _reconstruct)
SCALAR = _Name("scalar", _scalar)
# NumPy 2 renamed numpy.core. In the protocols of Python 2, Python 3 writes
# bytes with _codecs.encode.
GLOBALS = {
    ("numpy", "ndarray"): NDARRAY,
    ("numpy", "dtype"): _Name("numpy.dtype", _Dtype),
    ("numpy.core.multiarray", "_reconstruct"): RECONSTRUCT,
    ("numpy._core.multiarray", "_reconstruct"): RECONSTRUCT,
    ("numpy.core.multiarray", "scalar"): SCALAR,
    ("numpy._core.multiarray", "scalar"): SCALAR,
    ("_codecs", "encode"): _Name("_codecs.encode", _encode),
}
