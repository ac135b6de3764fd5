"""Records: the results of runs, written, read and checked.

A run writes `record.json` into its directory, `<runs>/<data set>/<id>/`.
Released records are lines of `<records>/<data set>.jsonl`, sorted by id. Both
hold the same JSON object. Files are written to a temporary name and renamed,
so that a reader sees all of a file or nothing. No TensorFlow is needed.
"""

import json
import os
import pathlib
import tempfile
from collections.abc import Iterable
from typing import Any

from reproduce.experiment import settings as _settings
from reproduce.experiment.record import SCHEMA, Record, finite

RELEASED = pathlib.Path(__file__).resolve().parents[1] / "records"


def write(record: Record, path: str | os.PathLike) -> None:
    """Writes the record of a run, in one step."""
    write_json(path, record.to_json())


def read(path: str | os.PathLike) -> Record:
    """Reads the record of a run.

    Args:
        path: path of a `record.json`.

    Raises:
        ValueError: if the file is damaged, of another version, or a value in
            it is wrong, or if it is not the record of this run's directory.
    """
    path = pathlib.Path(path)
    record = parse(read_json(path), path)
    if path.name == "record.json":
        own = {"id": record.id, "data set": record.settings.data.name}
        folders = path.absolute().parents
        for (kind, name), folder in zip(own.items(), folders, strict=False):
            if name != folder.name:
                raise ValueError(
                    f"{path} is the record of another run. Expected: the {kind} "
                    f"{folder.name}, as in the name of its directory. Received: "
                    f"{name}. Move the file away to run this cell again."
                )
    return record


def read_all(directory: str | os.PathLike, dataset: str | None = None) -> list[Record]:
    """Reads all records below a directory: those of runs and released ones.

    Args:
        directory: an output directory of runs, or a directory of `.jsonl`
            files.
        dataset: name of a data set to read alone. Defaults to `None`, all.

    Returns:
        List of `Record`, sorted by data set and id.

    Raises:
        FileNotFoundError: if there is no such directory.
        ValueError: if a record is damaged, or there are two of one run.
    """
    directory = pathlib.Path(directory)
    if not os.path.isdir(directory) or not os.access(directory, os.R_OK | os.X_OK):
        raise FileNotFoundError(
            "Records are read from a directory. Expected: the output "
            "directory of a sweep, or reproduce/records. Received: "
            f"{directory}, which is not a directory, or not readable. Name another, "
            "or run the sweep first."
        )
    name = dataset or "*"
    found: dict[str, tuple[Record, str]] = {}
    runs = sorted(directory.glob(f"{name}/*/record.json"))
    for record, place in [
        *_released(directory.glob(f"{name}.jsonl")),
        *((read(path), str(path)) for path in runs),
    ]:
        _, other = found.setdefault(record.id, (record, place))
        if other != place:
            raise ValueError(
                f"Two records are of one run. Expected: one per id. Received: "
                f"{record.id} in {other} and in {place}. Move one of them away."
            )
    chosen = [record for record, _ in found.values()]
    return sorted(chosen, key=lambda r: (r.settings.data.name, r.id))


def release(
    records: Iterable[Record],
    directory: str | os.PathLike = RELEASED,
    *,
    replace: bool = False,
) -> list[Record]:
    """Adds records to the released ones of a directory.

    Args:
        records: records of finished runs.
        directory: where to. Defaults to `reproduce/records`.
        replace: whether new records take the place of released ones of the
            same runs. Defaults to `False`: those stay.

    Returns:
        List of the records that were added or replaced.
    """
    directory = pathlib.Path(directory)
    by_dataset: dict[str, dict[str, Record]] = {}
    for record in records:
        by_dataset.setdefault(record.settings.data.name, {})[record.id] = record
    added = []
    for dataset, new in by_dataset.items():
        path = directory / f"{dataset}.jsonl"
        kept = {r.id: r for r, _ in _released([path] if path.exists() else [])}
        added += [r for r in new.values() if replace or r.id not in kept]
        merged = {**kept, **new} if replace else {**new, **kept}
        lines = (merged[id].to_json() for id in sorted(merged))
        dumped = [json.dumps(line, ensure_ascii=False) + "\n" for line in lines]
        write_text(path, "".join(dumped))
    return added


