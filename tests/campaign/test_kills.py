"""Kills of sweeps at random moments, several processes on one run, a full disk.

Afterwards the same command must end with the records of an unbroken sweep.
"""

import contextlib
import os
import random
import re
import subprocess
import sys
import time

import psutil
import pytest
import toy_runs
import toy_sweep

from reproduce.experiment import fresh_estimates, records, run, run_files

# Kills of a sweep of loky, and of a Ray and a Dask one.
KILLS = int(os.environ.get("CAMPAIGN_KILLS", "100"))
# A sweep that takes so many seconds hangs.
PATIENCE = 400
# What loky says in a worker whose parent is killed while the worker starts. No
# code of this project has run in it by then.
ORPHAN = re.compile(r"LokyProcess-\d+ failed with traceback.*?EOFError[^\n]*", re.S)
LEFT = {
    *("settings.json", "data.json", "history.csv", "record.json"),
    *("model", "model.keras"),
}


def start(output_dir, backend):
    """Starts a sweep in a session of its own, whose output is kept."""
    log = output_dir.with_suffix(".log").open("ab")
    with log:
        return subprocess.Popen(
            [sys.executable, toy_sweep.__file__, str(output_dir), backend],
            stdout=log,
            stderr=log,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(toy_sweep.PATHS)},
            start_new_session=True,
        )


def descendants(process):
    try:
        return psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def is_worker(process):
    try:
        words = " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return False
    return any(word in words for word in ("LokyProcess", "ray::", "spawn_main"))


def kill(process, whom, rng):
    """Kills a worker, the parent or all; returns the children of the parent."""
    children = descendants(process)
    if whom == "worker":
        workers = list(filter(is_worker, children))
        targets = rng.sample(workers, 1) if workers else []
    else:
        targets = [psutil.Process(process.pid)] if process.poll() is None else []
        targets += children if whom == "all" else []
    for target in targets:
        with contextlib.suppress(psutil.NoSuchProcess):
            target.kill()
    if whom != "worker":
        process.wait()
    return children


def outcome(record):
    """What is equal bit for bit."""
    history = {**record.history, "seconds": []}
    return record.settings, record.status, record.metrics, record.data, history


def faults(output_dir, settings_list, expected):
    """Pairs of a fault and its detail, of what ended runs have left."""
    for settings in settings_list:
        path = run_files.record_path(settings, output_dir)
        if not path.exists():
            yield "lost", settings.id
        elif outcome(records.read(path)) != expected[settings.id]:
            yield "unequal", settings.id
        elif (found := {p.name for p in path.parent.iterdir()}) != LEFT:
            yield "unequal", f"{settings.id} leaves {found ^ LEFT}"
    log = output_dir.with_suffix(".log").read_text(errors="replace")
    log = ORPHAN.sub("", log)
    if "Traceback" in log:
        yield "raw", log[log.index("Traceback") :][:2000]


def finish(process):
    """Waits for the end of a sweep; returns a fault, if there is one."""
    try:
        code = process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        kill(process, "all", random)
        return "hung"
    return "lost" if code else None


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """Outcomes of an unbroken sweep by the ids of its runs, and its seconds."""
    path = tmp_path_factory.mktemp("unbroken") / "runs"
    began = time.monotonic()
    assert finish(start(path, "loky")) is None, path.with_suffix(".log").read_text()
    seconds = time.monotonic() - began
    found = {record.id: outcome(record) for record in records.read_all(path)}
    assert len(found) == len(toy_sweep.runs())
    return found, seconds


@pytest.mark.parametrize(
    ("backend", "kills"),
    [("loky", KILLS), ("ray", -(-KILLS // 10)), ("dask", -(-KILLS // 10))],
)
def test_a_killed_sweep_ends_like_an_unbroken_one(
    backend, kills, expected, tmp_path, count
):
    outcomes, seconds = expected
    rng = random.Random(backend)
    begun, done = [], 0
    while done < kills:
        output_dir = tmp_path / f"runs-{len(begun)}"
        process, old = start(output_dir, backend), []
        # Some kills of one sweep and those that go on with it.
        for _ in range(min(rng.randint(1, 6), kills - done)):
            if rng.random() < 0.7:
                # Not while workers import TensorFlow, but in the middle of runs.
                while process.poll() is None and not [*output_dir.glob("*/*/.lock")]:
                    time.sleep(0.05)
                time.sleep(rng.uniform(0, 0.15 * seconds))
            else:
                time.sleep(rng.uniform(0, 0.3 * seconds))
            whom = rng.choice(["worker", "parent", "all"])
            old += kill(process, whom, rng)
            done += 1
            count()
            if process.poll() is not None:
                process = start(output_dir, backend)
        if fault := finish(process):
            log = output_dir.with_suffix(".log").read_text(errors="replace")
            count(fault, f"{output_dir}: {log[-2000:]}")
        for fault in faults(output_dir, toy_sweep.runs(), outcomes):
            count(*fault)
        # Nobody outlives a parent.
        for survivor in psutil.wait_procs(old, timeout=30)[1]:
            count("hung", f"{survivor} outlives its sweep")
            survivor.kill()
        begun.append(output_dir)


@pytest.mark.parametrize("processes", [2, 4])
def test_processes_at_once_on_one_run(processes, expected, tmp_path, count):
    outcomes, _ = expected
    output_dir = tmp_path / "runs"
    settings = toy_sweep.runs()[:1]
    started = [start(output_dir, "none") for _ in range(processes)]
    for process in started:
        fault = finish(process)
        count(*([fault, "a process on one run"] if fault else []))
    for fault in faults(output_dir, settings, outcomes):
        count(*fault)
    log = output_dir.with_suffix(".log").read_text()
    if "Another process works on the run" not in log:
        count("raw", "No process waited.")


def test_sweeps_at_once_in_one_directory(expected, tmp_path, count):
    outcomes, _ = expected
    output_dir = tmp_path / "runs"
    for process in [start(output_dir, "loky") for _ in range(2)]:
        fault = finish(process)
        count(*([fault, "one of two sweeps"] if fault else []))
    for fault in faults(output_dir, toy_sweep.runs(), outcomes):
        count(*fault)


@pytest.fixture
def disk(tmp_path):
    """A small disk; it is resized with `mount`."""
    path = tmp_path / "disk"
    path.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", str(path)],
        capture_output=True,
    )
    if mounted.returncode:
        pytest.skip("This process may not mount a disk.")
    yield path
    subprocess.run(["umount", str(path)], check=True)


def test_a_full_disk_loses_nothing(disk, tmp_path, count, monkeypatch):
    toy_runs.register(monkeypatch.setitem)
    monkeypatch.setattr(fresh_estimates, "held_out_information", lambda *a, **k: {})
    settings = toy_runs.settings("erm")
    unbroken = run.train(settings, output_dir=tmp_path)
    for kilobytes in [*range(4, 200, 8), 2000]:
        size = f"remount,size={kilobytes}k"
        subprocess.run(["mount", "-o", size, str(disk)], check=True)
        try:
            record = run.train(settings, output_dir=disk)
        except OSError as error:
            words = "No space left on device. Expected: room on the disk"
            if words not in str(error):
                count("raw", str(error))
            else:
                count()
            continue
        count(*([] if outcome(record) == outcome(unbroken) else ["unequal", size]))
        break
    else:
        count("lost", "The run did not end with room enough.")
