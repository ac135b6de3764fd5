"""The recipes: the paper's numbers by hand, and the cells of the tables."""

import itertools
import re

import pytest
from cells import flat, ids, labels, one

from reproduce.experiment.profile import with_changes
from reproduce.experiment.settings import value
from reproduce.recipes import credit, digits, faces, information, peers

PAPER_VARIANCES = [0.020, 0.025, 0.030, 0.035, 0.040, 0.045, 0.050]
PRIOR = "augmented bias-balanced + MI"
TABLES = [
    pytest.param(module, profile, id=f"{module.__name__[18:]}-{profile}")
    for module in (credit, digits, faces, peers)
    for profile in module.PROFILES
]


# All tables.


@pytest.mark.parametrize(("module", "profile"), TABLES)
def test_every_cell_is_a_run_of_its_own(module, profile):
    chosen = module.PROFILES[profile]
    made = module.cells(profile)
    # Labels and seed tell cells apart, and so do the ids of their runs.
    places = {(c.row, c.column, c.settings.seed) for c in made}
    expected = len(chosen.rows) * len(chosen.columns) * chosen.seeds
    if module is peers:
        # Some columns have few rows, or more seeds.
        few = len(peers.OWN) * len(peers.FEW) + len(peers.OTHERS) + 1
        expected -= len(peers.OTHERS) * len(peers.PROBLEMS) * chosen.seeds
        expected += few * peers.FEW_SEEDS
    assert len(made) == len(places) == len({*ids(made)}) == expected
    assert labels(made) == list(chosen.rows)


# Table 1.


@pytest.mark.parametrize("row", ["ERM", "MI backpropagation"])
@pytest.mark.parametrize("variance", PAPER_VARIANCES)
def test_table1_of_the_paper_to_the_letter(row, variance):
    cell = one(digits.cells("paper", rows=[row], variances=[variance], seeds=1))
    assert (cell.row, cell.column) == (row, f"{variance:.3f}")
    shared = {
        "data": "colored_mnist",
        "digits": "mnist",
        "color_variance": variance,
        # Eight one-hot bins a channel, and the colors of the class.
        "attribute": "bins",
        "train_colors": "class",
        "gray_scale": False,
        "held_out": 0,
        "augment": False,
        "batch_size": 1024,
        "epochs": 150,
        "learning_rate": 1e-4,
        "epsilon": 1e-8,
        "decay": "constant",
        "weight_averaging": 0.0,
        "precision": "mixed_bfloat16",
        "jit_compile": None,
        "epochs_per_report": 1,
        "prior_strength": 0.0,
        "overlap_width": 0.0,
        "discriminant_shrinkage": 0.0,
        "seed": 1,
    }
    if row == "ERM":
        assert flat(cell.settings) == {**shared, "method": "erm"}
        return
    assert flat(cell.settings) == {
        **shared,
        "method": "mi_backprop",
        "mi_weight": 1.0,
        "conditional": False,
        "own_optimizer": True,
        "clip": True,
        "released_order": False,
        "mi_every": 1,
        "critic": "concatenated",
        "critic_hidden": (64, 64, 64),
        "standardize": False,
        "estimator_steps": 80,
        "estimator_batches": 2,
        "estimator_learning_rate": 1e-4,
        "estimator_optimizer": "adam",
        "estimator_accumulate": 1,
    }


def test_table1_of_the_paper_has_its_rows_variances_and_seeds():
    made = digits.cells("paper")
    assert labels(made) == ["ERM", "MI backpropagation"]
    assert len(made) == 2 * 7 * 3
    assert {c.settings.seed for c in made} == {1, 2, 3}
    found = sorted({c.settings.data.color_variance for c in made})
    assert found == PAPER_VARIANCES