def parse(content: Any, place: str | os.PathLike) -> Record:
    """Makes a record of JSON values.

    Args:
        content: JSON values, as `Record.to_json` returns them.
        place: where they stand, for errors.

    Returns:
        The `Record`.

    Raises:
        ValueError: if they are no record of this version, if a value is
            wrong, or if the id is not that of the settings.
    """
    schema = content.get("schema") if isinstance(content, dict) else None
    if schema != SCHEMA or isinstance(schema, float):
        raise ValueError(
            f"{place} is not a record of this version. Expected: schema="
            f"{SCHEMA}. Received: schema={_settings.shorten(schema)}. Use the version "
            "that wrote it, or move it away to run this cell again."
        )
    values = {k: v for k, v in content.items() if k not in ("schema", "id")}
    try:
        found = _settings.from_json(values.pop("settings", None))
        record = _settings.construct(Record, settings=found, **values)
        _check_writable_again(values)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{place} is not a valid record. {error} Move it away to run this cell "
            "again."
        ) from error
    if content.get("id") != record.id:
        raise ValueError(
            f"{place} is not the record of its settings. Expected: the id "
            f"{record.id}, computed from them. Received: id="
            f"{_settings.shorten(content.get('id'))}. Move it away to run this cell "
            "again."
        )
    return record


def read_json(path: str | os.PathLike) -> Any:
    """Reads a JSON file, with an error that names it."""
    return _decoded(_read_bytes(path), path)


def write_json(path: str | os.PathLike, value: Any) -> None:
    """Writes JSON in one step, as `write_text` does."""
    write_text(path, json.dumps(finite(value), indent=1) + "\n")


def write_text(path: str | os.PathLike, text: str) -> None:
    """Writes a text file in one step, as `write_bytes` does."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: str | os.PathLike, content: bytes) -> None:
    """Writes to a temporary name beside `path` and renames it."""
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(content)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def check_writable(directory: str | os.PathLike) -> None:
    """Checks that files can be written into a directory, without a trace.

    Args:
        directory: path of the directory. If it does not exist, the one that it
            would be made in is checked.

    Raises:
        PermissionError: if they cannot.
    """
    path = pathlib.Path(directory).absolute()
    try:
        # A link to nowhere is in the way.
        there = (p for p in (path, *path.parents) if p.exists() or p.is_symlink())
        with tempfile.TemporaryFile(dir=next(there)):
            pass
    except OSError as error:
        raise PermissionError(
            f"The output directory cannot be written: {error}. Expected: a directory "
            f"of yours, or a new one. Received: {directory}. Choose another."
        ) from error


def _released(paths):
    """Pairs of a record and its place, of the lines of `.jsonl` files."""
    pairs = []
    for path in sorted(paths):
        for number, line in enumerate(_read_bytes(path).splitlines(), 1):
            place = f"{path}, line {number}"
            record = parse(_decoded(line, place), place)
            if record.settings.data.name != path.stem:
                raise ValueError(
                    f"{place} is a record of other data. Expected: "
                    f"{path.stem}, as in the name of the file. Received: "
                    f"{record.settings.data.name}. Move the line."
                )
            pairs.append((record, place))
    return pairs


def _read_bytes(path):
    # A pipe or a device would be read without end.
    if not os.path.isfile(path) or not os.access(path, os.R_OK):
        raise FileNotFoundError(
            f"Records and facts are read from files. Expected: a file. Received: "
            f"{path}, which is none, or not readable. Restore it, or move it away."
        )
    return pathlib.Path(path).read_bytes()


def _decoded(text, place):
    try:
        return json.loads(text, object_pairs_hook=_distinct)
    # Neither JSON nor even text, or nested without end.
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"{place} is not JSON ({error}). Expected: what a run wrote. Received: "
            "damaged text. Restore it, or move it away to run this cell again."
        ) from error


def _distinct(pairs):
    """An object of JSON, whose last value of a name hides no other."""
    values = dict(pairs)
    if len(values) < len(pairs):
        raise ValueError(f"a name stands twice in {[name for name, _ in pairs]}")
    return values


def _check_writable_again(values):
    # Facts that only a loader knows are of any type.
    try:
        json.dumps(values, allow_nan=False, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise ValueError(
            "A value cannot be written as JSON. Expected: finite numbers, text, and "
            f"lists and objects of them. Received: {error}."
        ) from error
