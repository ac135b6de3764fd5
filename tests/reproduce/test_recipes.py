"""The recipes: the paper's numbers by hand, and the cells that they make."""

import collections
import itertools

import pytest

from reproduce.experiment.groups import Erm, GermanCredit, Method
from reproduce.experiment.settings import Settings, change, names, value
from reproduce.recipes import credit, digits, faces, peers, studies
from reproduce.recipes.profile import Profile, variants, with_changes

PAPER_VARIANCES = [0.020, 0.025, 0.030, 0.035, 0.040, 0.045, 0.050]
PRIOR = "augmented bias-balanced + MI"
TABLES = [
    pytest.param(module, profile, id=f"{module.__name__[18:]}-{profile}")
    for module in (credit, digits, faces, peers)
    for profile in module.PROFILES
]


def flat(settings):
    """All settings of a run by name, and the names of data and method."""
    return {
        "data": settings.data.name,
        "method": settings.method.name,
        **{name: value(settings, name) for name in names(settings)},
    }


def one(cells):
    (cell,) = cells
    return cell


def ids(cells):
    return [cell.settings.id for cell in cells]


def labels(cells):
    return list(dict.fromkeys(cell.row for cell in cells))


def toy_profile(**given):
    base = Settings(data=GermanCredit(), method=Erm())
    rows = {"plain": {}, "long": {"epochs": 30}}
    return Profile(**{"base": base, "rows": rows, "seeds": 2, **given})


# Profiles.


def test_a_profile_is_rows_by_columns_by_seeds():
    columns = {"in": {"age_input": True}, "out": {"age_input": False}}
    own = {("long", "out"): {"batch_size": 64}}
    made = toy_profile(columns=columns, own=own).cells()
    found = [
        (
            *(cell.row, cell.column, cell.settings.seed),
            cell.settings.training.epochs,
            cell.settings.data.age_input,
            cell.settings.training.batch_size,
        )
        for cell in made
    ]
    assert found == [
        ("plain", "in", 1, 10, True, 128),
        ("plain", "in", 2, 10, True, 128),
        ("plain", "out", 1, 10, False, 128),
        ("plain", "out", 2, 10, False, 128),
        ("long", "in", 1, 30, True, 128),
        ("long", "in", 2, 30, True, 128),
        ("long", "out", 1, 30, False, 64),
        ("long", "out", 2, 30, False, 64),
    ]


def test_a_choice_of_rows_columns_and_seeds():
    made = toy_profile().cells(["long"], {"x": {"batch_size": 8}}, 1)
    cell = one(made)
    assert (cell.row, cell.column, cell.settings.seed) == ("long", "x", 1)
    assert cell.settings.training.batch_size == 8
    assert {c.column for c in toy_profile().cells()} == {""}


def test_a_profile_has_no_such_row():
    with pytest.raises(
        ValueError, match=r"Expected: some of \['plain', 'long'\]. Received: \["
    ):
        toy_profile().cells(["plain", "short"])


def test_changes_reach_the_cells_that_have_the_setting():
    made = toy_profile(
        rows={"plain": {}, "constant": {"method": Method.known["constant"]()}}
    ).cells(seeds=1)
    plain, constant = with_changes(made, {"epochs": 7, "seed": 4})
    assert (plain.row, constant.row) == ("plain", "constant")
    assert plain.settings == change(made[0].settings, epochs=7, seed=4)
    # A constant classifier has no epochs, but a seed.
    assert constant.settings == change(made[1].settings, seed=4)


def test_changes_that_no_cell_has_are_refused():
    made = toy_profile().cells()
    with pytest.raises(
        ValueError, match=r"settings \['epoch', 'mi_weight'\]. Expected: .*bat"
    ):
        with_changes(made, {"mi_weight": 1.0, "epoch": 3, "epochs": 3})
    with pytest.raises(ValueError, match=r"`epochs` is wrong.*Received: 0"):
        with_changes(made, {"epochs": 0})


def test_variants_are_rows_of_their_own():
    made = toy_profile().cells(["plain"])
    varied = variants(made, {"as it is": {}, "small": {"batch_size": 8}})
    assert [(c.row, c.settings.seed) for c in varied] == [
        ("as it is", 1),
        ("as it is", 2),
        ("small", 1),
        ("small", 2),
    ]
    assert ids(varied[:2]) == ids(made)
    assert {c.settings.training.batch_size for c in varied[2:]} == {8}


# All tables.


