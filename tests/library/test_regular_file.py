"""Regular files of a bounded size, and what is none."""

import os
import socket

import pytest

from keras_unbias.data import regular_file


def test_a_file_is_read_up_to_its_largest_size(tmp_path):
    path, link = tmp_path / "file", tmp_path / "link"
    path.write_bytes(b"12345")
    link.symlink_to(path)
    for name in (path, str(path), os.fsencode(path), link):
        assert regular_file.read(name, largest=5) == b"12345"
    with pytest.raises(OSError, match="5 bytes, more than 4"):
        regular_file.read(path, largest=4)


def test_a_sparse_file_asks_for_no_memory(tmp_path):
    with open(tmp_path / "file", "wb") as file:
        file.truncate(2**42)
    with pytest.raises(OSError, match=f"{2**42} bytes"):
        regular_file.read(tmp_path / "file", largest=100)


def test_other_files_are_refused_unopened(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        for path in ("pipe", "link", "socket", ".", "/dev/zero"):
            with pytest.raises(OSError, match="not a regular file"):
                regular_file.read(tmp_path / path, largest=100)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="none"):
        regular_file.read(tmp_path / "none", largest=100)
