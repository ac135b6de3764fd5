"""Figure 2 of the supplement: training loss and accuracy by K."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from keras_unbias import plots
from reproduce import figures, settings

ROW = "MI backpropagation"
VARIANCE = 0.020
ESTIMATOR_STEPS = (20, 40, 80)


def main(argv=None):
    """Draws the curves; returns the exit code."""

    def make_configs(**cells):
        cells["variances"] = cells["variances"] or (VARIANCE,)
        changes = {
            f"K = {steps}": {"estimator_steps": steps}
            for steps in ESTIMATOR_STEPS
        }
        return settings.variants(ROW, changes, **cells)

    return figures.main(
        argv,
        name="supplement_figure2",
        description=__doc__,
        make_configs=make_configs,
        draw=draw,
    )


def draw(records):
    """One panel for the loss and one for the accuracy, a line for each K."""
    return plots.curves(
        records,
        panel=lambda r: f"variance {r.config.settings['color_variance']:.3f}",
        line=lambda r: f"K = {r.config.settings['estimator_steps']}",
        quantities=["loss", "train_accuracy"],
        log_scale=["loss"],
    )


if __name__ == "__main__":
    sys.exit(main())
