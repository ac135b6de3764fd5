"""Where a sweep's runs go: processes here, or a Ray or Dask cluster."""

import concurrent.futures.process
import contextlib
import dataclasses
import logging
import multiprocessing
import os
import threading
import time
from collections.abc import Iterator
from typing import Any

import joblib
from joblib.externals.loky.backend.utils import kill_process_tree

BACKENDS = ("loky", "ray", "dask")


@dataclasses.dataclass(frozen=True)
class Workers:
    """Workers of a sweep. Each carries out one run at a time.

    Args:
        jobs: int, the number of workers.
        config: dict, arguments of `joblib.parallel_config`.
        return_as: how joblib's backend can return results.
        death: tuple of exception types which say that a worker died, and the
            pool of workers with it.
    """

    jobs: int
    config: dict[str, Any]
    return_as: str = "generator_unordered"
    death: tuple[type[Exception], ...] = ()


def check_address(backend: str, address: str | None) -> None:
    """Checks that an address is given for a cluster only.

    Args:
        backend: as in `connect`.
        address: as in `connect`.

    Raises:
        ValueError: if processes on this machine are given an address.
    """
    if address and backend == "loky":
        raise ValueError(
            "Only a cluster has an address. Expected: backend 'ray' or "
            f"'dask'. Received: backend='loky', address={address!r}. "
            "Name one, or leave out the address."
        )


@contextlib.contextmanager
def connect(
    backend: str, *, jobs: int | None = None, address: str | None = None
) -> Iterator[Workers]:
    """Starts workers, or connects to those of a cluster.

    Args:
        backend: name of the joblib backend, one of `BACKENDS`.
        jobs: int, the number of workers. Defaults to the number of usable
            cores. Every worker on a Ray cluster with GPUs gets one GPU, so
            there the number of GPUs is the default and the maximum.
        address: address of the cluster's head or scheduler. Defaults to
            `None`, which starts a cluster on this machine for this sweep.

    Yields:
        The `Workers`.

    Raises:
        ValueError: if the backend is unknown, cannot use an address, or has
            workers that carry out several runs at a time.
        ImportError: if Ray or Dask is not installed.
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


def end_with(parent: int) -> None:
    """Lets this process, and those that it started, end soon after its parent.

    Loky's workers would finish their runs beside the next sweep. Ray and Dask
    do this for theirs.

    Args:
        parent: process id of the parent.
    """

    def watch():
        while os.getppid() == parent:
            time.sleep(0.2)
        try:
            kill_process_tree(multiprocessing.current_process())
        finally:
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextlib.contextmanager
def _loky(jobs, address):
    # Without `inner_max_num_threads` joblib chooses OMP_NUM_THREADS itself.
    yield Workers(
        jobs or joblib.cpu_count(),
        {
            "backend": "loky",
            "inner_max_num_threads": 1,
            "initializer": end_with,
            "initargs": (os.getpid(),),
        },
        death=(concurrent.futures.process.BrokenProcessPool,),
    )


@contextlib.contextmanager
def _ray(jobs, address):
    import ray
    import ray.util.joblib

    ours = not ray.is_initialized()
    if ours:
        size = {} if address else {"num_cpus": jobs or joblib.cpu_count()}
        ray.init(
            address=address or "local",
            log_to_driver=False,
            logging_level=logging.ERROR,
            **size,
        )
    ray.util.joblib.register_ray()
    resources = ray.cluster_resources()
    gpus = int(resources.get("GPU", 0))
    # Ray starts a dead worker again, and its run resumes.
    remote = {"max_restarts": 3, "max_task_retries": 3}
    if gpus:
        remote["num_gpus"] = 1
        # Ray would wait forever for a worker that gets no GPU.
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
            # It warns of workers that take long to end.
            silence_logs=logging.ERROR,
        )
    with client:
        workers = client.scheduler_info(n_workers=-1)["workers"].values()
        threads = max((worker["nthreads"] for worker in workers), default=1)
        if threads > 1:
            raise ValueError(
                "Every run needs a process of its own. Expected: Dask workers "
                f"with one thread. Received: {threads} threads. Start them "
                "with `dask worker --nthreads 1 --nworkers N`."
            )
        yield Workers(
            jobs or max(len(workers), 1),
            {"backend": "dask"},
            # Dask hands the run of a dead worker to another, three times.
            death=(distributed.KilledWorker,),
        )
