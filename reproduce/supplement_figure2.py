"""Figure 2 of the supplement: training loss and accuracy by K."""

import functools
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from reproduce.settings import studies

from keras_unbias import plots
from reproduce import figures


def main(argv=None):
    """Draws the curves; returns the exit code."""
    changes = {
        f"K = {steps}": {"estimator_steps": steps}
        for steps in studies.SUPPLEMENT_FIGURE2_STEPS
    }
    return figures.main(
        argv,
        name="supplement_figure2",
        description=__doc__,
        make_configs=functools.partial(
            studies.variants, studies.CURVES, changes
        ),
        profiles=studies.profiles_with(studies.CURVES),
        variances=studies.SUPPLEMENT_FIGURE2_VARIANCES,
        draw=draw,
    )


def draw(records):
    """One panel for the loss and one for the accuracy, a line for each K."""
    return plots.curves(
        records,
        panel=figures.variance,
        line=lambda r: f"K = {r.config.settings['estimator_steps']}",
        quantities=["loss", "train_accuracy"],
        log_scale=["loss"],
    )


if __name__ == "__main__":
    sys.exit(main())
