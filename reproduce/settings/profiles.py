"""A row's own settings in a profile, and one run for each seed."""

from keras_unbias.runs import RunConfig
from reproduce.settings import FIRST_SEED


def own_settings(chosen, profile, row):
    """The settings that a row has of its own in a profile.

    Args:
        chosen: dict, a value of one of the `PROFILES`.
        profile: its name.
        row: name of the row.

    Returns:
        Dict of settings.

    Raises:
        ValueError: the profile has no such row.
    """
    if row not in chosen["rows"]:
        raise ValueError(
            f"The profile {profile} has no such row. Expected: one of "
            f"{list(chosen['rows'])}. Received: {row!r}."
        )
    return chosen["rows"][row]


def seeded(seeds, **fields):
    """A `RunConfig` of these fields for each of so many seeds.

    Args:
        seeds: int, how many, from `FIRST_SEED` on.
        **fields: the other fields of `RunConfig`.

    Returns:
        List of `RunConfig`.
    """
    return [
        RunConfig(seed=seed, **fields)
        for seed in range(FIRST_SEED, FIRST_SEED + seeds)
    ]
