"""Problems with a bias, three of them of exactly known information.

In each, the inputs show the label faintly and an attribute plainly. The
attribute agrees with the label in most training rows. Information is that of
the training distribution, in nats.
"""

import dataclasses
import itertools

import numpy as np
import pandas as pd
from scipy import stats

AGREEMENT = 0.9


@dataclasses.dataclass(frozen=True)
class Rows:
    """Rows of a problem.

    Args:
        inputs: float32 array of shape `(rows, columns)`.
        labels: int array of shape `(rows,)`.
        attributes: `pandas.DataFrame` with a column for each attribute.
    """

    inputs: np.ndarray
    labels: np.ndarray
    attributes: pd.DataFrame


class Gaussians:
    """Two classes: ten faint columns, three plain ones, seven of noise."""

    classes = 2
    # Distances of the two means, in deviations, and the columns that have it.
    label_shift, label_columns = 0.5, 10
    attribute_shift, attribute_columns = 1.5, 3
    noise_columns = 7

    def draw(self, rows: int, agreement: float, seed: int) -> Rows:
        """Draws rows.

        Args:
            rows: how many.
            agreement: probability that the attribute is the label.
            seed: seed of the draw.
        """
        rng = np.random.default_rng(seed)
        labels = rng.integers(0, 2, rows)
        attribute = _changed(labels, agreement, 2, rng)
        shifts = [
            np.outer(labels, np.full(self.label_columns, self.label_shift)),
            np.outer(
                attribute,
                np.full(self.attribute_columns, self.attribute_shift),
            ),
            np.zeros((rows, self.noise_columns)),
        ]
        means = np.concatenate(shifts, axis=1)
        inputs = (means + rng.normal(size=means.shape)).astype("float32")
        return Rows(inputs, labels, pd.DataFrame({"attribute": attribute}))

    def information(self) -> float:
        """Returns I(X;C), an integral over the two sufficient statistics."""
        grid = np.linspace(-8, 12, 801)
        widths = (
            self.label_shift * np.sqrt(self.label_columns),
            self.attribute_shift * np.sqrt(self.attribute_columns),
        )
        of_label, of_attribute = (
            np.stack([stats.norm.pdf(grid, value * width) for value in (0, 1)])
            for width in widths
        )
        joint = np.array([[AGREEMENT, 1 - AGREEMENT], [1 - AGREEMENT, AGREEMENT]])
        # p(c) p(s, t | c) of the statistics s of the label, t of c.
        of_both = np.einsum("yc,ys,ct->cst", joint / 2, of_label, of_attribute)
        return _information(of_both * (grid[1] - grid[0]) ** 2)


class Categories:
    """Three classes: columns of categories, one-hot encoded.

    Four columns show the label faintly. There are two attributes, each with a
    column that shows it plainly. A region agrees with the label, and a sex
    with whether the label is the last one.
    """

    classes = 3
    faint, plain = 0.6, 0.95
    label_columns = 4

    def draw(self, rows: int, agreement: float, seed: int) -> Rows:
        """Draws rows, as in `Gaussians`.

        With an agreement of 1/3 neither attribute tells the label.
        """
        rng = np.random.default_rng(seed)
        labels = rng.integers(0, 3, rows)
        region = _changed(labels, agreement, 3, rng)
        # Where regions are drawn evenly, so are sexes.
        even = np.isclose(agreement, 1 / 3)
        sex = _changed((labels == 2) * 1, 0.5 if even else agreement, 2, rng)
        columns = [
            np.eye(3)[_changed(labels, self.faint, 3, rng)]
            for _ in range(self.label_columns)
        ]
        columns.append(np.eye(3)[_changed(region, self.plain, 3, rng)])
        columns.append(np.eye(2)[_changed(sex, self.plain, 2, rng)])
        return Rows(
            np.concatenate(columns, axis=1).astype("float32"),
            labels,
            pd.DataFrame({"region": region, "sex": sex}),
        )

    def information(self) -> float:
        """Returns I(X;C), a sum over the values of all columns."""
        faint, plain = _channel(self.faint, 3), _channel(self.plain, 3)
        sexes, agreement = _channel(self.plain, 2), _channel(AGREEMENT, 2)
        table = []
        for region, sex in itertools.product(range(3), range(2)):
            table.append([])
            for *core, r, s in itertools.product(
                *self.label_columns * [range(3)], range(3), range(2)
            ):
                of_labels = [
                    np.prod(faint[y, core])
                    * _channel(AGREEMENT, 3)[y, region]
                    * agreement[(y == 2) * 1, sex]
                    for y in range(3)
                ]
                shown = plain[region, r] * sexes[sex, s]
                table[-1].append(np.mean(of_labels) * shown)
        return _information(np.array(table))


