"""German credit from customers to records, table and bars."""

import dataclasses
import hashlib
import json

import german
import keras
import numpy as np
import pytest
from sklearn import metrics

from keras_unbias import data as datasets
from keras_unbias.data import uci_german
from reproduce import arguments, benchmark, figure5, pages, sweep, table3
from reproduce.experiment import records, run
from reproduce.settings import german_credit

LAMBDA_1 = "MI backpropagation (lambda = 1)"


@pytest.fixture
def customers(tmp_path, monkeypatch):
    text = german.text(german.rows())
    checksum = hashlib.sha256(text.encode()).hexdigest()
    monkeypatch.setattr(uci_german, "SHA256", checksum)
    path = tmp_path / "german.data"
    path.write_text(text)
    return path


def short(row, epochs=2):
    """A cell of `quick` that is over soon."""
    (config,) = german_credit.table3("quick", [row], 1)
    if "epochs" not in config.settings:
        return config
    changes = {"epochs": epochs, "epochs_per_report": 1, "jit_compile": False}
    return dataclasses.replace(config, settings={**config.settings, **changes})


def test_a_network_leaves_all_numbers(tmp_path, customers):
    config = short(LAMBDA_1)
    record = run.train(config, output_dir=tmp_path, data_dir=customers)
    assert records.read_record(config.directory(tmp_path) / "record.json") == (
        record
    )
    dataset = datasets.load(
        "german_credit", seed=1, data_dir=customers, age_input=True
    )
    model = keras.saving.load_model(config.directory(tmp_path) / "model.keras")
    predicted = model.predict(dataset.test.inputs, verbose=0)["logits"]
    predicted = predicted.argmax(1)
    labels, young = dataset.test.labels, dataset.test.attributes[:, 0]
    found = {
        group: predicted[(labels == 1) & (young == group)].mean()
        for group in (0, 1)
    }
    numbers = record.metrics
    assert numbers["equal_opportunity"] == pytest.approx(
        abs(found[0] - found[1])
    )
    assert numbers["true_positive_rates"] == pytest.approx(
        {"0": found[0], "1": found[1]}
    )
    assert numbers["balanced_accuracy"] == pytest.approx(
        metrics.balanced_accuracy_score(labels, predicted)
    )
    assert numbers["share_predicted_positive"] == predicted.mean()
    assert 0.5 < record.audit["probe_auc"] <= 1
    assert set(record.audit) == {
        *("mutual_information", "conditional_mutual_information", "probe_auc")
    }


@pytest.mark.parametrize("row", ["constant", "SVM", "FERM"])
def test_a_classifier_of_scikit_learn_leaves_a_record(row, tmp_path, customers):
    config = short(row)
    if "C" in config.settings:
        few = {**config.settings, "C": [0.1], "folds": 2}
        config = dataclasses.replace(config, settings=few)
    record = run.train(config, output_dir=tmp_path, data_dir=customers)
    files = {path.name for path in config.directory(tmp_path).iterdir()}
    assert files == {"config.json", "data.json", "record.json"}
    assert record.status == "done"
    assert record.data["train_size"] == 700
    if row == "constant":
        assert record.metrics["equal_opportunity"] == 0
        assert record.metrics["share_predicted_positive"] == 1
        assert record.metrics["balanced_accuracy"] == 0.5
    # A finished run is only read.
    customers.unlink()
    assert run.train(config, output_dir=tmp_path) == record


