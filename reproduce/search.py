"""The recipes that were tried for Table 1, on held-out training digits.

The digits that `fast` was chosen by: a part of the training digits that no
run of this script trains on, in random colours. An oracle, since such a set
takes the colours to be known, but not the test digits.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from reproduce import digit_table
from reproduce.settings import studies


def main(argv=None):
    """Runs what is missing and prints the table; returns the exit code."""
    return digit_table.main(
        argv,
        name="search",
        description=__doc__,
        title="Search. Accuracy on held-out training digits (oracle)",
        make_configs=make_configs,
        profiles=["fast"],
        variances=studies.SEARCH_VARIANCES,
        seeds=1,
    )


def make_configs(variances, **cells):
    """The cells of every recipe, where it was tried.

    Raises:
        ValueError: nothing was tried at these variances.
    """
    configs = [
        config
        for row, recipes in studies.SEARCH.items()
        for label, (tried, change) in recipes.items()
        if (places := [v for v in tried if v in variances])
        for config in studies.variants(
            row,
            {label: {**change, "held_out": studies.HELD_OUT}},
            variances=places,
            **cells,
        )
    ]
    if not configs:
        raise ValueError(
            "No recipe was tried there. Expected: some of the color variances "
            f"{list(studies.SEARCH_VARIANCES)}. Received: {list(variances)}. "
            "Name one of these, or leave out --variances."
        )
    return configs


if __name__ == "__main__":
    sys.exit(main())
