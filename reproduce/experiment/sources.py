"""Where the data of an experiment come from, on this machine or in records."""

import argparse
import dataclasses
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from reproduce.experiment import known_tasks, peer_rows, tensorflow_process
from reproduce.experiment.settings import Settings

IMDB_GUIDE = "reproduce/IMDB.md"
FACES_GUIDE = "docs/experiments/faces.md"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Source:
    """The data of an experiment.

    Args:
        choices: what can be asked of the experiment's function of cells, the
            better data first.
        find: function from the flags to the choice for this machine. It
            raises an error if there are no data.
        prepare: function from settings and flags to the directory of the
            data. It is called once, before workers are.
        by_hand: whether every profile needs data that the user fetches.
    """

    choices: Sequence[Mapping[str, Any]] = ({},)
    find: Callable[[argparse.Namespace], Mapping[str, Any]] = lambda options: {}
    prepare: Callable[
        [Sequence[Settings], argparse.Namespace], str | pathlib.Path | None
    ] = lambda settings, options: options.data_dir
    by_hand: bool = False


def _find_digits(options):
    tensorflow_process.import_tensorflow()

    from keras_unbias.data import colored_mnist

    found = colored_mnist.available_digits(options.data_dir)
    if found == "mnist-5000" and options.profile != "quick":
        raise ValueError(
            f"The profile {options.profile} is for all of MNIST. Expected: "
            "--data-dir with the idx files or mnist.npz, or a network to "
            "download them. Received: neither. Pass the directory. Where there "
            "is a profile quick, it runs on 5,000 digits too."
        )
    return {"digits": found}


def _prepare_digits(settings, options):
    if options.data_dir is None and any(
        chosen.data.digits == "mnist" for chosen in settings
    ):
        tensorflow_process.import_tensorflow()

        from keras_unbias.data import mnist

        mnist.prepare_tfds()
    return options.data_dir


def _find_faces(options):
    if options.data_dir is None:
        if options.profile == "quick":
            return {"faces": "drawn"}
        raise FileNotFoundError(
            f"The profile {options.profile} is for real faces, which have to be "
            "fetched by hand. Expected: --data-dir. Received: none. "
            f"{FACES_GUIDE} says what to download for UTKFace, and {IMDB_GUIDE} for "
            "IMDB; table2.py --profile quick runs on drawn faces, too."
        )
    if not pathlib.Path(options.data_dir).is_dir():
        raise NotADirectoryError(
            "Faces and weights are in one directory. Expected: --data-dir DIR. "
            f"Received: {options.data_dir}, which is not a directory. Correct the path."
        )
    tensorflow_process.import_tensorflow()

    from keras_unbias.data import imdb_wiki, utk_faces

    if pathlib.Path(options.data_dir, imdb_wiki.IMAGES).exists():
        if options.profile != "paper":
            raise ValueError(
                f"The profile {options.profile} is not for IMDB faces. Expected: "
                "--profile paper, or --data-dir with UTKFace alone. Received: "
                f"{options.data_dir}, with {imdb_wiki.IMAGES}. Change one of the two."
            )
        imdb_wiki.read(options.data_dir)
        return {"faces": "imdb"}
    utk_faces.find(options.data_dir)
    return {"faces": "utk"}


def _prepare_faces(settings, options):
    if any(getattr(chosen.data, "faces", "") == "drawn" for chosen in settings):
        tensorflow_process.import_tensorflow()

        from keras_unbias.data import drawn_faces

        return drawn_faces.write(pathlib.Path(options.output_dir, "faces"))
    return options.data_dir


def _prepare_credit(settings, options):
    tensorflow_process.import_tensorflow()

    from keras_unbias.data import uci_german

    # A missing or damaged file is told once, and not by every worker.
    uci_german.read(options.data_dir)
    return options.data_dir


def _prepare_tasks(settings, options):
    for chosen in settings:
        known_tasks.find(options.data_dir, chosen.data.task)
    return options.data_dir


def _find_peer_faces(options):
    if options.data_dir is None:
        return {"faces": False}
    tensorflow_process.import_tensorflow()

    from keras_unbias.data import utk_faces

    directory = pathlib.Path(options.data_dir)
    if not directory.is_dir():
        raise NotADirectoryError(
            "The files of real data are in one directory. Expected: --data-dir DIR. "
            f"Received: {directory}, which is not a directory. Correct the path."
        )
    try:
        utk_faces.find(directory)
    except FileNotFoundError:
        return {"faces": False}
    weights = peer_rows.BACKBONE["weights"]
    if not (directory / weights).exists():
        raise FileNotFoundError(
            f"The faces are seen by a trained network. Expected: {weights} beside "
            f"them. Received: no such file in {directory}. {FACES_GUIDE} says how to "
            "get it."
        )
    return {"faces": True}


DIGITS = Source(
    choices=[{"digits": d} for d in ("mnist", "kim", "mnist-5000")],
    find=_find_digits,
    prepare=_prepare_digits,
)
FACES = Source(
    choices=[{"faces": f} for f in ("imdb", "utk", "drawn")],
    find=_find_faces,
    prepare=_prepare_faces,
)
CREDIT = Source(prepare=_prepare_credit)
TASKS = Source(prepare=_prepare_tasks, by_hand=True)
PEERS = Source(choices=[{"faces": True}, {"faces": False}], find=_find_peer_faces)
