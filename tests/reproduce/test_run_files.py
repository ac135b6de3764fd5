"""The files of a run: its directory, the facts of its data, its history."""

import json
import tempfile

import pytest

from reproduce.experiment import groups, records, run_files
from reproduce.experiment.settings import Settings, change, to_json

SETTINGS = Settings(data=groups.ColoredMnist(), method=groups.Erm(), seed=2)


def test_the_directory_is_named_by_data_and_identity(tmp_path):
    path = run_files.directory(SETTINGS, tmp_path / "runs")
    assert path == tmp_path / "runs" / "colored_mnist" / SETTINGS.id
    assert run_files.record_path(SETTINGS, tmp_path / "runs") == (path / "record.json")
    assert not path.exists()


def test_a_directory_is_made_and_found_again(tmp_path):
    directory = run_files.open_directory(SETTINGS, tmp_path)
    assert directory == run_files.directory(SETTINGS, tmp_path)
    content = json.loads((directory / "settings.json").read_text())
    assert content == to_json(SETTINGS)
    (directory / "history.csv").write_text("epoch\n")
    assert run_files.open_directory(SETTINGS, tmp_path) == directory
    assert (directory / "history.csv").exists()


def test_the_directory_of_another_run_is_refused(tmp_path):
    directory = run_files.open_directory(SETTINGS, tmp_path)
    other = json.dumps(to_json(change(SETTINGS, seed=7)))
    (directory / "settings.json").write_text(other)
    with pytest.raises(ValueError, match=r"made by another run.*'seed': 7"):
        run_files.open_directory(SETTINGS, tmp_path)
    assert (directory / "settings.json").read_text() == other
    (directory / "settings.json").write_text("{")
    with pytest.raises(ValueError, match=r"settings\.json is not JSON"):
        run_files.open_directory(SETTINGS, tmp_path)


def test_a_directory_below_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(PermissionError, match=r"Received: output_dir=.*file"):
        run_files.open_directory(SETTINGS, tmp_path / "file")


def test_a_directory_without_the_right_to_write(tmp_path, monkeypatch):
    def refuse(dir):
        raise PermissionError(13, "Permission denied", str(dir))

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    with pytest.raises(PermissionError, match=f"output_dir={tmp_path}"):
        run_files.open_directory(SETTINGS, tmp_path)


def test_a_history_is_cut_where_the_run_goes_on(tmp_path):
    path = tmp_path / "history.csv"
    # The last line is the beginning of that of epoch 10.
    path.write_text("epoch,accuracy\n0,0.1\n1,0.2\n2,0.3\n1")
    run_files.trim_history(path, 2)
    assert path.read_text() == "epoch,accuracy\n0,0.1\n1,0.2\n"
    assert run_files.read_history(path) == {"train_accuracy": [0.1, 0.2]}
    run_files.trim_history(path, 0)
    assert not path.exists()
    # A run that was killed before its first line.
    path.touch()
    run_files.trim_history(path, 0)
    assert not path.exists()
    run_files.trim_history(path, 0)


def test_a_history_has_names_of_its_own_and_no_nan(tmp_path):
    path = tmp_path / "history.csv"
    path.write_text(
        "epoch,loss,val_loss,val_accuracy,val_mutual_information\n"
        "0,0.123456,nan,1,inf\n1,nan,2.5,0,-inf\n"
    )
    assert run_files.read_history(path) == {
        "loss": [0.12346, None],
        "test_loss": [None, 2.5],
        "test_accuracy": [1, 0],
        "test_mutual_information": [None, None],
    }


def test_a_run_goes_on_with_the_same_data_from_elsewhere(tmp_path):
    path = tmp_path / "data.json"
    begun = {"source": "a mirror", "checksum": "1f", "sizes": (640, 320)}
    run_files.check_data(path, begun)
    run_files.check_data(path, begun)
    run_files.check_data(path, {**begun, "source": "the origin"})
    with pytest.raises(ValueError, match=r"begun on other data.*2e"):
        run_files.check_data(path, {**begun, "checksum": "2e"})
    assert records.read_json(path)["source"] == "a mirror"


def test_without_a_checksum_the_source_must_stay(tmp_path):
    path = tmp_path / "data.json"
    run_files.check_data(path, {"source": "a mirror"})
    with pytest.raises(ValueError, match=r"begun on other data.*the origin"):
        run_files.check_data(path, {"source": "the origin"})