def test_the_released_settings_are_the_paper_in_another_order():
    made = digits.cells("released")
    assert labels(made) == ["MI backpropagation"]
    assert len(made) == 7 * 3
    for cell, printed in zip(
        made, digits.cells("paper", rows=["MI backpropagation"]), strict=True
    ):
        assert flat(cell.settings) == {
            **flat(printed.settings),
            "batch_size": 128,
            "epochs": 502,
            "estimator_steps": 40,
            "released_order": True,
        }


def test_fast_has_the_paper_ours_and_two_marks_to_measure_by():
    made = digits.cells("fast", seeds=1, variances=[0.02])
    methods = {c.row: c.settings.method.name for c in made}
    assert methods == {
        "ERM": "erm",
        "MI backpropagation": "mi_backprop",
        "conditional MI": "mi_backprop",
        "bias-balanced": "bias_balanced",
        "augmented bias-balanced": "bias_balanced",
        "augmented bias-balanced + MI": "mi_backprop",
        "attribute confusion (Alvi)": "attribute_confusion",
        "adversarial unlearning (Kim)": "adversarial_unlearning",
        "oracle (random training colors)": "erm",
        "ERM on gray-scale images": "erm",
    }
    of = {c.row: flat(c.settings) for c in made}
    rows = {
        name: {row for row in of if of[row].get(name) not in (None, usual)}
        for name, usual in {
            "train_colors": "class",
            "gray_scale": False,
            "augment": False,
            "prior_strength": 0.0,
            "conditional": False,
        }.items()
    }
    assert rows == {
        "train_colors": {"oracle (random training colors)"},
        "gray_scale": {"ERM on gray-scale images"},
        "augment": {"augmented bias-balanced", PRIOR},
        "prior_strength": {"bias-balanced", "augmented bias-balanced", PRIOR},
        "conditional": {"conditional MI", PRIOR},
    }
    assert of["MI backpropagation"]["mi_weight"] == 0.75
    assert {c["batch_size"] for c in of.values()} == {256, 512}
    # No run of ours takes a tenth of the paper's epochs.
    assert max(c["epochs"] for c in of.values()) < 15


@pytest.mark.parametrize("kind", ["mnist", "mnist-5000", "kim"])
def test_all_cells_are_of_the_digits_that_there_are(kind):
    for profile in digits.PROFILES:
        made = digits.cells(profile, digits=kind)
        assert {c.settings.data.digits for c in made} == {kind}
        assert min(c.settings.training.epochs for c in made) >= 1
        assert len({*ids(made)}) == len(made)


def test_quick_takes_about_as_many_steps_on_all_digits():
    steps = {
        kind: [
            rows * cell.settings.training.epochs
            for cell in digits.cells("quick", digits=kind)
        ]
        for kind, rows in {"mnist": 60000, "mnist-5000": 4000}.items()
    }
    for on_all, on_few in zip(*steps.values(), strict=True):
        # One epoch is the least there is.
        assert 0.5 <= on_all / on_few <= 2.5


def test_published_digits_have_no_row_of_random_colors():
    rows = {cell.row for cell in digits.cells("fast", digits="kim")}
    (oracle,) = digits.PROFILES["fast"].rows.keys() - rows
    assert oracle == "oracle (random training colors)"
    assert oracle in {cell.row for cell in digits.cells("fast")}
    with pytest.raises(ValueError, match=r"colored already.*oracle"):
        digits.cells("fast", rows=["ERM", oracle], digits="kim")


# Table 2.


