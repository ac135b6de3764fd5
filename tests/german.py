"""A made-up German credit file, with the counts that the real one has."""

import numpy as np

from keras_unbias.data import uci_german


def rows():
    """Fields of 1,000 customers; codes at random but for the groups counted."""
    rng = np.random.default_rng(0)
    made = []
    # Personal status by class, then age by class, as the counts demand.
    for code in uci_german.COLUMNS["personal"]:
        everybody, bad = uci_german.COUNTS[code]
        made += [[code, "2"]] * bad + [[code, "1"]] * (everybody - bad)
    young = {"2": uci_german.COUNTS["age <= 25"][1]}
    young["1"] = uci_german.COUNTS["age <= 25"][0] - young["2"]
    result = []
    for number in rng.permutation(len(made)):
        code, label = made[number]
        age = rng.integers(19, 26) if young[label] > 0 else 26 + number % 50
        young[label] -= 1
        row = []
        for name, codes in uci_german.COLUMNS.items():
            if name == "personal":
                row.append(code)
            elif name == "age":
                row.append(str(age))
            elif name == uci_german.CLASS:
                row.append(label)
            elif codes is None:
                row.append(str(rng.integers(1, 5000)))
            else:
                row.append(str(rng.choice(codes)))
        result.append(row)
    return result


def text(rows, delimiter=" "):
    return "".join(delimiter.join(row) + "\n" for row in rows)
