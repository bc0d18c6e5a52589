"""One registry in many processes and threads, also after a fork."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import pytest
from conftest import PORTS, Run

import portkeeper
from portkeeper import Keeper


def claims(path: str, project: str) -> list[int]:
    with Keeper(path) as keeper:
        return [keeper.request(project, range=PORTS, strategy="random")[0].number for _ in range(10)]


def refused(path: str, number: int) -> None:
    with Keeper(path) as keeper:
        keeper.reserve(number, "thief")


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_processes_of_every_kind_share_a_registry(keeper: Keeper, path: Path, method: str) -> None:
    number = keeper.lease("tests", range=PORTS).reservations[0].number
    kept = keeper.reserve(number, "tests")
    with ProcessPoolExecutor(4, multiprocessing.get_context(method)) as pool:
        found = [pool.submit(claims, str(path), f"project {index}") for index in range(4)]
        numbers = [number for future in found for number in future.result(120)]
        # An error comes back with its class and its facts.
        with pytest.raises(portkeeper.PortReservedError) as caught:
            pool.submit(refused, str(path), kept.number).result(120)
        assert (caught.value.port, caught.value.project) == (kept.number, "tests")
    assert len(set(numbers)) == 40
    assert keeper.summary().reserved == 41
    assert keeper.verify() == []


def test_a_fork_goes_on_with_its_parents_keeper(path: Path, python: Run) -> None:
    # In a program of its own: this one has threads.
    program = f"""
import os, portkeeper
keeper = portkeeper.Keeper({str(path)!r}, actor="family")
lease = keeper.lease("parent", range={PORTS})
bound = keeper.bind("parent", range={PORTS})
with keeper.lease("block", range={PORTS}) as block:
    children = []
    for index in range(8):
        pid = os.fork()
        if pid == 0:
            for step in range(20):
                keeper.request("child", range={PORTS}, strategy="random")
            try:
                lease.release()
            except portkeeper.UnsupportedError:
                pass
            else:
                os._exit(3)
            break
        children.append(pid)
    else:
        for index in range(50):
            keeper.request("parent", range={PORTS}, strategy="random")
        codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
        assert codes == [0] * 8, codes
        # The children have left the block, collected their copies and ended; the claims are the parent's still.
        assert keeper.check(block.port).project == "block"
        assert keeper.check(lease.port).project == "parent"
        assert keeper.check(bound.port).verdict == "listening"
        assert len(keeper.list(project="child")) == 160
        assert len(keeper.list(project="parent")) == 52
        assert keeper.verify() == []
        print("well")
"""
    assert python(program).stdout == "well\n"


def test_threads_share_a_keeper(keeper: Keeper) -> None:
    def work(index: int) -> list[int]:
        return [keeper.request(f"project {index}", range=PORTS, strategy="random")[0].number for _ in range(25)]

    with ThreadPoolExecutor(8) as pool:
        numbers = [number for found in pool.map(work, range(8)) for number in found]
    assert len(set(numbers)) == 200
    assert keeper.summary().reserved == 200


def test_a_waiting_call_lets_other_threads_run(keeper: Keeper, port: int) -> None:
    def wait() -> None:
        with pytest.raises(TimeoutError):
            keeper.wait_ready(port, timeout=2)

    waiting = threading.Thread(target=wait)
    waiting.start()
    ticks = 0
    while waiting.is_alive():
        ticks += 1
        time.sleep(0.001)
    # Had the call kept the GIL, there would be a handful.
    assert ticks > 50


def test_progress_functions_of_threads_do_not_meet(path: Path, tmp_path: Path) -> None:
    with Keeper(path) as keeper:

        def back_up(index: int) -> str:
            class Stop(Exception):
                pass

            def stop(*now: object) -> None:
                raise Stop

            with pytest.raises(Stop):
                keeper.backup(tmp_path / f"{index}.db", progress=stop)
            return keeper.backup(tmp_path / f"{index}.db").path.name

        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(back_up, range(8))) == [f"{index}.db" for index in range(8)]


def test_a_fork_in_a_program_with_threads(path: Path, python: Run) -> None:
    # A thread is within the engine at the moment of the fork: the child must not wait for it.
    program = f"""
import os, threading, portkeeper
keeper = portkeeper.Keeper({str(path)!r})
stop = threading.Event()
def work():
    while not stop.is_set():
        keeper.request("thread", range={PORTS}, strategy="random")
        keeper.release(project="thread")
threads = [threading.Thread(target=work) for _ in range(3)]
for thread in threads: thread.start()
for index in range(20):
    pid = os.fork()
    if pid == 0:
        keeper.reserve(20000 + index, "child", adopt=True)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
stop.set()
for thread in threads: thread.join()
assert len(keeper.list(project="child")) == 20
assert keeper.verify() == []
print("well")
"""
    assert python(program).stdout == "well\n"
    assert os.path.exists(path)
