import pathlib
import re

README = pathlib.Path(__file__).parents[1] / "README.md"


def test_the_example_for_own_data_runs(tmp_path, monkeypatch, capsys):
    (code,) = re.findall(
        r"## Your own data.*?```python\n(.*?)```", README.read_text(), re.S
    )
    monkeypatch.chdir(tmp_path)
    variables = {}
    exec(compile(code, str(README), "exec"), variables)
    assert "accuracy" in capsys.readouterr().out
    assert (tmp_path / "classifier" / "saved_model.pb").exists()
    assert variables["classifier"](variables["x"])["features"].shape == (
        4096,
        8,
    )
