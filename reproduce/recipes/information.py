"""Tasks of known mutual information, and who estimates it."""

from reproduce.experiment.groups import InformationEstimate, KnownInformation
from reproduce.experiment.profile import Profile
from reproduce.experiment.results import Cell
from reproduce.experiment.settings import Settings

# The estimators and their settings were chosen with fold 0 of seed 0 of these
# tasks. Of the others, the copula alone was looked at.
CHOSEN_WITH = (
    "1v1-normal-0.75",
    "1v1-additive-0.1",
    "1v1-additive-0.75",
    "swissroll_x-normal_cdf-1v1-normal-0.75",
    "spiral-multinormal-sparse-3-3-2-2.0",
    "spiral-multinormal-sparse-5-5-2-2.0",
    "spiral-multinormal-sparse-25-25-2-2.0",
    "spiral-normal_cdf-multinormal-sparse-5-5-2-2.0",
    "spiral-normal_cdf-multinormal-sparse-25-25-2-2.0",
    "discrete-mixture-2",
    "discrete-mixture-5",
    "discrete-mixture-10x3",
    "discrete-mixture-5x5x5",
    "discrete-mixture-8x8x8",
    "student-identity-5-5-2",
)
OTHERS = (
    "spiral-normal_cdf-multinormal-sparse-3-3-2-2.0",
    "1v1-bimodal-0.75",
    "student-identity-1-1-1",
    "student-identity-2-2-1",
    "student-identity-2-2-2",
    "student-identity-3-3-2",
    "student-identity-3-3-3",
    "student-identity-5-5-3",
    "multinormal-dense-2-2-0.5",
    "multinormal-dense-3-3-0.5",
    "multinormal-dense-5-5-0.5",
    "multinormal-dense-25-25-0.5",
    "multinormal-dense-50-50-0.5",
    "multinormal-sparse-2-2-2-2.0",
    "multinormal-sparse-3-3-2-2.0",
    "multinormal-sparse-5-5-2-2.0",
    "multinormal-sparse-25-25-2-2.0",
    "half_cube-1v1-normal-0.75",
    "wiggly-1v1-normal-0.75",
    "normal_cdf-1v1-normal-0.75",
    "asinh-student-identity-1-1-1",
    "asinh-student-identity-2-2-1",
    "asinh-student-identity-3-3-2",
    "asinh-student-identity-5-5-2",
    "half_cube-multinormal-sparse-3-3-2-2.0",
    "half_cube-multinormal-sparse-5-5-2-2.0",
    "half_cube-multinormal-sparse-25-25-2-2.0",
    "normal_cdf-multinormal-sparse-3-3-2-2.0",
    "normal_cdf-multinormal-sparse-5-5-2-2.0",
    "normal_cdf-multinormal-sparse-25-25-2-2.0",
)
# scikit-learn's estimator is of one column with one other.
SINGLE_COLUMNS = (
    "1v1-normal-0.75",
    "1v1-additive-0.1",
    "1v1-additive-0.75",
    "1v1-bimodal-0.75",
    "half_cube-1v1-normal-0.75",
    "wiggly-1v1-normal-0.75",
    "normal_cdf-1v1-normal-0.75",
    "student-identity-1-1-1",
    "asinh-student-identity-1-1-1",
    "discrete-mixture-2",
    "discrete-mixture-5",
)
OURS, SCIKIT_LEARN, INFOMEASURE = "keras_unbias", "scikit-learn", "infomeasure"
PROFILES = {
    "fast": Profile(
        base=Settings(data=KnownInformation(), method=InformationEstimate()),
        rows={task: {"task": task} for task in (*CHOSEN_WITH, *OTHERS)},
        columns={
            package: {"package": package}
            for package in (OURS, SCIKIT_LEARN, INFOMEASURE)
        },
        seeds=1,
    )
}


def cells(profile: str, *, seeds: int | None = None) -> list[Cell]:
    """Makes a cell for every task and estimator that fit.

    Args:
        profile: name in `PROFILES`.
        seeds: number of seeds. Defaults to the profile's.
    """
    return [
        cell
        for cell in PROFILES[profile].cells(seeds=seeds)
        if cell.column != SCIKIT_LEARN or cell.row in SINGLE_COLUMNS
    ]
