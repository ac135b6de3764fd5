"""The cells of figures and studies beside Table 1."""

import collections

import pytest
from cells import flat, ids, labels, one

from reproduce.experiment.profile import variants
from reproduce.experiment.settings import change, names, value
from reproduce.recipes import digits, studies


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


def test_the_papers_row_is_as_printed_and_as_released():
    made = studies.printed_and_released("paper", variances=[0.02], seeds=1)
    of = {cell.row: flat(cell.settings) for cell in made}
    table = digits.cells("paper", rows=[digits.MI], variances=[0.02], seeds=1)
    printed = flat(one(table).settings)
    early = {**printed, "epochs": 20}
    assert of == {
        "printed settings": printed,
        "printed settings, P = 8": {**early, "estimator_batches": 8},
        "printed settings, released order": {**early, "released_order": True},
        "released settings": {
            **early,
            "released_order": True,
            "batch_size": 128,
            "estimator_steps": 40,
        },
    }


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
    assert len({*ids(made)}) == len(made) == 28
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
        ([digits.MI], ["paper", "released", "fast"]),
        ([digits.CONDITIONAL], ["fast", "quick"]),
        (studies.STRESS_ROWS, ["fast"]),
    ],
)
def test_profiles_that_have_all_of_some_rows(rows, profiles):
    assert list(studies.profiles_with(*rows)) == profiles
