"""Figure 4: information and accuracies over epochs, by lambda."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from keras_unbias import plots
from reproduce import figures, settings

ROW = "MI backpropagation"
VARIANCES = (0.030, 0.045)
MI_WEIGHTS = (0.0, 0.5, 1.0)


def main(argv=None, *, name="figure4", variances=VARIANCES):
    """Draws the curves at two variances; returns the exit code."""

    def make_configs(**cells):
        cells["variances"] = cells["variances"] or variances
        return settings.variants(ROW, settings.mi_weights(MI_WEIGHTS), **cells)

    return figures.main(
        argv,
        name=name,
        description=__doc__,
        make_configs=make_configs,
        draw=draw,
    )


def draw(records):
    """A row of panels for each variance, a line for each lambda."""
    return plots.curves(
        records,
        panel=lambda r: f"variance {r.config.settings['color_variance']:.3f}",
        line=lambda r: f"λ = {r.config.settings['mi_weight']:g}",
        quantities=["mutual_information", "test_accuracy", "train_accuracy"],
    )


if __name__ == "__main__":
    sys.exit(main())
