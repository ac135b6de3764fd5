import ast
import pathlib
import subprocess
import sys

import keras_unbias

ROOT = pathlib.Path(__file__).parents[1]
LIBRARY = sorted((ROOT / "keras_unbias").rglob("*.py"))
# Each may import those before it.
ORDER = (
    "checks",
    "metrics",
    "fair_svm",
    "baselines",
    "losses",
    "environment",
    "mutual_information",
    "networks",
    "datasets",
    "methods",
    "attributes",
    "unbiased_classifier",
    "observation",
    "fresh_estimators",
    "probes",
    "auditing",
    "runs",
    "run_settings",
    "serving",
    "callbacks",
    "training",
    "reporting",
    "plots",
    "selection",
    "tuning",
)


def imported(path):
    """Full names of the modules that a file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_public_names():
    assert set(keras_unbias.__all__) == {
        "AttributeEncoder",
        "Audit",
        "BiasBalanced",
        "BiasedDataset",
        "ConcatenatedCritic",
        "LabelPrior",
        "MutualInformationBackpropagation",
        "MutualInformationEstimator",
        "MiWeightSchedule",
        "MutualInformationMonitor",
        "Record",
        "RepresentationClassifier",
        "RunConfig",
        "SeparableCritic",
        "Split",
        "UnbiasedClassifier",
        "audit",
        "donsker_varadhan_bound",
        "load_classifier",
        "select_mi_weight",
        "train",
        "tune",
    }
    for name in keras_unbias.__all__:
        assert getattr(keras_unbias, name).__doc__
    assert set(keras_unbias.__all__) <= set(dir(keras_unbias))
    assert not hasattr(keras_unbias, "no_such_name")


def test_imports_go_one_way():
    for path in LIBRARY:
        module = path.relative_to(ROOT / "keras_unbias").parts[0]
        module = module.removesuffix(".py")
        assert module in (*ORDER, "__init__"), path
        for name in imported(path):
            assert not name.startswith(("keras.src", "tensorflow.keras"))
            assert not name.startswith(("reproduce", "tests"))
            parts = name.split(".")
            if parts[0] == "keras_unbias" and module != "__init__":
                for part in parts[1:2]:
                    if part in ORDER:
                        assert ORDER.index(part) <= ORDER.index(module), (
                            path,
                            name,
                        )


def test_the_library_does_not_print():
    for path in LIBRARY:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                assert getattr(node.func, "id", "") != "print", path


def test_reading_records_needs_no_tensorflow():
    code = (
        "import sys, keras_unbias.reporting, keras_unbias.runs\n"
        "assert 'tensorflow' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
