"""The public surface of the library, its imports and its dependencies."""

import ast
import importlib
import inspect
import pathlib
import pkgutil
import subprocess
import sys

import pytest

import keras_unbias

ROOT = pathlib.Path(__file__).parents[2]
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(keras_unbias.__path__, prefix="keras_unbias.")
)


def run(code):
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_public_names():
    assert set(keras_unbias.__all__) == {
        "AdversarialUnlearning",
        "AttributeConfusion",
        "AttributeEncoder",
        "AttributeSpec",
        "Audit",
        "BiasBalanced",
        "BiasedDataset",
        "ChiSquaredPenalty",
        "ConcatenatedCritic",
        "LabelPrior",
        "MiWeightSchedule",
        "MutualInformationBackpropagation",
        "MutualInformationEstimator",
        "MutualInformationMonitor",
        "RepresentationClassifier",
        "SeparableCritic",
        "Split",
        "UnbiasedClassifier",
        "adjusted_discriminant",
        "audit",
        "donsker_varadhan_bound",
        "load_classifier",
        "mutual_information",
        "overlap_weights",
        "select_mi_weight",
        "tune",
    }
    for name in keras_unbias.__all__:
        assert getattr(keras_unbias, name).__name__ == name
    assert set(keras_unbias.__all__) <= set(dir(keras_unbias))
    assert not hasattr(keras_unbias, "no_such_name")


def test_audit_is_the_function_whatever_was_imported_before():
    for module in MODULES:
        importlib.import_module(module)
    assert inspect.isfunction(keras_unbias.audit)
    assert inspect.isfunction(keras_unbias.auditing.audit)


def test_the_library_is_typed():
    package = pathlib.Path(keras_unbias.__file__).parent
    assert (package / "py.typed").exists()
    stub = ast.parse((package / "__init__.pyi").read_text())
    names = [
        alias.name
        for node in stub.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    ]
    assert sorted(names) == keras_unbias.__all__


def public_objects():
    """Yields the public classes and functions of all packages, once each."""
    found = {}
    for module in ("keras_unbias", *MODULES):
        module = importlib.import_module(module)
        for name in getattr(module, "__all__", []):
            thing = getattr(module, name)
            if inspect.isclass(thing) or inspect.isfunction(thing):
                found[f"{thing.__module__}.{name}"] = thing
    return sorted(found.items())


def signatures():
    """Yields the names and functions of all public signatures."""
    for name, thing in public_objects():
        if inspect.isfunction(thing):
            yield name, thing
            continue
        for method, function in vars(thing).items():
            function = inspect.unwrap(getattr(function, "__func__", function))
            if isinstance(function, property):
                function = function.fget
            public = method == "__init__" or not method.startswith("_")
            # Dataclasses annotate their fields.
            written = getattr(function, "__module__", "") == thing.__module__
            if public and written and inspect.isfunction(function):
                yield f"{name}.{method}", function


def test_public_signatures_are_annotated():
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    bare = []
    for name, function in signatures():
        signature = inspect.signature(function)
        bare += [
            f"{name}({parameter.name})"
            for parameter in signature.parameters.values()
            if parameter.annotation is parameter.empty
            and parameter.kind not in variadic
            and parameter.name not in ("self", "cls")
        ]
        if signature.return_annotation is signature.empty and (
            function.__name__ != "__init__"
        ):
            bare.append(f"{name} -> ?")
    assert not bare


def test_imports_go_one_way():
    # In a process of its own, because it replaces the standard streams.
    run(
        "import sys\n"
        "from importlinter import cli\n"
        "sys.exit(cli.lint_imports(no_cache=True))"
    )


def test_only_public_modules_of_keras_are_imported():
    for path in ROOT.glob("keras_unbias/**/*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module]
            for name in names:
                assert not name.startswith(("keras.src", "tensorflow.keras"))


def test_the_library_does_not_print():
    for path in ROOT.glob("keras_unbias/**/*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                assert getattr(node.func, "id", "") != "print", path


def test_importing_the_package_does_not_import_tensorflow():
    run(
        "import sys, keras_unbias\n"
        "assert 'tensorflow' not in sys.modules\n"
        "assert 'keras' not in sys.modules\n"
    )


TRAINING_WITHOUT_OPTIONAL_PACKAGES = f"""
import importlib, sys
for name in ("tensorflow_datasets", "tqdm", "tabulate", "mlxtend"):
    sys.modules[name] = None
for name in {MODULES}:
    importlib.import_module(name)
import keras, numpy as np, keras_unbias as ku

rng = np.random.default_rng(0)
y, c = rng.integers(0, 2, (2, 90))
x = np.stack([y, c], 1) + rng.normal(0, 0.1, (90, 2)).astype("float32")
classifier = ku.UnbiasedClassifier(epochs=1, random_state=0)
classifier.fit(x, y, sensitive_features=c)
assert classifier.predict(x).shape == (90,)
encoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(4)])
model = ku.RepresentationClassifier(encoder, num_classes=2)
model.compile()
model.fit(x, {{"label": y, "attribute": c[:, None]}}, verbose=0)
print(ku.audit(model, (x, {{"attribute": c}}), resamples=3))
"""


@pytest.mark.slow
def test_training_and_audit_need_no_optional_package():
    text = run(TRAINING_WITHOUT_OPTIONAL_PACKAGES)
    assert text.startswith("Audit of 90 rows")
