"""Sweeps on clusters: a local Ray and a local Dask one, against loky."""

import os
import signal

import numpy as np
import pytest
from joblib.externals import loky

from reproduce import clusters, sweep
from reproduce.experiment import records


def train(config, output_dir, data_dir):
    """A run without TensorFlow, whose result depends on its config."""
    accuracy = np.random.default_rng(config.seed).random()
    records.Record(
        config=config,
        status="done",
        metrics={"test_accuracy": accuracy * config.settings["mi_weight"]},
        data={},
        history={},
        environment={"threads": os.environ["TF_NUM_INTRAOP_THREADS"]},
        wall_seconds=0.0,
    ).write(records.open_run(config, output_dir) / "record.json")


def once_dying_train(config, output_dir, data_dir):
    died = config.directory(output_dir) / "died"
    if config.seed == 1 and not died.exists():
        records.open_run(config, output_dir)
        died.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    train(config, output_dir, data_dir)


CONFIGS = [
    records.RunConfig(
        "toy", "erm", "ERM", "test", seed, {"epochs": 1, "mi_weight": weight}
    )
    for seed, weight in ((1, 0.5), (2, 1.0))
]


@pytest.fixture(scope="module")
def of_loky(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sweep, "_train", train)
        records = sweep.run(
            CONFIGS, output_dir=tmp_path_factory.mktemp("loky"), jobs=2
        )
    # Workers that joblib kept from before a cluster hang after it.
    loky.get_reusable_executor().shutdown()
    return records


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("backend", ["ray", "dask"])
@pytest.mark.parametrize(
    "function",
    [pytest.param(train, marks=pytest.mark.slow), once_dying_train],
)
def test_a_cluster_gives_the_records_of_loky(
    backend, function, of_loky, tmp_path, monkeypatch
):
    monkeypatch.setattr(sweep, "_train", function)
    records = sweep.run(CONFIGS, output_dir=tmp_path, jobs=2, backend=backend)
    assert records == of_loky


@pytest.mark.parametrize(
    ("gpus", "jobs", "workers"),
    [(2, None, 2), (2, 1, 1), (2, 5, 2), (0, None, 8), (0, 3, 3)],
)
def test_ray_has_a_gpu_for_every_worker(gpus, jobs, workers, monkeypatch):
    ray = pytest.importorskip("ray")
    monkeypatch.setattr(ray, "is_initialized", lambda: True)
    resources = {"CPU": 8.0, **({"GPU": float(gpus)} if gpus else {})}
    monkeypatch.setattr(ray, "cluster_resources", lambda: resources)
    with clusters.connect("ray", jobs=jobs) as received:
        assert received.jobs == workers
        remote = received.config["ray_remote_args"]
        assert remote.get("num_gpus", 0) == (1 if gpus else 0)


def test_only_a_cluster_has_an_address():
    with (
        pytest.raises(ValueError, match="Received: backend='loky', address"),
        clusters.connect("loky", address="10.0.0.1:6379"),
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
        pytest.raises(ValueError, match="one thread. Received: 2 threads"),
        clusters.connect("dask", address=cluster.scheduler_address),
    ):
        pass
