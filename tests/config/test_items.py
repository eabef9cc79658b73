"""The shipped lists are the regulation's, whole, with ids that never move."""

import re

import pytest

from config import items
from config.items import FOCI, LINKS, LONG_TERM_KINDS, POWERS, SITUATIONS, WORDS, Item


def item_lists() -> list[tuple[Item, ...]]:
    return [LINKS, SITUATIONS, FOCI, LONG_TERM_KINDS, WORDS, *(power.stages for power in POWERS)]


def test_lists_have_the_lengths_of_their_articles() -> None:
    assert [len(power.stages) for power in POWERS] == [5, 6, 4, 3, 2, 0]  # article 5: twenty stages
    assert sum(len(power.stages) for power in POWERS) == 20
    assert (len(LINKS), len(SITUATIONS), len(FOCI), len(LONG_TERM_KINDS)) == (14, 13, 5, 4)


@pytest.mark.parametrize("items_of_one_list", [LINKS, SITUATIONS, FOCI, LONG_TERM_KINDS])
def test_numbers_run_from_one(items_of_one_list: tuple[Item, ...]) -> None:
    assert [item.id for item in items_of_one_list] == [str(n) for n in range(1, len(items_of_one_list) + 1)]


def test_ids_are_unique_where_they_count() -> None:
    for ids in ([power.id for power in POWERS], *([item.id for item in one] for one in item_lists())):
        assert len(ids) == len(set(ids))


def test_every_item_has_chinese_and_english() -> None:
    powers = [Item(power.id, power.zh, power.en) for power in POWERS]
    for item in (item for one in (powers, *item_lists()) for item in one):
        assert re.search("[\u4e00-\u9fff]", item.zh)
        assert item.en.isascii()


def test_both_languages_have_the_same_gaps_to_fill() -> None:
    for item in WORDS:
        assert set(re.findall(r"{(\w+)}", item.zh)) == set(re.findall(r"{(\w+)}", item.en))


def test_ids_do_not_move() -> None:
    """If this fails on purpose, an item was added at a list's end: every id that was here must still be there."""
    ids = [power.id + ":" + ",".join(stage.id for stage in power.stages) for power in POWERS]
    assert ids == [
        "penalty:accept,file,investigate,decide,serve",
        "coercion:accept,file,investigate,decide,serve,enforce",
        "permit:accept,review,survey,serve",
        "inspection:inspect,recheck,serve",
        "levy:serve,collect",
        "other:",
    ]
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", items.items_sha256())


def test_a_range_may_carry_only_an_id_of_its_list() -> None:
    assert items.known("situation", "13")
    assert not items.known("situation", "14")
    assert items.known("focus", "5")
    assert not items.known("focus", "0")
    assert items.known("stage", "survey", "permit")
    assert not items.known("stage", "survey", "penalty")
    assert items.known("stage", "survey")
    assert items.known("stage", "anything", "other")
    assert not items.known("stage", "accept", "no such power")


def test_words_are_filled_in_the_readers_language() -> None:
    assert items.words("owed", "zh", count=1) == "还有1次记录中断未说明原因,请现在口述。"
    assert "2 interruptions" in items.words("owed", "en", count=2)
    with pytest.raises(KeyError, match=r"items\.py"):
        items.words("nothing", "en")
