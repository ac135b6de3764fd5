"""Where data come from: what a machine has, and what is made ready once."""

import argparse
import hashlib
import pathlib

import pytest
import utk
from faces import people, write

from keras_unbias.data import colored_mnist, drawn_faces, mnist, uci_german
from reproduce.experiment import peer_rows, sources
from reproduce.recipes import credit, digits, faces, peers


def options(**given):
    usual = {"profile": "fast", "data_dir": None, "output_dir": "runs"}
    return argparse.Namespace(**{**usual, **given})


def settings(cells):
    return [cell.settings for cell in cells]


def test_a_source_without_data_asks_for_nothing():
    source = sources.Source()
    assert source.choices == ({},)
    assert source.find(options()) == {}
    assert source.prepare([], options(data_dir="here")) == "here"


@pytest.mark.parametrize("found", ["mnist", "kim"])
@pytest.mark.parametrize("profile", ["fast", "paper", "quick"])
def test_the_best_digits_of_the_machine(found, profile, monkeypatch):
    asked = []

    def available(data_dir):
        asked.append(data_dir)
        return found

    monkeypatch.setattr(colored_mnist, "available_digits", available)
    choice = sources.DIGITS.find(options(profile=profile, data_dir="here"))
    assert choice == {"digits": found}
    assert asked == ["here"]
    # The experiment can be asked for it.
    assert choice in sources.DIGITS.choices


def test_few_digits_are_for_quick_alone(monkeypatch):
    monkeypatch.setattr(
        colored_mnist, "available_digits", lambda data_dir: "mnist-5000"
    )
    choice = sources.DIGITS.find(options(profile="quick"))
    assert choice == {"digits": "mnist-5000"}
    for profile in ("fast", "paper"):
        with pytest.raises(
            ValueError, match=f"profile {profile} is for all of MNIST.*--data-"
        ):
            sources.DIGITS.find(options(profile=profile))


def test_the_better_digits_come_first():
    kinds = [choice["digits"] for choice in sources.DIGITS.choices]
    assert kinds == ["mnist", "kim", "mnist-5000"]


@pytest.mark.parametrize(
    ("kind", "data_dir", "times"),
    [("mnist", None, 1), ("mnist", "here", 0), ("mnist-5000", None, 0)],
)
def test_mnist_is_downloaded_once(kind, data_dir, times, monkeypatch):
    calls = []
    monkeypatch.setattr(mnist, "prepare_tfds", lambda: calls.append(1))
    cells = digits.cells("quick", digits=kind)
    directory = sources.DIGITS.prepare(settings(cells), options(data_dir=data_dir))
    assert directory == data_dir
    assert len(calls) == times


def test_without_a_directory_quick_draws_its_faces():
    assert sources.FACES.find(options(profile="quick")) == {"faces": "drawn"}
    with pytest.raises(NotADirectoryError, match=r"DIR. Received: here"):
        sources.FACES.find(options(profile="quick", data_dir="here"))


@pytest.mark.parametrize("profile", ["quick", "fast", "paper"])
def test_the_files_tell_which_faces_they_are(profile, tmp_path):
    given = options(profile=profile, data_dir=utk.write(tmp_path / "utk", rows=3))
    assert sources.FACES.find(given) == {"faces": "utk"}
    assert sources.FACES.prepare([], given) == given.data_dir
    given.data_dir = write(tmp_path / "imdb", people(), images=False)
    if profile == "paper":
        assert sources.FACES.find(given) == {"faces": "imdb"}
        return
    with pytest.raises(ValueError, match=f"profile {profile} is not for IMDB faces"):
        sources.FACES.find(given)


def test_faces_are_drawn_once_beside_the_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(drawn_faces, "write", lambda directory: directory)
    cells = faces.cells("quick", seeds=1)
    directory = sources.FACES.prepare(
        settings(cells), options(profile="quick", output_dir=tmp_path)
    )
    assert directory == tmp_path / "faces"


@pytest.mark.parametrize("profile", ["fast", "paper"])
def test_without_faces_the_guide_is_named(profile):
    with pytest.raises(
        FileNotFoundError, match=r"Expected: --data-dir.*reproduce/IMDB\.md"
    ):
        sources.FACES.find(options(profile=profile))


def test_the_guide_is_there():
    root = pathlib.Path(__file__).parents[2]
    assert (root / sources.IMDB_GUIDE).is_file()
    assert (root / sources.FACES_GUIDE).is_file()


def test_faces_are_looked_at_before_any_run(tmp_path):
    given = options(profile="paper", data_dir=tmp_path)
    with pytest.raises(FileNotFoundError):
        sources.FACES.find(given)
    given.data_dir = write(tmp_path / "faces", people(), images=False)
    assert sources.FACES.find(given) == {"faces": "imdb"}
    cells = faces.cells("paper", seeds=1)
    assert sources.FACES.prepare(settings(cells), given) == given.data_dir


def test_customers_are_read_once_before_any_run(tmp_path, monkeypatch):
    cells = credit.cells("quick", seeds=1)
    given = options(data_dir=str(tmp_path))
    assert sources.CREDIT.find(given) == {}
    with pytest.raises(FileNotFoundError, match="No German credit file"):
        sources.CREDIT.prepare(settings(cells), given)
    # A customer whose numbers are 7.
    fields = ["7" if c is None else c[0] for c in uci_german.COLUMNS.values()]
    text = " ".join(fields) + "\n"
    (tmp_path / "german.data").write_text(text)
    with pytest.raises(ValueError, match="other customers"):
        sources.CREDIT.prepare(settings(cells), given)
    checksum = hashlib.sha256(text.encode()).hexdigest()
    monkeypatch.setattr(uci_german, "SHA256", checksum)
    assert sources.CREDIT.prepare(settings(cells), given) == str(tmp_path)


def test_faces_join_the_comparison_where_they_are(tmp_path):
    assert sources.PEERS.find(options()) == {"faces": False}
    assert sources.PEERS.find(options(data_dir=tmp_path)) == {"faces": False}
    with pytest.raises(NotADirectoryError, match="Expected: --data-dir DIR"):
        sources.PEERS.find(options(data_dir=tmp_path / "nowhere"))
    given = options(data_dir=utk.write(tmp_path / "faces", rows=3))
    weights = peer_rows.BACKBONE["weights"]
    with pytest.raises(FileNotFoundError, match=f"Expected: {weights} beside"):
        sources.PEERS.find(given)
    (given.data_dir / weights).touch()
    assert sources.PEERS.find(given) == {"faces": True}
    columns = {cell.column for cell in peers.cells("fast", faces=False)}
    assert {cell.column for cell in peers.cells("fast")} - columns == {peers.FACES}