@pytest.mark.parametrize(
    ("column", "split", "weight"), [("EB1", "eb1", 0.5), ("EB2", "eb2", 0.9)]
)
def test_table2_of_the_paper_to_the_letter(column, split, weight):
    made = faces.cells("paper", rows=["MI backpropagation"])
    assert len(made) == 2 * 3
    cells = [cell for cell in made if cell.column == column]
    assert [c.settings.seed for c in cells] == [1, 2, 3]
    assert flat(cells[0].settings) == {
        "data": "imdb_faces",
        "faces": "imdb",
        "train_split": split,
        "train_size": 2000,
        "image_size": 224,
        "skip_bad_images": False,
        "backbone": "ResNet50",
        "alpha": 1.0,
        "weights": "imagenet",
        "frozen": False,
        "features": "dense",
        "batch_norm": "inference",
        "preprocessing": "backbone",
        "batch_size": 24,
        "epochs": 6,
        "learning_rate": 1e-5,
        "epsilon": 1e-7,
        "decay": "constant",
        "weight_averaging": 0.0,
        "precision": "float32",
        "jit_compile": None,
        "epochs_per_report": 1,
        "method": "mi_backprop",
        "mi_weight": weight,
        "conditional": False,
        "own_optimizer": True,
        "clip": True,
        "released_order": False,
        "mi_every": 1,
        "prior_strength": 0.0,
        "overlap_width": 0.0,
        "discriminant_shrinkage": 0.0,
        "critic": "concatenated",
        "critic_hidden": (512, 512, 512),
        "standardize": False,
        # 10 mini-batches of 24 make one of K = 20 steps.
        "estimator_steps": 20,
        "estimator_accumulate": 10,
        "estimator_batches": 20,
        "estimator_learning_rate": 0.1,
        "estimator_optimizer": "sgd",
        "seed": 1,
    }


def test_conditional_mi_has_an_estimator_of_ours_on_faces_too():
    of = {
        c.row: flat(c.settings)
        for c in faces.cells("paper", seeds=1)
        if c.column == "EB2"
    }
    assert of["conditional MI"] == {
        **of["MI backpropagation"],
        "conditional": True,
        "estimator_learning_rate": 2e-3,
        "estimator_optimizer": "adam",
        "critic": "separable",
        "standardize": True,
    }


def test_quick_draws_small_faces_for_a_small_network():
    for cell in faces.cells("quick"):
        settings = flat(cell.settings)
        assert (settings["faces"], settings["image_size"]) == ("drawn", 48)
        assert (settings["backbone"], settings["weights"]) == ("small", "none")
        assert (settings["batch_size"], settings["epochs"]) == (24, 10)


@pytest.mark.parametrize("profile", faces.PROFILES)
def test_the_curves_beside_table2_are_its_row_and_lambda_0(profile):
    table, made = faces.cells(profile), faces.curves(profile)
    # One curve of each pair is a row of the table.
    new = {*ids(made)} - {*ids(table)}
    assert 2 * len(new) == len(made)
    for cell in made:
        weight = value(cell.settings, "mi_weight")
        assert cell.row == f"λ = {weight:g}"
        assert (weight == 0) == (cell.settings.id in new)
        # The estimator reads with any lambda.
        assert "estimator" in cell.settings.groups
    assert labels(made)[0] == "λ = 0"


# Table 3.


@pytest.mark.parametrize("weight", [0.5, 1.0])
def test_table3_of_the_paper_to_the_letter(weight):
    row = f"MI backpropagation (lambda = {weight:g})"
    made = credit.cells("paper", rows=[row])
    assert [c.settings.seed for c in made] == list(range(1, 11))
    assert flat(made[0].settings) == {
        "data": "german_credit",
        "age_input": False,
        "batch_size": 64,
        "epochs": 500,
        "learning_rate": 1e-5,
        "epsilon": 1e-7,
        "decay": "constant",
        "weight_averaging": 0.0,
        "precision": "float32",
        "jit_compile": True,
        "epochs_per_report": 50,
        "method": "mi_backprop",
        "mi_weight": weight,
        "conditional": False,
        "own_optimizer": False,
        "clip": True,
        "released_order": False,
        "mi_every": 1,
        "prior_strength": 0.0,
        "overlap_width": 0.0,
        "discriminant_shrinkage": 0.0,
        "critic": "concatenated",
        "critic_hidden": (64,),
        "standardize": False,
        "estimator_steps": 30,
        "estimator_batches": 6,
        "estimator_learning_rate": 0.1,
        "estimator_optimizer": "sgd",
        "estimator_accumulate": 1,
        "seed": 1,
    }


