"""The curves beside Table 2: information and test accuracy over iterations."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from reproduce.settings import imdb_faces

from keras_unbias import plots
from reproduce import arguments, figures, table2


def main(argv=None):
    """Draws the curves; returns the exit code."""
    parser = arguments.make_parser(
        __doc__, profiles=imdb_faces.PROFILES, default="quick"
    )
    arguments.add_faces(parser)
    figures.add_directory(parser)
    options = arguments.parse(parser, argv)
    gathered = table2.collect(options, parser, imdb_faces.figure_table2)
    if gathered is None:
        return 0
    return figures.write(
        gathered,
        options,
        name="figure_table2",
        draw=draw,
        usual=table2.usual(options),
    )


def draw(records):
    """A row of panels for each training split, a line for each lambda."""
    return plots.curves(
        records,
        panel=lambda r: (
            f"trained on {r.config.settings['train_split'].upper()}"
        ),
        line=lambda r: f"λ = {r.config.settings['mi_weight']:g}",
        quantities=["mutual_information", "test_accuracy"],
        steps=lambda r: r.data["train_size"] // r.config.settings["batch_size"],
    )


if __name__ == "__main__":
    sys.exit(main())
