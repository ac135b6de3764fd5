"""Faces of EB1, of EB2 and of the test split, a row of each."""

import argparse
import pathlib
import sys

from reproduce.experiment import flags, pages, plots, records, tensorflow_process
from reproduce.experiment.profile import FIRST_SEED

PICTURES = 12
SIZE = 96
SPLITS = ("eb1", "eb2", "test")
TITLES = {"eb1": "EB1", "eb2": "EB2", "test": "test"}


def main(argv=None):
    """Draws the first faces of each split; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data-dir", type=flags.path, help="UTKFace; default: drawn faces"
    )
    parser.add_argument(
        "--output-dir", type=flags.path, default="runs", help="of the drawn faces"
    )
    return flags.draw_figure(parser, draw, argv)


def draw(options):
    """Draws the figure and writes its files."""
    records.check_writable(options.figures_dir)
    dataset = load(options)
    splits = {"eb1": dataset.train, **dataset.further, "test": dataset.test}
    points = [
        {
            "split": name,
            "label": splits[name].labels[:PICTURES].tolist(),
            "age_bin": splits[name].attributes[:PICTURES].argmax(1).tolist(),
        }
        for name in SPLITS
    ]
    figure = plots.samples(
        [
            list(dataset.decode(splits[name].inputs[:PICTURES]).numpy())
            for name in SPLITS
        ],
        titles=[TITLES[name] for name in SPLITS],
    )
    kind = "UTKFace" if options.data_dir else "drawn faces"
    about = f"{kind}, seed {FIRST_SEED}"
    figure.suptitle(about, fontsize="medium")
    words = ["utk"] if options.data_dir else []
    path = pathlib.Path(options.figures_dir, pages.file_stem("figure_faces", *words))
    source = {key: dataset.facts[key] for key in ("source", "checksum")}
    plots.write(figure, {"about": about, "data": source, "points": points}, path)
    print(f"{path}.png, .pdf and .json")


def load(options):
    """Loads the faces of the directory, or faces that are drawn first."""
    tensorflow_process.import_tensorflow()

    from keras_unbias.data import drawn_faces, imdb_faces, utk_faces

    if options.data_dir:
        return utk_faces.load(
            seed=FIRST_SEED, image_size=SIZE, data_dir=options.data_dir
        )
    place = drawn_faces.write(pathlib.Path(options.output_dir, "faces"))
    return imdb_faces.load(
        faces="drawn", seed=FIRST_SEED, image_size=SIZE, data_dir=place
    )


if __name__ == "__main__":
    sys.exit(main())
