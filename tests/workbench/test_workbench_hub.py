"""Events reach every tab in order and without gaps, also those that come from other threads."""

from __future__ import annotations

import asyncio
import json
from threading import Thread

import pytest

from spear_amal.workbench.hub import Hub


async def heard_by(stream, n):
    """Return what a listener hears first: the numbers, and the contents."""
    events = [await asyncio.wait_for(anext(stream), 10) for _ in range(n)]
    await stream.aclose()
    return [event.number for event in events], [json.loads(event.text) for event in events]


def test_every_tab_hears_what_any_thread_publishes():
    hub = Hub()
    start = hub.last

    async def run():
        streams = [hub.listen(start) for _ in range(3)]
        tasks = [asyncio.create_task(heard_by(stream, 101)) for stream in streams]
        threads = [
            Thread(target=hub.publish, args=("rows",), kwargs={"row": i}) for i in range(101)
        ]
        for thread in threads:
            thread.start()
        return [await task for task in tasks]

    first, *others = asyncio.run(run())
    numbers, texts = first
    assert others == [first, first]
    assert numbers == list(range(start + 1, start + 102))
    assert sorted(text["row"] for text in texts) == list(range(101))
    assert not hub._listeners


def test_a_tab_hears_what_it_missed():
    hub = Hub()
    hub.publish("rules", revision=1)
    seen = hub.last
    hub.publish("rules", revision=2)
    hub.publish("rows", revision=3)
    numbers, texts = asyncio.run(heard_by(hub.listen(seen), 2))
    assert numbers == [seen + 1, seen + 2]
    assert texts == [{"topic": "rules", "revision": 2}, {"topic": "rows", "revision": 3}]


@pytest.mark.parametrize("n_events", [0, 5, 3000])
@pytest.mark.parametrize("off", [-5000, 1])
def test_a_tab_of_long_ago_or_of_another_server_is_told(n_events, off):
    hub = Hub()
    for i in range(n_events):
        hub.publish("rows", row=i)
    last = hub.last
    numbers, texts = asyncio.run(heard_by(hub.listen(last + off), 1))
    assert texts == [{"topic": "missed"}] and numbers == [last]


def test_a_new_listener_hears_nothing_of_before():
    hub = Hub()
    hub.publish("rows")

    async def run():
        task = asyncio.create_task(heard_by(hub.listen(), 1))
        while not hub._listeners:
            await asyncio.sleep(0)
        hub.publish("rules")
        return await task

    assert asyncio.run(run())[1] == [{"topic": "rules"}]


def test_another_server_has_larger_numbers():
    first = Hub()
    first.publish("rows")
    assert Hub().last > first.last - 1
