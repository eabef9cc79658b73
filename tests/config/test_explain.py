"""Whoever edits a device's file finds each key's default, unit and reason, and they are the ones enforced."""

import config.explain
from config.explain import keys, page


def test_the_page_is_what_the_models_say() -> None:
    assert config.explain.PAGE.read_text(encoding="utf-8") == page(), "run: python -P -m config.explain"


def test_every_key_has_a_reason_and_every_number_a_unit() -> None:
    explained = list(keys())
    assert len(explained) > 20
    for key in explained:
        assert len(key.reason) > 4, key
        assert key.default, key
        if " to " in key.kind:
            assert key.unit, key
