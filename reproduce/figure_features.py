"""Features of test faces in two dimensions: ERM, and overlap weights.

The models are those of finished runs of Table 2, so `table2.py` comes first.
"""

import argparse
import pathlib
import sys

import matplotlib.figure
import numpy as np
from sklearn.decomposition import PCA

from reproduce.experiment import flags, plots, records, run_files, tensorflow_process
from reproduce.recipes import faces

ROWS = (faces.ERM, faces.OVERLAP)
FACES = 1000
MARKERS = {"women": "o", "men": "^"}


def main(argv=None):
    """Draws the features; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", type=flags.path, required=True, help="UTKFace")
    parser.add_argument(
        "--output-dir", type=flags.path, default="runs", help="of the finished runs"
    )
    return flags.draw_figure(parser, draw, argv)


def draw(options):
    """Draws a panel per row and training split, and writes the files."""
    records.check_writable(options.figures_dir)
    cells = faces.cells("fast", faces="utk", rows=ROWS, seeds=1)
    models = {cell: model_of(cell, options.output_dir) for cell in cells}
    columns = list(faces.COLUMNS)
    figure = matplotlib.figure.Figure(figsize=(7.6, 6.4), layout="constrained")
    axes = figure.subplots(len(ROWS), len(columns), squeeze=False)
    points = []
    for cell, path in models.items():
        ax = axes[ROWS.index(cell.row)][columns.index(cell.column)]
        point = project(cell.settings, path, options.data_dir)
        scatter(ax, point)
        ax.set(title=f"{cell.row}, trained on {cell.column}", xticks=[], yticks=[])
        panel = {"row": cell.row, "column": cell.column, "run": cell.settings.id}
        points.append({**panel, **point})
    figure.colorbar(axes[0][0].collections[0], ax=axes, label="bin of the age")
    axes[0][0].legend(fontsize="small")
    about = f"{FACES:,} test faces of UTKFace, seed {cells[0].settings.seed}"
    figure.suptitle(about, fontsize="medium")
    path = pathlib.Path(options.figures_dir, "figure_features")
    plots.write(figure, {"about": about, "points": points}, path)
    print(f"{path}.png, .pdf and .json")


def model_of(cell, output_dir):
    """Returns the path of the model of a finished run."""
    path = run_files.directory(cell.settings, output_dir) / "model.keras"
    if not path.exists():
        raise FileNotFoundError(
            f"The run {cell} has no model. Expected: {path}. Received: no such file. "
            "Run table2.py --profile fast with the same directories first."
        )
    return path


def project(settings, path, data_dir):
    """Projects features of test faces on their two principal components."""
    tensorflow_process.import_tensorflow()

    import keras

    from reproduce.experiment import build

    dataset = build.load_data(settings, data_dir)
    encoder = keras.models.load_model(path, compile=False).encoder
    rows = np.arange(FACES)
    batches = dataset.batches("test", dataset.evaluation_batch, rows)
    features = encoder.predict(batches.map(lambda x, _: x), verbose=0)
    plane = PCA(2, random_state=0).fit_transform(features)
    return {
        # The digits that a picture shows.
        "place": np.round(plane / np.abs(plane).max(), 3).tolist(),
        "age_bin": dataset.test.attributes[rows].argmax(1).tolist(),
        "label": dataset.test.labels[rows].tolist(),
    }


def scatter(ax, point):
    """Draws women and men, colored by age."""
    place, ages, labels = (np.array(point[k]) for k in ("place", "age_bin", "label"))
    for label, (name, marker) in enumerate(MARKERS.items()):
        chosen = labels == label
        style = {"s": 12, "cmap": "viridis", "vmin": 0, "vmax": 11, "linewidths": 0}
        x, y = place[chosen].T
        ax.scatter(x, y, c=ages[chosen], marker=marker, label=name, alpha=0.8, **style)


if __name__ == "__main__":
    sys.exit(main())
