"""Threads that read ahead and write behind: order, errors in their turn, nothing left running."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spear_amal.labeling.overlap import read_ahead, run_behind


@pytest.fixture(autouse=True)
def no_thread_stays():
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


@given(st.lists(st.integers(), max_size=9), st.integers(1, 4))
def test_order_stays(numbers, most):
    assert list(read_ahead((n for n in numbers), most)) == numbers
    assert list(run_behind(((lambda n=n: n) for n in numbers), most)) == numbers


def test_items_are_made_by_another_thread_and_not_too_early():
    made, threads, turn = [], set(), threading.Condition()

    def items():
        for n in range(9):
            with turn:
                threads.add(threading.get_ident())
                made.append(n)
                turn.notify()
            yield n

    ahead = read_ahead(items(), most=3)
    assert next(ahead) == 0
    with turn:  # three wait to be taken: 1, 2 and 3
        assert turn.wait_for(lambda: len(made) == 4, timeout=60)
    assert made == [0, 1, 2, 3]
    assert next(ahead) == 1
    with turn:
        assert turn.wait_for(lambda: len(made) == 5, timeout=60)
    ahead.close()
    assert len(made) <= 5 and threading.get_ident() not in threads and len(threads) == 1


def test_an_error_comes_after_the_items_before_it():
    closed = []

    def items():
        try:
            yield from (1, 2)
            raise OSError("torn")
        finally:
            closed.append(True)

    ahead = read_ahead(items(), most=4)
    assert [next(ahead), next(ahead)] == [1, 2]
    with pytest.raises(OSError, match="torn"):
        next(ahead)
    assert closed == [True]


def test_closing_early_closes_what_is_read():
    closed = []

    def items():
        try:
            while True:
                yield 1
        finally:
            closed.append(threading.get_ident())

    ahead = read_ahead(items())
    assert next(ahead) == 1
    ahead.close()
    assert closed == [threading.get_ident()]
    list(zip(range(3), read_ahead(items()), strict=False))
    assert len(closed) == 2


def test_what_was_called_is_done_when_the_making_fails():
    done = []

    def calls():
        for n in range(3):
            yield lambda n=n: done.append(n)
        raise KeyError("no more")

    with pytest.raises(KeyError, match="no more"):
        list(run_behind(calls(), most=5))
    assert done == [0, 1, 2]


def test_an_error_of_a_call_is_raised_in_its_turn():
    def fail():
        raise OSError("disk full")

    results = run_behind(iter([lambda: 1, fail, lambda: 3]), most=1)
    assert next(results) == 1
    with pytest.raises(OSError, match="disk full"):
        next(results)
