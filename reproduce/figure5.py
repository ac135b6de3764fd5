"""The bars beside Table 3: equal opportunity and accuracy, by lambda."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from reproduce.settings import german_credit

from keras_unbias import plots
from reproduce import arguments, figures, table3


def main(argv=None):
    """Draws the bars; returns the exit code."""
    parser = arguments.make_parser(__doc__, profiles=german_credit.PROFILES)
    arguments.add_age(parser)
    figures.add_directory(parser)
    options = arguments.parse(parser, argv)
    rows = german_credit.PROFILES[options.profile]["rows"]
    gathered = table3.collect(
        options,
        parser,
        [row for row in german_credit.FIGURE5_ROWS if row in rows],
    )
    if gathered is None:
        return 0
    return figures.write(
        gathered,
        options,
        name="figure5",
        draw=draw,
        usual=table3.usual(options),
    )


def draw(records):
    """A bar for each lambda; a line across it is the EO of chance."""
    return plots.bars(
        records,
        bar=lambda r: f"λ = {r.config.settings.get('mi_weight', 0):g}",
        quantities={
            "EO (line: by chance)": table3.COLUMNS["EO"],
            "test accuracy": table3.COLUMNS["accuracy"],
        },
        marks={"EO (line: by chance)": table3.eo_by_chance},
    )


if __name__ == "__main__":
    sys.exit(main())