@pytest.mark.parametrize(("module", "profile"), TABLES)
def test_every_cell_is_a_run_of_its_own(module, profile):
    chosen = module.PROFILES[profile]
    made = module.cells(profile)
    # Labels and seed tell cells apart, and so do the ids of their runs.
    places = {(c.row, c.column, c.settings.seed) for c in made}
    expected = len(chosen.rows) * len(chosen.columns) * chosen.seeds
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
        "critic": "concatenated",
        "critic_hidden": (64, 64, 64),
        "standardize": False,
        "estimator_steps": 80,
        "estimator_batches": 8,
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


# Beside Table 1.


def mi(**changes):
    """The paper's row in `fast` at one variance, seed 1."""
    cell = one(digits.cells("fast", rows=[digits.MI], variances=[0.03], seeds=1))
    return change(cell.settings, **changes)


def test_curves_over_lambda_are_the_papers_row():
    made = studies.lambdas(
        "fast", mi_weights=[0.0, 0.75, 2.0], variances=[0.03], seeds=1
    )
    assert {c.row: c.settings for c in made} == {
        "λ = 0": mi(mi_weight=0.0),
        # That of the table.
        "λ = 0.75": mi(),
        "λ = 2": mi(mi_weight=2.0),
    }
    assert {c.column for c in made} == {"0.030"}


def test_quick_has_curves_of_conditional_mi():
    made = studies.lambdas(
        "quick",
        mi_weights=studies.SELECTION_MI_WEIGHTS,
        variances=[0.02],
        digits="mnist-5000",
    )
    assert len(made) == 6
    assert all(c.settings.method.conditional for c in made)
    table = digits.cells(
        "quick", rows=["conditional MI"], variances=[0.02], digits="mnist-5000"
    )
    assert ids(table)[0] in ids(made)


def test_curves_over_the_number_of_updates():
    made = studies.estimator_steps("paper", variances=[0.02], seeds=1)
    steps = {c.row: c.settings.estimator.estimator_steps for c in made}
    assert steps == {"K = 20": 20, "K = 40": 40, "K = 80": 80}
    # The paper's own K is Table 1's.
    table = digits.cells(
        "paper", rows=["MI backpropagation"], variances=[0.02], seeds=1
    )
    assert ids(made)[-1] == ids(table)[0]


def test_figures_of_the_paper_are_where_it_has_them():
    assert studies.FIGURE4_VARIANCES == (0.030, 0.045)
    assert studies.FIGURE4_MI_WEIGHTS == (0, 0.5, 1)
    assert studies.SUPPLEMENT_FIGURE2_VARIANCES == (0.020,)


@pytest.mark.parametrize(
    ("profile", "row", "count"),
    [
        ("fast", "augmented bias-balanced + MI", 18),
        ("quick", "conditional MI", 19),
        ("paper", "MI backpropagation", 9),
    ],
)
def test_every_ablation_is_another_run_of_the_same_row(profile, row, count):
    made = studies.ablation(profile, variances=[0.02], seeds=1)
    assert len(made) == len(labels(made)) == len({*ids(made)}) == count
    # "As it is" is Table 1's cell.
    table = digits.cells(profile, rows=[row], variances=[0.02], seeds=1)
    assert made[0].row == "as it is"
    assert made[0].settings == one(table).settings
    for cell in made:
        settings = flat(cell.settings)
        assert settings["method"] == "mi_backprop"
        # There are more values in bits than a prior counts.
        assert settings["attribute"] == "bins" or not settings["prior_strength"]


@pytest.mark.parametrize("profile", studies.ABLATIONS)
def test_an_ablation_is_what_its_name_says(profile):
    cells = studies.ablation(profile, variances=[0.02], seeds=1)
    made = {c.row: flat(c.settings) for c in cells}
    expected = {
        "critic on [c, z]": {"critic": "concatenated"},
        "raw features": {"standardize": False},
        "one optimizer": {"own_optimizer": False},
        "no clip": {"clip": False},
        "one optimizer, no clip": {"own_optimizer": False, "clip": False},
        "K = 3": {"estimator_steps": 3},
        "K = 48": {"estimator_steps": 48},
        "P = 1": {"estimator_batches": 1},
        "P = 6": {"estimator_batches": 6},
        "eta = 1e-4": {"estimator_learning_rate": 1e-4},
        "no weight average": {"weight_averaging": 0.0},
        "I(Z;C)": {"conditional": False},
        "lambda = 0": {"mi_weight": 0.0},
        "lambda = 1": {"mi_weight": 1.0},
        "not augmented": {"augment": False},
        "no prior": {"prior_strength": 0.0},
        "attribute in bits": {"attribute": "bits"},
        "no prior, attribute in bits": {
            "prior_strength": 0.0,
            "attribute": "bits",
        },
        "20 epochs, separable critic": {"epochs": 20, "critic": "separable"},
        "20 epochs, standardized features, eta = 1e-3": {
            "epochs": 20,
            "standardize": True,
            "estimator_learning_rate": 1e-3,
        },
    }
    shared = made["as it is"]
    for row in expected.keys() & made.keys():
        assert made[row] == {**shared, **expected[row]}, row
    others = {"fast": 17, "quick": 15, "paper": 2}
    assert len(expected.keys() & made.keys()) == others[profile]


