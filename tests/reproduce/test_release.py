"""Records of finished runs become released ones."""

import pytest
from scripts import record

from reproduce import release
from reproduce.experiment import records, run_files
from reproduce.recipes import credit


def test_release_takes_the_records_of_finished_runs(tmp_path, capsys):
    done, running = credit.cells("quick", rows=["ERM"], seeds=2)
    path = run_files.directory(done.settings, tmp_path / "runs") / "record.json"
    old = record(done.settings)
    records.write(old, path)
    run_files.directory(running.settings, tmp_path / "runs").mkdir()
    words = ["--output-dir", str(tmp_path / "runs")]
    words += ["--records", str(tmp_path / "records")]
    assert release.main(words) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"german_credit {done.settings.id}",
        "1 released, 0 kept as they were.",
    ]
    (file,) = (tmp_path / "records").iterdir()
    assert file.name == "german_credit.jsonl"
    assert records.read_all(tmp_path / "records") == [old]
    # What was released stays, unless it is said.
    again = record(done.settings, 9)
    records.write(again, path)
    assert release.main(words) == 0
    out = capsys.readouterr().out
    assert out == "0 released, 1 kept as they were.\n"
    assert records.read_all(tmp_path / "records") == [old]
    assert release.main([*words, "--replace"]) == 0
    assert records.read_all(tmp_path / "records") == [again]


def test_release_says_what_is_wrong(tmp_path, capsys):
    (tmp_path / "runs").mkdir()
    (tmp_path / "file").write_text("")
    runs = ["--output-dir", str(tmp_path / "runs")]
    for words, message in {
        ("--output-dir", str(tmp_path / "no")): "Records are read from a directory",
        ("--output-dir", ""): "--output-dir: Expected: the path of a directory",
        ("--records", ""): "--records: Expected: the path of a directory",
        (*runs, "--records", str(tmp_path / "file")): "directory cannot be written",
        tuple(runs): "There is nothing to release. Expected: the record of",
    }.items():
        with pytest.raises(SystemExit) as stopped:
            release.main(list(words))
        assert stopped.value.code == 2
        assert message in capsys.readouterr().err
