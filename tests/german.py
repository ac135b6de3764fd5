"""A made-up German credit file, with the counts that the real one has."""

import numpy as np

from keras_unbias.data import uci_german

# Customers and bad ones among them, by personal status.
PERSONAL = {"A91": (50, 20), "A92": (310, 109), "A93": (548, 146)}
PERSONAL["A94"] = (92, 25)
# Customers up to 25 years, good and bad.
YOUNG = {"1": 110, "2": 80}


def rows():
    """Fields of 1,000 customers; codes at random but for the groups counted."""
    rng = np.random.default_rng(0)
    made = []
    for code, (everybody, bad) in PERSONAL.items():
        made += [[code, "2"]] * bad + [[code, "1"]] * (everybody - bad)
    young = dict(YOUNG)
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
