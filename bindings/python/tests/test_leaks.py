"""Nothing is left behind: memory and descriptors stay as they are over 100,000 calls."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import pytest
from conftest import PORTS

import portkeeper
from portkeeper import Keeper

CALLS = 100_000
NOW = datetime(2100, 1, 1, tzinfo=timezone.utc)


def resident() -> int:
    """Bytes of this process's own memory; shared pages, such as the database's, do not count."""
    _, rss, shared = (int(word) for word in Path("/proc/self/statm").read_text().split()[:3])
    return (rss - shared) * os.sysconf("SC_PAGESIZE")


def refused(keeper: Keeper) -> None:
    try:
        keeper.reserve(20000, "thief")
    except portkeeper.PortReservedError as error:
        str(error)


# Until SQLite's cache of 2 MB is full, which takes a history of some length.
WARM = 5_000

WORK: dict[str, tuple[int, Callable[[Keeper], object]]] = {
    "check": (CALLS, lambda keeper: keeper.check(20000).reservation),
    "get": (CALLS, lambda keeper: keeper.get(20000)),
    "reserve": (CALLS, lambda keeper: keeper.reserve(20000, "shop", tags=["a"], metadata={"a": [1, {"b": None}]})),
    "refusal": (CALLS, refused),
    "list": (CALLS, lambda keeper: [repr(row) for row in keeper.list(status="reserved")]),
    "to_dict": (CALLS, lambda keeper: keeper.list()[0].to_dict()),
    "history": (CALLS, lambda keeper: keeper.history(20000, since=NOW.replace(year=2020), limit=2)[0].details),
    "holder_at": (CALLS, lambda keeper: keeper.holder_at(20000, NOW)),
    "progress": (CALLS // 100, lambda keeper: keeper.verify(progress=lambda *now: None)),
    "lease": (CALLS // 20, lambda keeper: keeper.lease("tests", range=PORTS).release()),
    "bind": (CALLS // 50, lambda keeper: keeper.bind("tests", range=PORTS).release()),
    "open": (CALLS // 100, lambda keeper: Keeper(keeper.path).close()),
}


@pytest.mark.parametrize("name", WORK)
def test_nothing_grows(keeper: Keeper, name: str) -> None:
    calls, work = WORK[name]
    keeper.reserve(20000, "shop", tags=["a"], metadata={"a": [1, {"b": None}]}, adopt=True)

    def run(times: int) -> None:
        for _ in range(times):
            work(keeper)
        gc.collect()

    run(WARM if name in ("lease", "bind") else calls // 10)
    descriptors = len(os.listdir("/proc/self/fd"))
    begin = resident()
    run(calls)
    grown = resident() - begin
    print(f"{name}: {calls} calls, {grown / 1024:.0f} KiB more")
    # A leak of one small object a call would be 16 bytes times the calls, and a record is a hundred.
    assert grown < max(calls * 8, 512 * 1024)
    assert len(os.listdir("/proc/self/fd")) <= descriptors
