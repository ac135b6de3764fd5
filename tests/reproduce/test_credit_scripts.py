"""Table 3, its bars, and the benchmark of its network."""

import dataclasses
import hashlib
import re
import subprocess
import sys

import german
import numpy as np
import pytest
from scripts import EXPERIMENTS, cells_of, drawn, record, rows

from keras_unbias import encoders
from keras_unbias.data import uci_german
from reproduce import benchmark
from reproduce.experiment import records, run, step_times
from reproduce.experiment.settings import change, value
from reproduce.recipes import credit

LAMBDA_1 = "MI backpropagation (lambda = 1)"


def publish_credit(directory, cells):
    rng = np.random.default_rng(0)
    made = []
    for cell in cells:
        plain = record(cell.settings)
        weight = value(cell.settings, "mi_weight", 0)
        eo = 0.1 - 0.05 * weight + rng.normal(0, 0.001)
        rates = {"0": 0.85, "1": 0.85 - eo}
        metrics = {
            **plain.metrics,
            "test_accuracy": 0.75,
            "equal_opportunity": eo,
            "true_positive_rates": rates,
        }
        changes = {"metrics": metrics}
        if not cell.settings.method.trains_network:
            changes["estimates"] = {}
        made.append(dataclasses.replace(plain, **changes))
    records.release(made, directory)
    return ["--from-records", str(directory)]


def test_table3_and_its_changes(call, tmp_path):
    some = credit.cells("fast", rows=["ERM", LAMBDA_1, "SVM"], seeds=4)
    shown = publish_credit(tmp_path, some)
    words = ["--seeds", "4", "--methods", "ERM", LAMBDA_1, "SVM", "FERM"]
    code, out, _ = call(EXPERIMENTS["table3"], *shown, *words)
    assert code == 0
    table, changes = out.split("\nGerman credit, ")
    found = rows(table)
    assert found["ERM"][0] == "0.750 ± 0.000"
    assert found["ERM"][1].startswith("0.10")
    # sqrt(2 / pi * 0.834 * 0.166 * (1 / 177 + 1 / 33)).
    assert found["ERM"][2].startswith("0.056")
    assert found["SVM"][5:] == ["-", "-"]
    assert found["FERM"] == ["-"] * 7
    assert found["NN, Mary et al. (published)"][1] == "0.470 ± 0.190"
    assert "very probably the foreign worker" in table
    assert "reproduce/table3.py --profile fast --methods FERM --seeds 4" in out
    assert "mean change over 4 splits" in changes
    assert rows(changes)[LAMBDA_1][1].startswith("-0.05")
    # Chance shows what it shows: it has no change.
    assert "EO by chance" not in changes
    # A run that lacks a number is shown without it.
    bare = dataclasses.replace(
        record(some[0].settings), metrics={"test_accuracy": 0.75}
    )
    records.release([bare], tmp_path / "bare")
    _, out, _ = call(EXPERIMENTS["table3"], "--from-records", str(tmp_path / "bare"))
    assert rows(out)["ERM"][:4] == ["0.750 (n=1)", "-", "-", "-"]
    # One row has nothing to be compared with.
    _, out, _ = call(EXPERIMENTS["table3"], *shown, *words[:3], "ERM")
    assert "mean change" not in out


def test_the_age_is_another_table(call, tmp_path):
    cells = [
        dataclasses.replace(c, settings=change(c.settings, age_input=False))
        for c in credit.cells("fast", rows=["ERM"], seeds=2)
    ]
    shown = publish_credit(tmp_path, cells)
    words = ["--profile", "fast", "--seeds", "2", "--methods", "ERM"]
    out_of = [*words, "--set", "age_input=false"]
    code, out, _ = call(EXPERIMENTS["table3"], *shown, *out_of)
    assert code == 0
    title = "German credit, profile fast with age_input=false, age out: mean"
    assert title in out
    assert "missing" not in out
    code, _, err = call(EXPERIMENTS["table3"], *shown, *words)
    assert code == 2
    assert "No records of table3, profile fast" in err


@pytest.fixture
def customers(tmp_path, monkeypatch):
    text = german.text(german.rows())
    checksum = hashlib.sha256(text.encode()).hexdigest()
    monkeypatch.setattr(uci_german, "SHA256", checksum)
    path = tmp_path / "german.data"
    path.write_text(text)
    return path


def in_this_process(settings, *, output_dir, data_dir, threads):
    """TensorFlow's threads cannot be set any more."""
    return run.train(settings, output_dir=output_dir, data_dir=data_dir)


