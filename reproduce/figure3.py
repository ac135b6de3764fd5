"""Figure 3, left: colored digits, training and test."""

import argparse
import pathlib
import sys

from reproduce.experiment import (
    first_digits,
    flags,
    pages,
    plots,
    records,
    tensorflow_process,
)
from reproduce.experiment.profile import FIRST_SEED
from reproduce.recipes import digits

PICTURES = 2  # of each digit


def main(argv=None):
    """Draws the first digits of each class; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data-dir", type=flags.path, help="MNIST, or Kim et al.'s files"
    )
    parser.add_argument(
        "--variance",
        type=flags.one_of(digits.ALL_VARIANCES, float),
        default=digits.VARIANCES[0],
    )
    return flags.draw_figure(parser, draw, argv)


def draw(options):
    """Draws the figure and writes its files."""
    records.check_writable(options.figures_dir)
    tensorflow_process.import_tensorflow()

    from keras_unbias.data import colored_mnist

    found = colored_mnist.available_digits(options.data_dir)
    dataset = colored_mnist.load(
        color_variance=options.variance,
        seed=FIRST_SEED,
        digits=found,
        data_dir=options.data_dir,
    )
    splits = {"training": dataset.train, "test": dataset.test}
    points = first_digits.choose(splits, PICTURES)
    figure = first_digits.draw(splits, points)
    note = dataset.facts["note"]
    about = f"color variance {options.variance:.3f}, seed {FIRST_SEED}"
    about += f", {note}" if note else ""
    # Other data must not take the place of the usual figure.
    options.digits = found
    words = pages.non_default_flags(
        options, variance=digits.VARIANCES[0], digits="mnist"
    )
    figure.suptitle(about, fontsize="medium")
    path = pathlib.Path(options.figures_dir, pages.file_stem("figure3", *words))
    source = {key: dataset.facts[key] for key in ("source", "checksum")}
    plots.write(figure, {"about": about, "data": source, "points": points}, path)
    print(f"{path}.png, .pdf and .json")


if __name__ == "__main__":
    sys.exit(main())
