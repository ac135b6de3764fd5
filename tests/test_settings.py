import pytest

from keras_unbias import training
from reproduce import settings


@pytest.mark.parametrize("profile", settings.PROFILES)
@pytest.mark.parametrize("digits", ["mnist", "mnist-5000"])
def test_every_cell_is_a_run_that_training_accepts(profile, digits):
    configs = settings.table1(profile, digits=digits)
    for config in configs:
        training._check(config)
        assert config.settings["digits"] == digits
        assert config.settings["epochs"] >= 1
    assert len({config.run_id for config in configs}) == len(configs)


def test_the_paper_to_the_letter():
    configs = settings.table1("paper")
    assert len(configs) == len(settings.ROWS) * 7 * 3
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
            for config in settings.table1("quick", digits=digits)
        ]
        for digits, rows in {"mnist": 60000, "mnist-5000": 4000}.items()
    }
    for one, other in zip(steps["mnist"], steps["mnist-5000"]):
        # One epoch is the least there is.
        assert 0.5 <= one / other <= 2.5