def test_table3_runs_what_is_missing(call, tmp_path, customers):
    experiment = dataclasses.replace(EXPERIMENTS["table3"], train=in_this_process)
    words = ["--profile", "quick", "--methods", "constant", "--seeds", "2"]
    words += ["--data-dir", str(customers), "--jobs", "1"]
    code, out, err = call(experiment, *words)
    assert code == 0, err
    assert "profile quick, age in: mean ± standard deviation" in out
    assert "over the seeds 1, 2" in out
    found = rows(out)["constant"]
    assert found[1:5] == ["0.000 ± 0.000"] * 2 + [*("0.500 ± 0.000", "1.000 ± 0.000")]
    made = records.read_all(tmp_path / "runs")
    accuracies = [r.metrics["test_accuracy"] for r in made]
    assert found[0].startswith(f"{np.mean(accuracies):.3f}")
    assert len(made) == 2


@pytest.mark.parametrize("name", ["table3", "figure5"])
def test_customers_that_are_not_there_are_told_once(name, call, tmp_path):
    code, out, err = call(EXPERIMENTS[name], "--data-dir", str(tmp_path))
    assert (code, out) == (2, "")
    assert err.count("No German credit file was found") == 1
    assert list(tmp_path.iterdir()) == []


def test_bars_beside_table3(call, tmp_path):
    experiment = EXPERIMENTS["figure5"]
    shown = publish_credit(
        tmp_path, credit.cells("paper", rows=credit.FIGURE5_ROWS[:3], seeds=3)
    )
    words = ["--profile", "paper", "--seeds", "3", *shown]
    code, _, err = call(experiment, *words)
    assert code == 0
    assert "missing" not in err
    found = drawn(tmp_path, "figure5_paper_seeds_3")
    assert found["about"].endswith("60,000 training rows, seeds 1, 2, 3")
    eo = [p for p in found["points"] if p["panel"].startswith("EO")]
    assert [p["bar"] for p in eo] == ["λ = 0", "λ = 0.5", "λ = 1"]
    expected = pytest.approx([0.1, 0.075, 0.05], abs=2e-3)
    assert [p["mean"] for p in eo] == expected
    assert eo[0]["mark"] == pytest.approx(0.056, abs=2e-3)
    accuracy = [p for p in found["points"] if p["panel"] == "test accuracy"]
    assert [p["mean"] for p in accuracy] == [0.75] * 3
    assert "mark" not in accuracy[0]
    # The other profile has more of them.
    made = cells_of(experiment, "--profile", "fast", "--seeds", "1")
    labels = [cell.row for cell in made]
    assert labels == [f"λ = {n}" for n in ("0", "0.5", "1", "2", "4")]


@pytest.mark.slow
def test_benchmark_compares_loops(customers, capsys, monkeypatch):
    paper = credit.PROFILES["paper"]
    small = change(paper.base, epochs=1, epochs_per_report=1, estimator_steps=2)
    monkeypatch.setitem(
        credit.PROFILES, "paper", dataclasses.replace(paper, base=small)
    )
    words = ["--data-dir", str(customers), "--repeats", "1"]
    assert benchmark.main(words) == 0
    lines = capsys.readouterr().out.splitlines()[2:]
    parts = [re.split("  +", line.strip()) for line in lines]
    assert [name for name, *_ in parts] == list(benchmark.LOOPS)
    assert parts[0][2] == "1.0"
    assert all(float(time) > 0 for _, time, _ in parts)


@pytest.mark.slow
def test_benchmark_compares_devices(customers):
    # Virtual devices need a process that has not used TensorFlow.
    script = (
        "import sys; from keras_unbias.data import uci_german; from reproduce import "
        "benchmark; uci_german.SHA256 = sys.argv[1]; benchmark.main(sys.argv[2:])"
    )
    words = ["--data-dir", str(customers), "--devices", "2", "--repeats", "1"]
    done = subprocess.run(
        [sys.executable, "-c", script, uci_german.SHA256, *words],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    times, networks = done.stdout.split("\n\n")
    times = [line.split() for line in times.splitlines()[2:]]
    assert [count for count, _ in times] == ["1", "2"]
    assert all(float(time) > 0 for _, time in times)
    assert len(networks.splitlines()) == 2 + len(benchmark.NETWORKS)


def test_the_bytes_that_replicas_exchange():
    # 8 rows, 2 mini-batches more, 4 features, 3 columns of attributes, 2 labels.
    assert step_times.exchanged(8, 2, 4, 3, 2, 100) == (
        4 * (24 * 4 + 24 * 3 + 24 + 8 * 2 + 8 + 8 * 3),
        4 * (200 + 10),
    )
    digits = encoders.digit_encoder()
    assert benchmark.NETWORKS["digits"][-1] == digits.count_params()


def test_benchmark_needs_customers_and_counts(tmp_path, capsys):
    for words, message in {
        ("--data-dir", str(tmp_path / "nowhere")): "No German credit file",
        ("--repeats", "0"): "--repeats: Expected: an integer in 1..1000",
    }.items():
        with pytest.raises(SystemExit) as stopped:
            benchmark.main(words)
        assert stopped.value.code == 2
        assert message in capsys.readouterr().err