def test_the_printed_estimator_is_that_of_the_papers_recipe():
    changes = {
        **studies.ABLATIONS["quick"][1],
        **studies.ABLATIONS["fast"][1],
    }
    table = digits.cells(
        "paper", rows=["MI backpropagation"], variances=[0.02], seeds=1
    )
    same = {c.row for c in variants(table, changes) if ids([c]) == ids(table)}
    assert same == {
        "as it is",
        # It has these already.
        "critic on [c, z]",
        "raw features",
        "eta = 1e-4",
        "printed estimator",
        "no weight average",
        "lambda = 1",
        # And it has none of these to leave out.
        "I(Z;C)",
        "no prior",
        "not augmented",
    }


def test_ours_in_the_papers_recipe_is_the_estimator_of_fast():
    fast = flat(mi())
    made = studies.ablation("paper", variances=[0.03], seeds=1)
    (cell,) = [c for c in made if c.row == "estimator of fast"]
    for name in names(cell.settings):
        if name.startswith("estimator") or name in ("critic", "standardize"):
            assert value(cell.settings, name) == fast[name], name
    assert cell.settings.training == made[0].settings.training


def test_stress_cells_are_those_of_the_table():
    made = studies.stress("fast", variances=[0.005, 0.02], seeds=1)
    rows = ["augmented bias-balanced", "augmented bias-balanced + MI"]
    assert labels(made) == rows
    table = digits.cells("fast", rows=rows, variances=[0.005, 0.02], seeds=1)
    assert made == table


def test_search_looks_at_held_out_digits_alone():
    made = studies.search("fast", seeds=1)
    assert len({*ids(made)}) == len(made) == 26
    assert {c.settings.data.held_out for c in made} == {5000}
    known = {*ids(digits.cells("fast"))}
    for cell in made:
        assert cell.settings.id not in known
        assert cell.row not in digits.PROFILES["fast"].rows
    # Each is tried where it was tried, and there alone.
    where = collections.defaultdict(list)
    for cell in made:
        where[cell.row].append(cell.column)
    assert where["MI backpropagation, lambda = 0.5"] == ["0.020", "0.035"]
    assert where["bias-balanced, 10 epochs, average 0.995"] == ["0.035"]
    some = studies.search("fast", variances=[0.035], seeds=1)
    assert some == [c for c in made if c.column == "0.035"]


def test_no_recipe_was_tried_at_other_variances():
    with pytest.raises(ValueError, match=r"0\.05\]. Received: \[0.03\]. Name"):
        studies.search("fast", variances=[0.03])


def test_rows_with_an_estimator():
    made = studies.with_estimator("fast", variances=[0.02], seeds=1)
    assert labels(made) == [
        "MI backpropagation",
        "conditional MI",
        "augmented bias-balanced + MI",
    ]


@pytest.mark.parametrize(
    ("rows", "profiles"),
    [
        ([digits.MI], ["paper", "fast"]),
        ([digits.CONDITIONAL], ["fast", "quick"]),
        (studies.STRESS_ROWS, ["fast"]),
    ],
)
def test_profiles_that_have_all_of_some_rows(rows, profiles):
    assert list(studies.profiles_with(*rows)) == profiles


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
        "weights": "imagenet",
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
        "prior_strength": 0.0,
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
        "prior_strength": 0.0,
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


# Other packages.


def test_the_comparison_with_other_packages():
    made = peers.cells("fast", seeds=2)
    assert {c.settings.seed for c in made} == {0, 1}
    assert {c.column for c in made} == {"gaussians", "categories", "pictures"}
    for cell in made:
        assert cell.settings.data.problem == cell.column
        assert cell.settings.data.rows == 10_000
    of = {c.row: flat(c.settings) for c in made}
    assert of["audit"]["method"] == "audit"
    ours = of["UnbiasedClassifier"]
    assert (ours["classifier"], ours["reweighing"]) == ("mi_backprop", False)
    reweighed = of["reweighing, same network"]
    assert reweighed == {**ours, "classifier": "erm", "reweighing": True}
    plain = of["plain training, same network"]
    assert plain == {**reweighed, "reweighing": False}
    same = of["AdversarialFairnessClassifier, same network"]
    assert same["predictor_model"] == (64, "relu", 32, "relu")
    assert of["AdversarialFairnessClassifier"]["predictor_model"] == ()