def test_settings_of_another_kind_of_classifier_are_refused(tmp_path):
    config = short("constant")
    config = dataclasses.replace(
        config, settings={**config.settings, "epochs": 2}
    )
    with pytest.raises(ValueError, match=r"beyond them: \['epochs'\]"):
        run.train(config, output_dir=tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_script_runs_what_is_missing(
    tmp_path, customers, capsys, monkeypatch
):
    # In this process: TensorFlow's threads cannot be set any more.
    monkeypatch.setattr(
        sweep,
        "_train",
        lambda config, output_dir, data_dir: run.train(
            config, output_dir=output_dir, data_dir=data_dir
        ),
    )
    flags = ["--profile", "quick", "--methods", "constant", "--seeds", "2"]
    flags += ["--data-dir", str(customers), "--jobs", "1"]
    assert table3.main([*flags, "--output-dir", str(tmp_path / "runs")]) == 0
    out = capsys.readouterr().out
    assert "profile quick, age in: mean ± standard deviation" in out
    assert "over the seeds 1, 2" in out
    assert len(records.read_records(tmp_path / "runs")) == 2


def test_customers_that_are_not_there_are_told(tmp_path, capsys):
    with pytest.raises(SystemExit):
        table3.main(["--data-dir", str(tmp_path)])
    assert "No German credit file" in capsys.readouterr().err


def release(directory, configs):
    rng = np.random.default_rng(0)
    for config in configs:
        trained = "epochs" in config.settings
        weight = config.settings.get("mi_weight", 0)
        eo = 0.1 - 0.05 * weight + rng.normal(0, 0.001)
        records.Record(
            config=config,
            status="done",
            metrics={
                "test_accuracy": 0.75,
                "equal_opportunity": eo,
                "balanced_accuracy": 0.65,
                "share_predicted_positive": 0.75,
                "true_positive_rates": {"0": 0.85, "1": 0.85 - eo},
                "positives": {"0": 177, "1": 33},
            },
            data={"source": "file", "train_size": 700, "test_size": 300},
            history={},
            environment={},
            wall_seconds=1.0,
            audit={"probe_auc": 0.9, "mutual_information": 0.2}
            if trained
            else {},
        ).write(config.directory(directory).with_suffix(".json"))


def cells_of(line):
    return [part.strip() for part in line.split("  ") if part.strip()]


def test_table_and_changes_from_records(tmp_path, capsys):
    release(tmp_path, german_credit.table3("fast", ["ERM", LAMBDA_1, "SVM"], 4))
    rows = f"ERM,{LAMBDA_1},SVM,FERM"
    flags = ["--from-records", str(tmp_path), "--seeds", "4"]
    assert table3.main([*flags, "--methods", rows]) == 0
    table, changes = capsys.readouterr().out.split("\nGerman credit, ")
    lines = {cells_of(x)[0]: cells_of(x)[1:] for x in table.splitlines() if x}
    assert lines["ERM"][0] == "0.750 ± 0.000"
    assert lines["ERM"][1].startswith("0.10")
    # sqrt(2 / pi * 0.836 * 0.164 * (1 / 177 + 1 / 33)).
    assert lines["ERM"][2].startswith("0.056")
    assert lines["SVM"][5:] == ["-", "-"]
    assert lines["FERM"] == ["-"] * 7
    assert lines["NN, Mary et al. (published)"][1] == "0.470 ± 0.190"
    assert "very probably the foreign worker" in table
    assert (
        "python reproduce/table3.py --profile fast --methods FERM --seeds 4"
        in table
    )
    assert "mean change over 4 splits" in changes
    (line,) = [x for x in changes.splitlines() if x.startswith(LAMBDA_1)]
    assert cells_of(line)[2].startswith("-0.05")


def test_age_is_another_table(tmp_path, capsys):
    release(tmp_path, german_credit.table3("fast", ["ERM"], 2, age_input=False))
    flags = ["--from-records", str(tmp_path), "--seeds", "2"]
    flags += ["--methods", "ERM"]
    assert table3.main([*flags, "--age", "out"]) == 0
    out = capsys.readouterr().out
    assert "age out: mean" in out
    assert "To fill what is missing" not in out
    assert table3.main([*flags, "--age", "in"]) == 0
    assert "--seeds 2 --age in" in capsys.readouterr().out


def test_block_of_a_profile(tmp_path, monkeypatch, capsys):
    page = tmp_path / "page.md"
    page.write_text("<!-- table3 paper -->\n<!-- /table3 paper -->\n")
    monkeypatch.setattr(table3, "PAGE", page)
    monkeypatch.setattr("reproduce.release.RECORDS", tmp_path)
    release(tmp_path, german_credit.table3("paper"))
    flags = ["--profile", "paper", "--from-records", str(tmp_path)]
    flags += ["--format", "markdown", "--update-docs"]
    assert table3.main(flags) == 0
    assert capsys.readouterr().out in page.read_text()


def test_page_shows_whole_tables_where_there_is_room(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr("reproduce.release.RECORDS", tmp_path)
    release(tmp_path, german_credit.table3("quick", ["ERM"]))
    flags = ["--from-records", str(tmp_path), "--update-docs"]
    # Without --profile, the one that there are records of.
    with pytest.raises(SystemExit):
        table3.main(flags)
    assert "no block 'table3 quick'" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        table3.main([*flags, "--methods", "ERM"])
    assert "Expected: no --methods" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        table3.main([*flags, "--profile", "fast"])
    assert "Expected: records of some cells" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "name"),
    [
        ("--profile fast", ["fast"]),
        ("--profile fast --seeds 100 --age in", ["fast"]),
        ("--profile paper --seeds 100", ["paper", "seeds_100"]),
        ("--profile paper --age in", ["paper", "age_in"]),
    ],
)
def test_tables_are_named_by_what_differs_from_the_profile(flags, name):
    parser = arguments.make_table_parser("", profiles=german_credit.PROFILES)
    arguments.add_age(parser)
    options = arguments.parse(parser, flags.split())
    assert pages.asked(options, **table3.usual(options)) == name


