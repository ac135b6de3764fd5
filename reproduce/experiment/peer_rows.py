"""The training and test rows of a comparison with other packages."""

import pandas as pd

from reproduce.experiment import peer_problems
from reproduce.experiment.groups import PeerProblem


def draw(
    data: PeerProblem, seed: int, data_dir: str | None = None
) -> tuple[peer_problems.Rows, peer_problems.Rows]:
    """Makes the rows of a run.

    Args:
        data: the problem.
        seed: seed of the draw, or of the split of German credit.
        data_dir: where German credit's file is, see `german_credit.load`.

    Returns:
        The training rows, and the test rows. In test rows that are drawn the
        attribute agrees with the label by chance only.
    """
    if data.problem == "credit":
        return _credit(seed, data_dir)
    problem = peer_problems.PROBLEMS[data.problem]
    return (
        problem.draw(data.rows, data.agreement, 2 * seed),
        problem.draw(data.rows, 1 / problem.classes, 2 * seed + 1),
    )


def _credit(seed, data_dir):
    from keras_unbias.data import german_credit

    dataset = german_credit.load(seed=seed, data_dir=data_dir)
    train, test = (
        peer_problems.Rows(
            split.inputs, split.labels, pd.DataFrame({"young": split.attributes[:, 0]})
        )
        for split in (dataset.train, dataset.test)
    )
    return train, test
