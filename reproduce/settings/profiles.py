"""A row's own settings in a profile, and one run for each seed."""

from keras_unbias.runs import RunConfig
from reproduce.settings import FIRST_SEED


def own_settings(chosen, profile, row):
    """The settings that a row has of its own in a profile."""
    if row not in chosen["rows"]:
        raise ValueError(
            f"The profile {profile} has no such row. Expected: one of "
            f"{list(chosen['rows'])}. Received: {row!r}."
        )
    return chosen["rows"][row]


def seeded(seeds, **fields):
    """A `RunConfig` of these fields for each of so many seeds."""
    return [
        RunConfig(seed=seed, **fields)
        for seed in range(FIRST_SEED, FIRST_SEED + seeds)
    ]
