"""The collector is as it was behind a pause, also behind an error, and what was made is still collected when it is garbage."""

from __future__ import annotations

import gc
import weakref

import pytest

from nearbank.pim import uncollected


class Ring:
    """Garbage that only the collector finds."""

    def __init__(self) -> None:
        self.me = self


def test_what_is_garbage_inside_is_collected_behind():
    with uncollected():
        assert not gc.isenabled()
        seen = weakref.ref(Ring())
        with uncollected():
            assert not gc.isenabled()
        assert not gc.isenabled()
        assert seen() is not None
    assert gc.isenabled()
    gc.collect()
    assert seen() is None


def test_as_it_was_behind_an_error_and_where_it_was_off():
    with pytest.raises(KeyError), uncollected():
        raise KeyError
    assert gc.isenabled()
    gc.disable()
    try:
        with uncollected():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_what_others_froze_stays_frozen():
    gc.freeze()
    try:
        frozen = gc.get_freeze_count()
        with uncollected():
            pass
        assert gc.get_freeze_count() >= frozen - 100 > 0
    finally:
        gc.unfreeze()
