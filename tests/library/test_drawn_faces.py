"""Drawn faces: files like those of IMDB, and images that show what they say."""

import numpy as np
import pytest

from keras_unbias.data import drawn_faces, imdb_faces, imdb_wiki


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    directory = tmp_path_factory.mktemp("drawn") / "faces"
    return drawn_faces.write(directory, rows=400, seed=1)


def test_drawn_faces_are_what_their_files_say(drawn):
    data = imdb_faces.load(
        train_split="eb1",
        seed=0,
        train_size=None,
        faces="drawn",
        image_size=48,
        data_dir=drawn,
    )
    assert data.facts["note"] == imdb_faces.DRAWN
    left_out = sum(data.facts["left_out"].values())
    assert 0 < left_out < 30
    images = np.concatenate([x for x, _ in data.batches("train", 64)])
    # In EB1 the older are the men; their hair is grayer.
    brightness = images[:, 6:9, 20:28].mean((1, 2, 3))
    labels = data.train.labels
    assert brightness[labels == 1].mean() > 20 + brightness[labels == 0].mean()
    before = sorted(drawn.rglob("*"))
    assert drawn_faces.write(drawn, rows=10) == drawn
    assert sorted(drawn.rglob("*")) == before


def test_the_seed_determines_the_files(drawn, tmp_path):
    again = drawn_faces.write(tmp_path / "again", rows=400, seed=1)
    other = drawn_faces.write(tmp_path / "other", rows=400, seed=2)

    def checksum(directory):
        return imdb_wiki.read(directory).checksum

    assert checksum(again) == checksum(drawn) != checksum(other)
    for path in sorted(drawn.rglob("*.jpg"))[:20]:
        copy = again / path.relative_to(drawn)
        assert copy.read_bytes() == path.read_bytes()
