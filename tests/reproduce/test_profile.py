"""Profiles: rows and columns as changes of settings, and changes of cells."""

import pytest
from cells import ids, one

from reproduce.experiment.groups import Erm, GermanCredit, Method
from reproduce.experiment.profile import Profile, variants, with_changes
from reproduce.experiment.settings import Settings, change


def toy_profile(**given):
    base = Settings(data=GermanCredit(), method=Erm())
    rows = {"plain": {}, "long": {"epochs": 30}}
    return Profile(**{"base": base, "rows": rows, "seeds": 2, **given})


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
