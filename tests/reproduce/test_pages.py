import argparse

import pytest

from reproduce.experiment import pages


def test_replace_block():
    text = "a\n<!-- t -->\nold\n<!-- /t -->\nz\n"
    new = pages.replace_block(text, "t", "new")
    assert new == "a\n<!-- t -->\nnew\n<!-- /t -->\nz\n"
    assert pages.replace_block(new, "t", "new") == new


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<!-- t --> x",
        "x <!-- /t -->",
        "<!-- /t --> x <!-- t -->",
        "<!-- t --><!-- t --> x <!-- /t -->",
        "<!-- t --> x <!-- /t --><!-- /t -->",
        "<!-- /t --><!-- t --> x <!-- /t -->",
    ],
)
def test_replace_block_without_its_markers(text):
    with pytest.raises(ValueError, match=r"no block 't'.*Expected: one <!-- t"):
        pages.replace_block(text, "t", "new")


def test_a_page_keeps_what_is_around_a_block(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("é\n<!-- t -->\n<!-- /t -->\nz\n", encoding="utf-8")
    pages.update(page, "t", "± 1")
    assert page.read_bytes().decode("utf-8") == ("é\n<!-- t -->\n± 1\n<!-- /t -->\nz\n")
    with pytest.raises(ValueError, match="no block 'u'"):
        pages.update(page, "u", "x")
    assert [path.name for path in tmp_path.iterdir()] == ["page.md"]


def test_the_page_of_a_block(tmp_path):
    (tmp_path / "docs" / "deep").mkdir(parents=True)
    readme, deep = tmp_path / "README.md", tmp_path / "docs/deep/page.md"
    # A page may write of markers.
    readme.write_text("Put `<!-- t -->` there.\n<!-- u -->\n<!-- /u -->\n")
    deep.write_text("# T\n<!-- t -->\n<!-- /t -->\n")
    assert pages.find(tmp_path, "t") == deep
    assert pages.find(tmp_path, "u") == readme
    with pytest.raises(ValueError, match=r"block 'v'.*Received: it in \[\]"):
        pages.find(tmp_path, "v")
    readme.write_text("# T\n<!-- t -->\n<!-- /t -->\n")
    with pytest.raises(ValueError, match=r"'README.md', 'page.md'\]. Add"):
        pages.find(tmp_path, "t")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, []),
        # What stands for a flag that is not given changes nothing.
        ({"seeds": 3, "variances": [0.02], "weights": "imagenet"}, []),
        ({"seeds": 1}, ["seeds_1"]),
        ({"variances": [0.02, 0.05]}, ["variances_0.02_0.05"]),
        (
            {"set": ["mi_weight=0.5", "epochs=3"]},
            ["set_mi_weight=0.5_epochs=3"],
        ),
        ({"weights": "a/body.h5"}, ["weights_a-body.h5"]),
        (
            {"variances": [0.05], "seeds": 2},
            ["seeds_2", "variances_0.05"],
        ),
    ],
)
def test_names_say_what_differs_from_the_profile(given, words):
    flags = {"seeds": None, "variances": None, "weights": None, "set": None}
    usual = {
        "seeds": 3,
        "variances": [0.02],
        "weights": "imagenet",
        "set": None,
        # A flag that this script does not have.
        "age": "in",
    }
    options = argparse.Namespace(profile="fast", **{**flags, **given})
    assert pages.non_default_flags(options, **usual) == words
    assert pages.choice_words(options, **usual) == ["fast", *words]


def test_the_name_of_a_file_has_an_end():
    assert pages.file_stem("figure4", "fast", "seeds_1") == "figure4_fast_seeds_1"
    rows = [f"methods_λ = {number}" for number in range(99)]
    names = {pages.file_stem("figure4", *rows[:many]) for many in (60, 98, 99)}
    assert len(names) == 3
    assert all(len(name.encode()) < 230 for name in names)
    assert all(name.startswith("figure4_methods_λ = 0_") for name in names)
