"""Sweeps on clusters: a local Ray and a local Dask one, against loky."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest
from joblib.externals import loky

from reproduce.experiment import clusters, groups, records, run_files, sweep
from reproduce.experiment.settings import Settings, change

PLAIN = Settings(data=groups.ColoredMnist())
RUNS = [
    change(PLAIN, seed=seed, mi_weight=weight) for seed, weight in ((1, 0.5), (2, 1.0))
]


def train(settings, output_dir, **given):
    """Stands in for a training; its result depends on its settings."""
    accuracy = np.random.default_rng(settings.seed).random()
    record = records.Record(
        settings=settings,
        status="done",
        metrics={"test_accuracy": accuracy * settings.method.mi_weight},
        data={},
        history={},
        environment={"threads": int(os.environ["TF_NUM_INTRAOP_THREADS"])},
        wall_seconds=0.0,
    )
    directory = run_files.open_directory(settings, output_dir)
    records.write(record, directory / "record.json")


def once_dying_train(settings, output_dir, **given):
    died = run_files.directory(settings, output_dir) / "died"
    if settings.seed == 1 and not died.exists():
        run_files.open_directory(settings, output_dir)
        died.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    train(settings, output_dir)


@pytest.fixture(scope="module")
def of_loky(tmp_path_factory):
    made = sweep.run(
        RUNS,
        output_dir=tmp_path_factory.mktemp("loky"),
        jobs=2,
        train=train,
    )
    # Workers that joblib keeps from before a cluster hang after it.
    loky.get_reusable_executor().shutdown()
    return made


def endless_train(settings, output_dir, **given):
    """Starts a process of its own, and notes both."""
    started = subprocess.Popen(["sleep", "600"])
    path = run_files.open_directory(settings, output_dir) / "pids"
    records.write_text(path, f"{os.getpid()} {started.pid}")
    time.sleep(600)


SWEEP = """
import sys
from test_clusters import RUNS, endless_train
from reproduce.experiment import sweep

sweep.run(RUNS, output_dir=sys.argv[1], jobs=2, train=endless_train)
"""


def test_workers_and_their_children_end_with_a_killed_parent(tmp_path):
    parent = subprocess.Popen(
        [sys.executable, "-c", SWEEP, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stderr=subprocess.DEVNULL,
    )
    while len(notes := [*tmp_path.glob("*/*/pids")]) < len(RUNS):
        assert parent.poll() is None
        time.sleep(0.1)
    pids = [int(pid) for note in notes for pid in note.read_text().split()]
    processes = [psutil.Process(pid) for pid in pids]
    parent.kill()
    parent.wait()
    ended, alive = psutil.wait_procs(processes, timeout=30)
    for process in alive:
        process.kill()
    assert len(ended) == 2 * len(RUNS)


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize(
    "backend", [pytest.param("ray", marks=pytest.mark.slow), "dask"]
)
@pytest.mark.parametrize(
    "function",
    [pytest.param(train, marks=pytest.mark.slow), once_dying_train],
)
def test_a_cluster_gives_the_records_of_loky(
    backend, function, of_loky, tmp_path, monkeypatch
):
    # Workers import this module. What they find of the package is installed.
    monkeypatch.setenv("PYTHONPATH", str(pathlib.Path(__file__).parent))
    made = sweep.run(RUNS, output_dir=tmp_path, jobs=2, backend=backend, train=function)
    assert made == of_loky


@pytest.mark.parametrize(
    ("gpus", "jobs", "workers"),
    [(2, None, 2), (2, 1, 1), (2, 5, 2), (0, None, 8), (0, 3, 3)],
)
def test_every_worker_of_ray_has_a_gpu(gpus, jobs, workers, monkeypatch):
    ray = pytest.importorskip("ray")
    monkeypatch.setattr(ray, "is_initialized", lambda: True)
    resources = {"CPU": 8.0, **({"GPU": float(gpus)} if gpus else {})}
    monkeypatch.setattr(ray, "cluster_resources", lambda: resources)
    with clusters.connect("ray", jobs=jobs) as received:
        assert received.jobs == workers
        remote = received.config["ray_remote_args"]
        assert remote.get("num_gpus", 0) == (1 if gpus else 0)


def test_only_a_cluster_has_an_address():
    message = "Received: backend='loky', address='10"
    with pytest.raises(ValueError, match=message):
        clusters.check_address("loky", "10.0.0.1:6379")
    with (
        pytest.raises(ValueError, match=message),
        clusters.connect("loky", address="10.0.0.1:6379"),
    ):
        pass


@pytest.mark.parametrize("name", ["ray", "dask"])
def test_a_cluster_that_is_not_installed(name, monkeypatch):
    module = {"ray": "ray", "dask": "distributed"}[name]
    # An import of it fails, as if there were none.
    monkeypatch.setitem(sys.modules, module, None)
    with (
        pytest.raises(ImportError, match=f"'{name}' is not installed.*extra"),
        clusters.connect(name),
    ):
        pass


@pytest.mark.filterwarnings("default")
def test_dask_workers_have_one_thread():
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=1,
            threads_per_worker=2,
            processes=False,
            dashboard_address=None,
        ) as cluster,
        pytest.raises(ValueError, match=r"one thread. Received: 2 threads"),
        clusters.connect("dask", address=cluster.scheduler_address),
    ):
        pass
