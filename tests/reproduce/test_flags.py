"""The flags of all scripts: what they take, and what they refuse at once."""

import re

import pytest

from reproduce.experiment import flags, records


def parse(text, capsys=None, *, figure=False):
    """Parses flags; with `capsys`, returns the error that ends the program."""
    parser = flags.make_parser("It does.", ["quick", "fast"], (0.02, 0.05))
    (flags.add_figure_flags if figure else flags.add_table_flags)(parser)
    words = text if isinstance(text, list) else text.split()
    if capsys is None:
        return flags.parse(parser, words)
    with pytest.raises(SystemExit) as stopped:
        flags.parse(parser, words)
    assert stopped.value.code == 2
    return capsys.readouterr().err


def test_nothing_has_to_be_given():
    assert vars(parse("")) == {
        "profile": None,
        "methods": None,
        "variances": None,
        "seeds": None,
        "set": None,
        "jobs": None,
        "devices": None,
        "backend": "loky",
        "address": None,
        "data_dir": None,
        "output_dir": "runs",
        "from_records": None,
        "dry_run": False,
        "format": "text",
        "update_docs": False,
    }


def test_all_flags_of_a_table():
    options = parse(
        [
            *("--profile", "fast", "--methods", "ERM", "conditional MI"),
            *("--variances", "0.020", "5e-2", "--seeds", "1000"),
            *("--set", "epochs=3", "attribute=bits", "--jobs", "4"),
            *(
                "--devices",
                "2",
                "--backend",
                "ray",
                "--address",
                "auto",
                "--data-dir",
                "data",
            ),
            *("--output-dir", "my runs", "--from-records", "records"),
            *("--dry-run", "--format", "latex"),
        ]
    )
    assert vars(options) == {
        "profile": "fast",
        "methods": ["ERM", "conditional MI"],
        "variances": [0.02, 0.05],
        "seeds": 1000,
        "set": ["epochs=3", "attribute=bits"],
        "jobs": 4,
        "devices": 2,
        "backend": "ray",
        "address": "auto",
        "data_dir": "data",
        "output_dir": "my runs",
        "from_records": "records",
        "dry_run": True,
        "format": "latex",
        "update_docs": False,
    }


def test_a_figure_is_written_beside_the_package():
    options = parse("", figure=True)
    assert options.figures_dir == str(flags.FIGURES)
    assert (flags.FIGURES.parent / "setup.cfg").exists()
    assert parse("--figures-dir x", figure=True).figures_dir == "x"
    assert not hasattr(options, "format")


def test_variances_are_a_flag_where_there_are_some():
    parser = flags.make_parser("It does.", ["quick"])
    assert not hasattr(flags.parse(parser, []), "variances")


REFUSED = {
    "--profile slow": r"--profile: Expected.*'quick', 'fast'.*Received: 'slow'",
    "--variances 0.02 0.5": r"--variances: Expected.*\[0.02, 0.05\].*ved: 0.5",
    "--variances 0.02,0.05": r"--variances: Expected.*Received: '0.02,0.05'",
    "--variances nan": "--variances: Expected.*Received: nan",
    "--variances": "--variances: expected at least one argument",
    "--methods": "--methods: expected at least one argument",
    "--seeds 0": r"--seeds: Expected: an integer in 1..1000. Received: '0'",
    "--seeds -1": "--seeds",
    "--seeds 1.5": r"--seeds: Expected.*Received: '1.5'",
    "--seeds 1001": r"--seeds: Expected.*Received: '1001'",
    "--seeds 10000000": r"--seeds: Expected.*Received: '10000000'",
    "--jobs 0": r"--jobs: Expected: an integer in 1..1000. Received: '0'",
    "--jobs two": r"--jobs: Expected: an integer in 1..1000. Received: 'two'",
    "--backend smoke": r"--backend: Expected: one of.*Received: 'smoke'",
    "--format html": r"--format: Expected: one of.*Received: 'html'",
    "--set": "--set: expected at least one argument",
    "--set epochs": "--set: A setting has a name and a value.*'epochs'",
    "--set epochs=3 =4": r"--set: A setting has.*Received: '=4'",
    "--jobs 100000": r"--jobs: Expected.*1..1000. Received: '100000'",
    "--address tcp://h:1": "--address: Only a cluster has.*'tcp://h:1'",
    "--speed 3": "unrecognized arguments: --speed",
}


@pytest.mark.parametrize("text", REFUSED)
def test_wrong_flags_are_refused(text, capsys):
    error = " ".join(parse(text, capsys).split())
    assert re.search(REFUSED[text], error), error


@pytest.mark.parametrize(
    "flag", ["--from-records", "--data-dir", "--output-dir", "--figures-dir"]
)
@pytest.mark.parametrize("path", ["", "  ", "a\0b"])
def test_an_empty_path_is_refused(flag, path, capsys):
    error = parse([flag, path], capsys, figure=True)
    message = f"{flag}: Expected: the path of a directory. Received: {path!r}."
    assert message in error


def test_an_empty_address_is_refused(capsys):
    error = parse(["--backend", "dask", "--address", ""], capsys)
    assert "--address: Expected: the address of a cluster. Received: ''." in error


def test_what_is_said_twice_counts_once():
    options = parse("--methods ERM other ERM --variances 0.05 0.02 0.050")
    assert options.methods == ["ERM", "other"]
    assert options.variances == [0.05, 0.02]


def test_an_address_belongs_to_a_cluster():
    for backend in ("ray", "dask"):
        options = parse(f"--backend {backend} --address tcp://h:1")
        assert (options.backend, options.address) == (backend, "tcp://h:1")


def test_pages_show_released_records(capsys, monkeypatch, tmp_path):
    released = str(records.RELEASED)
    options = parse(["--update-docs", "--from-records", released])
    assert options.update_docs
    # However the directory is named.
    monkeypatch.chdir(records.RELEASED.parent)
    assert parse("--update-docs --from-records ./records/").update_docs
    for received in ([], ["--from-records", str(tmp_path)]):
        error = parse(["--update-docs", *received], capsys)
        assert "--update-docs: the pages show released records" in error
        assert released in error


@pytest.mark.parametrize(
    ("more", "flag"),
    [
        ("--dry-run", "dry-run. Received: True"),
        ("--methods ERM", r"methods. Received: \['ERM'\]"),
        ("--variances 0.02", r"variances. Received: \[0.02\]"),
        ("--set epochs=3", r"set. Received: \['epochs=3'\]"),
    ],
)
def test_pages_show_whole_tables(more, flag, capsys):
    shown = ["--update-docs", "--from-records", str(records.RELEASED)]
    error = parse([*shown, *more.split()], capsys)
    assert re.search(
        f"--update-docs: the pages show whole tables. Expected: no --{flag}",
        error,
    )
    # Other seeds have a block of their own.
    assert parse([*shown, "--seeds", "1"]).seeds == 1


def test_one_of_some_values():
    number = flags.one_of([1, 2], int)
    assert number("2") == 2
    for text in ("3", "x"):
        with pytest.raises(Exception, match=r"one of \[1, 2\]. Received"):
            number(text)


def test_a_count():
    assert flags.count("1") == 1
    assert flags.count("1000") == flags.MOST == 1000
    for text in ("1001", "0", "-1", "1e3", "", " 1", "1_000", "nan", 5000 * "9"):
        with pytest.raises(Exception, match=r"an integer in 1\.\.1000. Received"):
            flags.count(text)
