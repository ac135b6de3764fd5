"""The picture of an audit, from numbers written out by hand."""

import dataclasses
import math
import sys

import pytest
from test_report import AUDIT, LEAKAGE

from keras_unbias.auditing import Audit
from keras_unbias.dependence import Estimate, MutualInformation

CONDITIONAL = dataclasses.replace(
    LEAKAGE,
    information=MutualInformation(
        -0.02,
        -0.05,
        0.01,
        "linear probe",
        12000,
        {"linear probe": Estimate(-0.02, -0.05, 0.01)},
    ),
    floor=0.0,
    ceiling=0.5,
)


def marks(ax):
    return {text: line.get_xdata()[0] for text, line in labeled(ax).items()}


def labeled(ax):
    return {line.get_label(): line for line in ax.lines if line.get_label()[0] != "_"}


def names(ax):
    return [text.get_text() for text in ax.get_yticklabels()]


def widths(ax):
    return [bar.get_width() for bar in ax.patches]


def test_an_audit_without_labels_has_one_panel():
    (ax,) = Audit(rows=60, leakage=LEAKAGE).plot().axes
    assert names(ax) == ["linear probe", "copula"]
    assert widths(ax) == [0.25, 0.5]
    # The best estimator has a color of its own.
    first, best = (bar.get_facecolor() for bar in ax.patches)
    assert first != best
    assert marks(ax) == {"floor": 0.125, "ceiling": pytest.approx(0.6931)}
    # Every value is written beside its bar.
    assert [text.get_text() for text in ax.texts] == ["0.25", "0.50"]


def test_leakages_have_one_scale_and_accuracies_another():
    figure = dataclasses.replace(AUDIT, conditional_leakage=CONDITIONAL).plot()
    first, second, accuracies = figure.axes
    assert first.get_xlim() == second.get_xlim() == (-0.05, 1.08 * 0.6931)
    # Within the classes the floor is 0, the left end.
    assert marks(second) == {"ceiling": 0.5}
    assert names(accuracies) == ["all rows", "old"]
    assert widths(accuracies) == [0.9, 0.85]
    assert marks(accuracies) == {"worst group: label 1, attribute old": 0.625}
    assert "12,000 rows" in figure.get_suptitle()


def test_a_number_has_no_ceiling():
    leakage = dataclasses.replace(LEAKAGE, ceiling=math.inf)
    (ax,) = Audit(rows=60, leakage=leakage).plot().axes
    assert marks(ax) == {"floor": 0.125}
    assert ax.get_xlim() == (0, 1.08 * 0.55)


def test_without_matplotlib_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"draws with matplotlib.*pip install matp"):
        AUDIT.plot()
