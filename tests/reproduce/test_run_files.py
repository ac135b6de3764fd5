"""The files of a run: its directory, the facts of its data, its history."""

import json
import tempfile
import threading
import time

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


def test_a_directory_below_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(PermissionError, match=r"cannot be written.*Received: .*file"):
        run_files.open_directory(SETTINGS, tmp_path / "file")


def test_a_directory_without_the_right_to_write(tmp_path, monkeypatch):
    def refuse(dir):
        raise PermissionError(13, "Permission denied", str(dir))

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    with pytest.raises(PermissionError, match=f"Received: {tmp_path}"):
        run_files.open_directory(SETTINGS, tmp_path)


LINES = ["epoch,accuracy,seconds\n", "0,0.1,1\n", "1,0.2,1\n", "2,0.3,1\n"]


def test_a_history_is_cut_where_the_run_goes_on(tmp_path):
    path = tmp_path / "history.csv"
    # The last line is the beginning of that of epoch 10.
    path.write_text("".join([*LINES, "1"]))
    assert run_files.finished_lines(path, 2) == "".join(LINES[:3])
    # A run that was killed before its first line.
    path.unlink()
    assert run_files.finished_lines(path, 0) == ""


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no table",
        b"\xff\x00",
        # No header, a lost line, doubled, out of order, cut short.
        "".join(LINES[1:]),
        "".join([LINES[0], *LINES[2:]]),
        "".join([*LINES[:2], *LINES[1:]]),
        "".join([LINES[0], LINES[2], LINES[1], LINES[3]]),
        "".join(LINES)[:-12],
        "".join(LINES[:3])[:-1],
        # Cut in the middle, other columns, no numbers.
        "".join(LINES[:2]) + "1,0.2,0.3,1\n" + LINES[3],
        "step,accuracy\n0,0.1\n1,0.2\n",
        "".join(LINES).replace("0.2", "x"),
    ],
)
def test_a_damaged_history(text, tmp_path):
    path = tmp_path / "history.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(run_files.DamagedError, match=r"history\.csv is damaged"):
        run_files.finished_lines(path, 2)
    path.unlink()
    with pytest.raises(run_files.DamagedError, match="No such file"):
        run_files.finished_lines(path, 2)


def test_a_history_has_names_of_its_own_and_no_nan(tmp_path):
    path = tmp_path / "history.csv"
    path.write_text(
        "epoch,loss,val_loss,val_accuracy,val_mutual_information\n"
        "0,0.123456,nan,1,inf\n1,nan,2.5,0,-inf\n"
    )
    assert run_files.read_history(path, 2) == {
        "loss": [0.12346, None],
        "test_loss": [None, 2.5],
        "test_accuracy": [1, 0],
        "test_mutual_information": [None, None],
    }
    with pytest.raises(ValueError, match=r"epochs 0\.\.2, one.*Received: \[0, 1\]"):
        run_files.read_history(path, 3)


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


@pytest.mark.parametrize("text", ["", "{", "[]", "7", "null"])
def test_damaged_facts_of_the_data(text, tmp_path):
    path = tmp_path / "data.json"
    path.write_text(text)
    with pytest.raises(run_files.DamagedError, match=r"data\.json"):
        run_files.check_data(path, {"source": "a mirror"})


def test_a_backup_without_facts_of_its_data(tmp_path):
    (tmp_path / "backup").mkdir()
    with pytest.raises(run_files.DamagedError, match=r"data\.json is missing"):
        run_files.check_data(tmp_path / "data.json", {})


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "\0", '{"seed": []}'])
def test_damaged_settings_are_set_aside(text, tmp_path, caplog):
    path = run_files.open_directory(SETTINGS, tmp_path)
    (path / "settings.json").write_text(text)
    (path / "history.csv").write_text("epoch\n")
    run_files.open_directory(SETTINGS, tmp_path)
    assert records.read_json(path / "settings.json") == to_json(SETTINGS)
    assert (path / "damaged-1" / "settings.json").read_text() == text
    assert (path / "damaged-1" / "history.csv").exists()
    assert not (path / "history.csv").exists()
    assert "does not hold settings" in caplog.text
    run_files.set_aside(path, "Once more.")
    assert (path / "damaged-2" / "settings.json").exists()


def test_what_kills_left_is_removed_and_nothing_else(tmp_path):
    path = run_files.directory(SETTINGS, tmp_path)
    kept = ["history.csv", "backup/latest.weights.h5", "notes.txt", ".hidden.7"]
    left = [
        *(".record.json.17", ".history.csv.4", ".settings.json.5", ".data.json.6"),
        *("model/variables/variables.index", "model.keras"),
        *("backup/next-latest.weights.h5", "backup/.latest.weights.h5.8"),
    ]
    for name in kept + left:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).touch()
    with run_files.exclusive(SETTINGS, tmp_path):
        assert not [name for name in left if (path / name).exists()]
    assert [name for name in kept if not (path / name).exists()] == []
    assert not (path / ".lock").exists()


def test_what_a_kill_left_beside_a_record(tmp_path):
    path = run_files.open_directory(SETTINGS, tmp_path)
    for name in ("record.json", "model.keras", ".history.csv.4", ".lock"):
        (path / name).touch()
    (path / "backup").mkdir()
    with run_files._locked(path):
        # Another process is at work.
        run_files.clean_finished(SETTINGS, tmp_path)
        assert (path / "backup").exists()
        (path / ".lock").touch()
    run_files.clean_finished(SETTINGS, tmp_path)
    names = {place.name for place in path.iterdir()}
    assert names == {"settings.json", "record.json", "model.keras"}


def test_one_process_at_a_time_works_on_a_run(tmp_path, caplog):
    inside, order = threading.Event(), []

    def second():
        inside.wait()
        with run_files.exclusive(SETTINGS, tmp_path):
            order.append("second")

    thread = threading.Thread(target=second)
    thread.start()
    with run_files.exclusive(SETTINGS, tmp_path):
        inside.set()
        while "Another process works on the run" not in caplog.text:
            time.sleep(0.01)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


@pytest.mark.parametrize("kind", [OSError, RuntimeError])
def test_a_full_disk_is_named(kind, tmp_path):
    with (
        pytest.raises(OSError, match="No space left.*Expected: room on the disk"),
        run_files.exclusive(SETTINGS, tmp_path),
    ):
        raise kind("write failed: No space left on device")
    with pytest.raises(kind, match="^other$"), run_files.exclusive(SETTINGS, tmp_path):
        raise kind("other")


@pytest.mark.parametrize("name", run_files.FILES)
def test_a_directory_in_place_of_a_file_is_set_aside(tmp_path, name):
    path = run_files.directory(SETTINGS, tmp_path)
    (path / name).mkdir(parents=True)
    with run_files.exclusive(SETTINGS, tmp_path):
        assert (path / "damaged-1" / name).is_dir()
        assert not (path / name).is_dir()


def test_a_directory_in_place_of_the_lock_is_named(tmp_path):
    (run_files.directory(SETTINGS, tmp_path) / ".lock").mkdir(parents=True)
    with (
        pytest.raises(ValueError, match=r"Received: the directory .*\.lock. Remove"),
        run_files.exclusive(SETTINGS, tmp_path),
    ):
        pass