def test_table3_has_the_baselines_that_the_paper_cites():
    assert labels(credit.cells("paper")) == [
        *("constant", "SVM", "FERM", "ERM"),
        "MI backpropagation (lambda = 0.5)",
        "MI backpropagation (lambda = 1)",
    ]
    fast = credit.cells("fast", seeds=1)
    of = {c.row: flat(c.settings) for c in fast}
    for name, kernel in {"SVM": "linear", "SVM (RBF)": "rbf"}.items():
        assert of[name]["kernel"] == of[name.replace("SVM", "FERM")]["kernel"]
        assert of[name]["kernel"] == kernel
        # Twelve of Donini et al.'s fifteen, from 1e-4 on.
        grid = of[name]["C"]
        assert len(grid) == 12 and grid[0] == 1e-4
        ratios = [high / low for low, high in itertools.pairwise(grid[2:])]
        assert ratios == pytest.approx([10 ** (6 / 14)] * 9, rel=1e-2)
    assert of["SVM (RBF)"]["gamma"] == (1.0, 0.1, 0.01, 0.001)
    for profile in credit.PROFILES:
        assert "ERM" in labels(credit.cells(profile, seeds=1))


def test_baselines_are_one_run_for_all_profiles():
    made = [
        with_changes(
            credit.cells(profile, rows=["SVM", "FERM"], seeds=1),
            {"age_input": True},
        )
        for profile in credit.PROFILES
    ]
    assert len({tuple(ids(cells)) for cells in made}) == 1


def test_table3_has_no_such_row():
    with pytest.raises(ValueError, match=r"Received: \['FERM \(RBF\)'\]"):
        credit.cells("paper", rows=["FERM (RBF)"])


# Known information.


def test_the_tasks_of_known_information():
    made = information.cells("fast")
    tasks = [*information.CHOSEN_WITH, *information.OTHERS]
    assert len({*tasks}) == len(tasks) == 45
    assert {c.settings.data.task for c in made} == {*tasks}
    by_package = {}
    for cell in made:
        assert cell.row == cell.settings.data.task
        assert cell.column == cell.settings.method.package
        by_package.setdefault(cell.column, []).append(cell.row)
    assert {p: len(rows) for p, rows in by_package.items()} == {
        "keras_unbias": 45,
        "scikit-learn": 11,
        "infomeasure": 45,
    }
    assert len({*ids(made)}) == len(made)


# Other packages.


def test_the_comparison_with_other_packages():
    made = peers.cells("fast", seeds=2)
    assert {c.settings.seed for c in made} == {0, 1}
    assert {c.column for c in made} == {*peers.PROBLEMS, *peers.FEW}
    for cell in made:
        data = cell.settings.data
        assert data.problem in cell.column or data.problem == "credit"
        if data.problem == "credit":
            continue
        few = cell.column in peers.FEW
        rows = 3000 if data.problem == "faces" else 4000
        assert data.rows == (rows if few else 10_000)
        percent = re.search(r"(\d+) %", cell.column)
        assert data.agreement == (int(percent[1]) / 100 if few else 0.9)
        assert data.audited == (cell.column == peers.AUDITED)
    of = {c.row: flat(c.settings) for c in made if c.column == "gaussians"}
    assert of["audit"]["method"] == "audit"
    former = of["UnbiasedClassifier, erase=False"]
    assert of["UnbiasedClassifier"] == {**former, "erase": True}
    reweighed = of["reweighing, same network"]
    assert reweighed == {**former, "classifier": "erm", "reweighing": True}
    plain = of["plain training, same network"]
    assert plain == {**reweighed, "reweighing": False}
    same = of["AdversarialFairnessClassifier, same network"]
    assert same["predictor_model"] == (64, "relu", 32, "relu")
    assert of["AdversarialFairnessClassifier"]["predictor_model"] == ()
