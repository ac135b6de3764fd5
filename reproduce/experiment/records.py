"""What a run is: its config, its directory, its record. No TensorFlow here.

A run is identified by what changes its result: data set, method, settings
and seed; never by paths, jobs or dates. Its record is written to a temporary
name and renamed, so that `record.json` is there exactly when the run is done.
"""

import dataclasses
import hashlib
import json
import math
import os
import pathlib
import re
import tempfile

SCHEMA = 1
STATUSES = ("done", "diverged")
RUN_ID_END = re.compile(r"-[0-9a-f]{10}$")


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """One cell of one table, for one seed.

    Args:
        dataset: name in `keras_unbias.datasets.DATASETS`.
        method: name in `keras_unbias.methods.METHODS` or
            `keras_unbias.baselines.SETTINGS`.
        row: the table row that the run belongs to, for people.
        profile: the profile that its settings come from, for people.
        seed: int, of the data's colours, the weights and all random orders.
        settings: dict of JSON values, everything that changes the result.
    """

    dataset: str
    method: str
    row: str
    profile: str
    seed: int
    settings: dict

    @property
    def run_id(self):
        """Readable prefix and the hash of what changes the result.

        Profile and row are in the prefix, so that a run of another name is
        looked for in another place.
        """
        identity = json.dumps(
            [self.dataset, self.method, self.seed, self.settings],
            sort_keys=True,
        )
        digest = hashlib.sha256(identity.encode()).hexdigest()[:10]
        prefix = f"{self.profile}-{self.row}-seed{self.seed}".lower()
        return f"{re.sub(r'[^a-z0-9]+', '-', prefix).strip('-')}-{digest}"

    def directory(self, output_dir):
        """Where the run keeps its files, below `output_dir`."""
        return (
            pathlib.Path(output_dir) / self.dataset / self.method / self.run_id
        )


@dataclasses.dataclass(frozen=True)
class Record:
    """The result of one run, as `record.json` holds it.

    Args:
        config: the `RunConfig`.
        status: `"done"` or `"diverged"`.
        metrics: dict of final values.
        data: dict, the facts of the data set.
        history: dict of lists, one value an epoch, or one a report
            (`epochs_per_report` epochs).
        environment: dict of versions, device, precision, threads, commit;
            those of the last attempt.
        wall_seconds: float, of its epochs and of its last attempt's rest.
        audit: dict, what a finished representation still tells: information
            in nats, and areas under a probe's ROC curve.
        reason: why the run diverged; empty when it is done.
    """

    config: RunConfig
    status: str
    metrics: dict
    data: dict
    history: dict
    environment: dict
    wall_seconds: float
    audit: dict = dataclasses.field(default_factory=dict)
    reason: str = ""

    def write(self, path):
        """Writes the record in one step: a reader sees all or nothing."""
        write_json(path, {"schema": SCHEMA, **dataclasses.asdict(self)})


def write_json(path, value):
    """Writes JSON in one step, as `write_text` does."""
    write_text(path, json.dumps(_finite(value), indent=1) + "\n")


def _finite(value):
    """NaN and infinity are no JSON: they become null."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def write_text(path, text):
    """Writes text as `write_bytes` does."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path, content):
    """Writes to a temporary name beside `path` and renames it."""
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(content)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def read_json(path):
    """Reads a JSON file, with an error that names it."""
    try:
        return json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    except ValueError as error:  # Not JSON, or not even text.
        raise ValueError(
            f"{path} is not JSON ({error}). Expected: a file written by "
            "keras_unbias. Received: damaged text. Move it away to run this "
            "cell again."
        ) from error


def read_record(path):
    """Reads a record.

    Args:
        path: path of a `record.json`.

    Returns:
        A `Record`.

    Raises:
        ValueError: the file is damaged, of another schema version, or lacks
            a key.
    """
    value = read_json(path)
    schema = value.pop("schema", None) if isinstance(value, dict) else None
    if schema != SCHEMA:
        raise ValueError(
            f"{path} is no record of this version. Expected: schema="
            f"{SCHEMA}. Received: schema={schema}. Use the keras_unbias "
            "that wrote it, or move it away to run this cell again."
        )
    try:
        config = RunConfig(**value["config"])
        record = Record(**{**value, "config": config})
    except (KeyError, TypeError) as error:
        raise ValueError(
            f"{path} lacks or exceeds the keys of a record ({error}). "
            "Expected: the keys of `keras_unbias.runs.Record`. Received: "
            f"{sorted(value)}. Move it away to run this cell again."
        ) from error
    if record.status not in STATUSES:
        raise ValueError(
            f"{path} has an unknown status. Expected: one of {STATUSES}. "
            f"Received: status={record.status!r}. Move it away to run this "
            "cell again."
        )
    return record


def read_records(directory):
    """Reads all records below a directory.

    Finished runs (`.../record.json`) and released records
    (`<data set>/<method>/<run id>.json`) are found alike.

    Args:
        directory: an output directory, or a directory of records.

    Returns:
        List of `Record`, ordered by path.

    Raises:
        FileNotFoundError: there is no such directory.
        ValueError: a record is damaged.
    """
    directory = pathlib.Path(directory)
    if not directory.is_dir():
        raise FileNotFoundError(
            "Records are read from a directory. Expected: the output "
            "directory of a sweep, or reproduce/records. Received: "
            f"{directory}, which is none. Name another, or run the sweep."
        )
    paths = [
        path
        for path in sorted(directory.rglob("*.json"))
        if path.name == "record.json" or RUN_ID_END.search(path.stem)
    ]
    return [read_record(path) for path in paths]


def open_run(config, output_dir):
    """Makes, or finds, the directory of a run.

    Args:
        config: the `RunConfig`.
        output_dir: directory of all runs.

    Returns:
        The run's directory, with `config.json` in it.

    Raises:
        PermissionError: the directory cannot be written.
        ValueError: the directory was made with another config.
    """
    directory = config.directory(output_dir)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise PermissionError(
            f"The output directory cannot be written: {error}. Expected: a "
            f"directory of yours. Received: output_dir={output_dir}. Choose "
            "another."
        ) from error
    path = directory / "config.json"
    if not path.exists():
        write_json(path, dataclasses.asdict(config))
    found = read_json(path)
    if found != json.loads(json.dumps(dataclasses.asdict(config))):
        raise ValueError(
            f"{directory} was made by another run. Expected: {config}. "
            f"Received: {found} in {path}. Nothing was changed; choose "
            "another `output_dir` or move the directory away."
        )
    return directory