class Pictures:
    """Four classes: a shape of 4 x 4 pixels in one of four colors, on 8 x 8.

    The label has a shape, and the attribute a color. Some pictures show
    another shape or another color. The place of the shape and the noise of the
    pixels tell nothing.
    """

    classes = 4
    faint, plain = 0.85, 0.8
    shapes = np.array(
        [
            [[1, 1, 1, 1], [1, 0, 0, 1], [1, 0, 0, 1], [1, 1, 1, 1]],
            [[0, 1, 1, 0], [1, 1, 1, 1], [1, 1, 1, 1], [0, 1, 1, 0]],
            [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1]],
            [[1, 0, 0, 1], [0, 1, 1, 0], [0, 1, 1, 0], [1, 0, 0, 1]],
        ]
    )
    colors = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0.6, 0.6, 0]])

    def draw(self, rows: int, agreement: float, seed: int) -> Rows:
        """Draws rows, as in `Gaussians`, of the 192 numbers of a picture."""
        rng = np.random.default_rng(seed)
        labels = rng.integers(0, 4, rows)
        attribute = _changed(labels, agreement, 4, rng)
        shapes = self.shapes[_changed(labels, self.faint, 4, rng)]
        colors = self.colors[_changed(attribute, self.plain, 4, rng)]
        drawn = shapes[..., None] * colors[:, None, None]
        pictures = rng.normal(0, 0.1, (rows, 8, 8, 3))
        corners = rng.integers(2, 4, (rows, 2))
        for picture, drawing, (top, left) in zip(pictures, drawn, corners, strict=True):
            picture[top - 1 : top + 3, left - 1 : left + 3] += drawing
        return Rows(
            pictures.reshape(rows, -1).astype("float32"),
            labels,
            pd.DataFrame({"color": attribute}),
        )

    def information(self) -> float:
        """Returns I(X;C), of the shape and the color that a picture shows."""
        faint, plain = _channel(self.faint, 4), _channel(self.plain, 4)
        table = np.einsum("yc,ys,ct->cst", _channel(AGREEMENT, 4) / 4, faint, plain)
        return _information(table)


class Product(Gaussians):
    """As `Gaussians`, but only a product of two columns shows the attribute.

    No column by itself tells anything about it, and no line through them.
    """

    def draw(self, rows: int, agreement: float, seed: int) -> Rows:
        """Draws rows, as in `Gaussians`."""
        drawn = super().draw(rows, agreement, seed)
        rng = np.random.default_rng((seed, 1))
        sign = rng.choice([-1, 1], rows)
        shown = sign * (2 * drawn.attributes["attribute"].to_numpy() - 1)
        noise = rng.normal(size=(rows, self.attribute_columns))
        noise[:, :2] = (
            self.attribute_shift * np.stack([sign, shown], 1) + noise[:, :2] / 2
        )
        place = slice(self.label_columns, self.label_columns + self.attribute_columns)
        drawn.inputs[:, place] = noise
        return drawn


class Decisions:
    """Decisions on loans, some of which favor a group, as in the tutorial.

    The label is a decision: in the test, whether the applicant can repay. Two
    columns show it, and two the group, by its part of the town.
    """

    classes = 2
    plain = 0.9

    def draw(self, rows: int, agreement: float, seed: int) -> Rows:
        """Draws rows, as in `Gaussians`.

        A decision that is not the applicant's due is that of the group.
        """
        rng = np.random.default_rng(seed)
        group = rng.integers(0, 2, rows)
        able = rng.normal(size=rows)
        due = able + 0.5 * rng.normal(size=rows) > 0
        favors = rng.random(rows) < 2 * agreement - 1
        labels = np.where(favors, group, due).astype(int)
        part = np.eye(2)[_changed(group, self.plain, 2, rng)]
        income = np.exp(10 + 0.4 * able + 0.2 * rng.normal(size=rows))
        savings = 2 * able + rng.normal(size=rows)
        inputs = np.column_stack([part, income, savings]).astype("float32")
        return Rows(inputs, labels, pd.DataFrame({"group": group}))


PROBLEMS = {
    "gaussians": Gaussians(),
    "categories": Categories(),
    "pictures": Pictures(),
    "product": Product(),
    "decisions": Decisions(),
}


def _changed(values, agreement, count, rng):
    """Returns values of 0..count-1, each with 1 - agreement another one."""
    others = (values + rng.integers(1, count, len(values))) % count
    return np.where(rng.random(len(values)) < agreement, values, others)


def _channel(agreement, count):
    """Returns an array of shape `(count, count)` of p(changed | value)."""
    off = (1 - agreement) / (count - 1)
    return np.full((count, count), off) + np.eye(count) * (agreement - off)


def _information(table):
    """Returns the information of the first axis and the others, in nats."""
    table = table.reshape(len(table), -1)
    independent = np.outer(table.sum(1), table.sum(0))
    kept = table > 0
    return (table[kept] * np.log(table[kept] / independent[kept])).sum()
