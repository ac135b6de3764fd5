"""Figure 4: information and accuracies over epochs, by lambda."""

import functools
import operator
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from reproduce.settings import studies

from keras_unbias import plots
from reproduce import figures


def main(
    argv=None,
    *,
    name="figure4",
    description=__doc__,
    variances=studies.FIGURE4_VARIANCES,
):
    """Draws the curves at two variances; returns the exit code."""
    changes = studies.mi_weights(studies.FIGURE4_MI_WEIGHTS)
    return figures.main(
        argv,
        name=name,
        description=description,
        make_configs=functools.partial(
            studies.variants, studies.CURVES, changes
        ),
        profiles=studies.profiles_with(studies.CURVES),
        variances=variances,
        draw=draw,
    )


def draw(records):
    """A row of panels for each variance, a line for each lambda."""
    order = operator.itemgetter("color_variance", "mi_weight")
    return plots.curves(
        sorted(records, key=lambda r: order(r.config.settings)),
        panel=figures.variance,
        line=lambda r: f"λ = {r.config.settings['mi_weight']:g}",
        quantities=["mutual_information", "test_accuracy", "train_accuracy"],
    )


if __name__ == "__main__":
    sys.exit(main())
