"""German credit: good and bad customers, and whether they are young.

The task of section 5.3 of the paper on mutual information backpropagation: the
label is good credit (1) or bad credit (0), the attribute is whether a customer
is young. The data are UCI's Statlog German credit file (`uci_german`).
"""

import os

import numpy as np
from sklearn import compose, model_selection, preprocessing

from keras_unbias.checks import check_integer
from keras_unbias.data import uci_german
from keras_unbias.data.attributes import AttributeSpec
from keras_unbias.data.dataset import BiasedDataset, Split, describe

TEST_SIZE = 300


def load(
    *,
    seed: int = 0,
    age_input: bool = False,
    oldest_young: int = 25,
    data_dir: str | os.PathLike | None = None,
) -> BiasedDataset:
    """Loads German credit with 700 customers to train and 300 to test.

    An input consists of 7 numbers, standardized with the training customers,
    and of one-hot codes of fixed width for 13 categories: 61 values, or 60
    without the age.

    Args:
        seed: non-negative int that determines the split, which is not
            stratified. Defaults to 0.
        age_input: bool, whether the age is among the inputs. Without it,
            features tell about age only what the other inputs tell. Defaults
            to `False`.
        oldest_young: int, the age in years up to which a customer is young.
            Defaults to 25. The other reading in the literature, below 25, is
            24.
        data_dir: path of UCI's file or of its directory. Defaults to `None`,
            the file that `uci_german.find` finds.

    Returns:
        A `BiasedDataset` with 2 classes and an attribute of width 1.

    Raises:
        ValueError: if an argument is out of range, or the file is damaged.
        FileNotFoundError: if there is no file.
    """
    check_integer("seed", seed, minimum=0)
    check_integer("oldest_young", oldest_young, minimum=19)
    read = uci_german.read(data_dir)
    frame = read.frame
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
    return BiasedDataset(
        name="german_credit",
        train=train,
        test=test,
        num_classes=2,
        attribute_spec=AttributeSpec((1,), ("young",)),
        facts=describe(
            train,
            test,
            train.attributes[:, 0].astype(np.int32),
            source=read.source,
            checksum=read.checksum,
            note="",
        ),
    )


def _inputs(frame, train, age_input):
    """Returns float32 rows of numbers and one-hot codes, fitted on `train`."""
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
                categories=[uci_german.COLUMNS[n] for n in codes], sparse_output=False
            ),
            codes,
        ),
    )
    encoder.fit(frame.iloc[train])
    return encoder.transform(frame).astype(np.float32)
