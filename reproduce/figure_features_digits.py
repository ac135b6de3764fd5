"""Features of test digits in two dimensions: plain training, and conditional MI.

The models are those of finished runs of Table 1, so `table1.py` comes first.
"""

import argparse
import pathlib
import sys

import matplotlib.figure
import numpy as np
from sklearn.manifold import TSNE

from reproduce.experiment import flags, plots, projection, records
from reproduce.recipes import digits

ROWS = (digits.ERM, digits.CONDITIONAL)
DIGITS = 1000
VARIANCE = digits.VARIANCES[0]


def main(argv=None):
    """Draws the features; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", type=flags.path, help="MNIST; default: 5,000")
    parser.add_argument(
        "--output-dir", type=flags.path, default="runs", help="of the finished runs"
    )
    return flags.draw_figure(parser, draw, argv)


def draw(options):
    """Draws a row of two panels per method, and writes the files."""
    records.check_writable(options.figures_dir)
    cells = digits.cells(
        "quick",
        digits="mnist" if options.data_dir else "mnist-5000",
        rows=ROWS,
        variances=[VARIANCE],
        seeds=1,
    )
    command = f"table1.py --profile quick --variances {VARIANCE}"
    models = [projection.model_of(c, options.output_dir, command) for c in cells]
    figure = matplotlib.figure.Figure(figsize=(7.6, 7), layout="constrained")
    axes = figure.subplots(len(ROWS), 2)
    points = []
    for cell, path, panels in zip(cells, models, axes, strict=True):
        point = project(cell, path, options.data_dir)
        scatter(panels, cell.row, point)
        points.append({"row": cell.row, "run": cell.settings.id, **point})
    figure.legend(title="digit", loc="outside right center")
    about = f"{DIGITS:,} test digits, color variance {VARIANCE:.3f}, "
    about += f"profile quick, seed {cells[0].settings.seed}"
    figure.suptitle(about, fontsize="medium")
    path = pathlib.Path(options.figures_dir, "figure_features_digits")
    plots.write(figure, {"about": about, "points": points}, path)
    print(f"{path}.png, .pdf and .json")


def project(cell, path, data_dir):
    """Places test digits so that those of similar features are neighbors."""
    reduce = TSNE(random_state=0).fit_transform
    place, split = projection.project(
        cell.settings, path, data_dir, count=DIGITS, reduce=reduce
    )
    return {
        "place": place,
        "color": split.inputs.max((1, 2)).tolist(),
        "label": split.labels.tolist(),
    }


def scatter(axes, row, point):
    """Draws the digits twice: in their own colors, and in one for each digit."""
    place, labels = np.array(point["place"]), np.array(point["label"])
    by_color, by_digit = axes
    style = {"s": 12, "linewidths": 0}
    by_color.scatter(*place.T, c=np.array(point["color"]) / 255, **style)
    by_color.set(title=f"{row}, in its own color", facecolor="black")
    for digit in np.unique(labels):
        named = {"label": str(digit)} if row == ROWS[0] else {}
        by_digit.scatter(*place[labels == digit].T, color=f"C{digit}", **style, **named)
    by_digit.set(title=f"{row}, colored by digit")
    for ax in axes:
        ax.set(xticks=[], yticks=[])


if __name__ == "__main__":
    sys.exit(main())