def test_bars_from_records(tmp_path, capsys):
    release(
        tmp_path,
        german_credit.table3("paper", german_credit.FIGURE5_ROWS[:3], 3),
    )
    flags = ["--profile", "paper", "--seeds", "3"]
    flags += ["--from-records", str(tmp_path), "--figures-dir", str(tmp_path)]
    assert figure5.main(flags) == 0
    assert "missing" not in capsys.readouterr().err
    assert figure5.main([*flags, "--age", "in"]) == 1
    told = "python reproduce/figure5.py --profile paper --seeds 3 --age in\n"
    assert told in capsys.readouterr().err
    drawn = json.loads((tmp_path / "figure5_paper_seeds_3.json").read_text())
    assert drawn["about"] == "profile paper, 700 training rows, seeds 1, 2, 3"
    eo = [p for p in drawn["points"] if p["panel"].startswith("EO")]
    assert [p["bar"] for p in eo] == ["λ = 0", "λ = 0.5", "λ = 1"]
    assert [p["mean"] for p in eo] == pytest.approx(
        [0.1, 0.075, 0.05], abs=2e-3
    )
    assert eo[0]["mark"] == pytest.approx(0.056, abs=2e-3)
    assert (tmp_path / "figure5_paper_seeds_3.png").exists()


@pytest.mark.slow
def test_benchmark_compares_loops(customers, capsys, monkeypatch):
    monkeypatch.setitem(german_credit.PAPER, "epochs_per_report", 1)
    monkeypatch.setitem(german_credit.PAPER_ESTIMATOR, "estimator_steps", 2)
    flags = ["--data-dir", str(customers), "--repeats", "1"]
    assert benchmark.main(flags) == 0
    lines = capsys.readouterr().out.splitlines()[2:]
    assert [cells_of(line)[0] for line in lines] == list(benchmark.LOOPS)
    with pytest.raises(SystemExit):
        benchmark.main(["--data-dir", str(customers.parent / "nowhere")])
    assert "No German credit file" in capsys.readouterr().err
    assert cells_of(lines[0])[2] == "1.0"
    assert all(float(cells_of(line)[1]) > 0 for line in lines)
