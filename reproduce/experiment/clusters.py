"""Where the cells of a sweep run: processes here, or a Ray or Dask cluster."""

import concurrent.futures.process
import contextlib
import dataclasses
import os
import sys

import joblib

BACKENDS = ("loky", "ray", "dask")


@dataclasses.dataclass(frozen=True)
class Workers:
    """The workers of a sweep, one cell at a time each.

    Args:
        jobs: int, how many there are.
        config: dict, arguments of `joblib.parallel_config`.
        return_as: how joblib's backend can hand results over.
        death: tuple of exception types: a worker died, and with it the pool.
    """

    jobs: int
    config: dict
    return_as: str = "generator_unordered"
    death: tuple = ()


def check_address(backend, address):
    """Refuses an address for processes on this machine.

    Args:
        backend: as in `connect`.
        address: as in `connect`.

    Raises:
        ValueError: the backend has no address.
    """
    if address and backend == "loky":
        raise ValueError(
            "Only a cluster has an address. Expected: backend 'ray' or "
            f"'dask'. Received: backend='loky', address={address!r}. "
            "Name one, or leave out the address."
        )


@contextlib.contextmanager
def connect(backend, *, jobs=None, address=None):
    """Starts the workers, or connects to those of a cluster.

    Args:
        backend: name of the joblib backend, one of `BACKENDS`.
        jobs: int, the number of workers. Defaults to the cores that can be
            used; of a Ray cluster with GPUs, to its GPUs, of which there must
            be one for each: with fewer there are fewer workers.
        address: of the cluster's head or scheduler. Defaults to a cluster on
            this machine, which ends with the sweep.

    Yields:
        The `Workers`.

    Raises:
        ValueError: the backend is unknown, cannot use the address it is
            given, or has workers that run several cells at a time.
        ImportError: Ray or Dask is not installed.
    """
    if backend not in BACKENDS:
        raise ValueError(
            f"Unknown backend. Expected: one of {BACKENDS}. Received: "
            f"backend={backend!r}. Correct the name."
        )
    check_address(backend, address)
    connections = {"loky": _loky, "ray": _ray, "dask": _dask}
    try:
        with connections[backend](jobs, address) as workers:
            yield workers
    except ModuleNotFoundError as error:
        if error.name not in ("ray", "distributed", "dask"):
            raise
        raise ImportError(
            f"The backend {backend!r} is not installed. Expected: the extra "
            "`cluster`. Received: none. Run `pip install -e '.[cluster]'`."
        ) from error


@contextlib.contextmanager
def _loky(jobs, address):
    # Without the second argument joblib sets OMP_NUM_THREADS to a number of
    # its own.
    yield Workers(
        jobs or joblib.cpu_count(),
        {"backend": "loky", "inner_max_num_threads": 1},
        death=(concurrent.futures.process.BrokenProcessPool,),
    )


@contextlib.contextmanager
def _ray(jobs, address):
    import ray
    import ray.util.joblib

    ours = not ray.is_initialized()
    if ours:
        size = {} if address else {"num_cpus": jobs or joblib.cpu_count()}
        # The workers import what this process does, from the same places.
        path = os.pathsep.join(filter(None, sys.path))
        ray.init(
            address=address or "local",
            runtime_env={"env_vars": {"PYTHONPATH": path}},
            log_to_driver=False,
            **size,
        )
    ray.util.joblib.register_ray()
    resources = ray.cluster_resources()
    gpus = int(resources.get("GPU", 0))
    # A worker that dies is started anew, and its cell goes on.
    remote = {"max_restarts": 3, "max_task_retries": 3}
    if gpus:
        remote["num_gpus"] = 1
        # Ray waits without an end for workers that get none.
        jobs = min(jobs or gpus, gpus)
    try:
        yield Workers(
            jobs or int(resources["CPU"]),
            {"backend": "ray", "ray_remote_args": remote},
            return_as="list",
            death=(ray.exceptions.RayError,),
        )
    finally:
        if ours:
            ray.shutdown()


@contextlib.contextmanager
def _dask(jobs, address):
    import distributed

    if address:
        client = distributed.Client(address)
    else:
        client = distributed.Client(
            n_workers=jobs or joblib.cpu_count(),
            threads_per_worker=1,
            dashboard_address=None,
        )
    with client:
        workers = client.scheduler_info(n_workers=-1)["workers"].values()
        threads = max((worker["nthreads"] for worker in workers), default=1)
        if threads > 1:
            raise ValueError(
                "A run needs a process of its own. Expected: Dask workers "
                f"with one thread. Received: {threads} threads. Start them "
                "with `dask worker --nthreads 1 --nworkers N`."
            )
        yield Workers(
            jobs or max(len(workers), 1),
            {"backend": "dask"},
            # Dask hands a dead worker's cell to another, three times.
            death=(distributed.KilledWorker,),
        )
