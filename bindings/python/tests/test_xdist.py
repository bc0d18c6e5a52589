"""Two runs of 500 tests with 8 workers each at the same time, beside a neighbour that takes ports with bind(0)."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import RANGE, until

from portkeeper import Keeper

TESTS = 500
WORKERS = 8

SUITE = f"""
import os, signal, socket, threading, time
import pytest

def crash(name):
    try:
        os.close(os.open(name, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return
    os.kill(os.getpid(), signal.SIGKILL)

@pytest.mark.parametrize("number", range({TESTS}))
def test_serves(port, wait_ready, number, worker_id):
    begin = time.monotonic_ns()
    server = socket.socket()
    if number % 2:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(("127.0.0.1", port))
    server.listen()
    assert wait_ready(port, timeout=60).pid == os.getpid()
    if os.environ.get("CRASH") and worker_id == "gw3" and number > 50:
        # In the middle of a test, with a server that listens; once a run.
        crash(os.environ["LOG"] + ".crashed")

    def serve():
        client, _ = server.accept()
        client.sendall(str(number).encode())
        client.close()

    thread = threading.Thread(target=serve)
    thread.start()
    with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
        answer = b""
        while part := client.recv(100):
            answer += part
    thread.join()
    assert answer == str(number).encode(), "somebody else's server answered"
    if number % 3 == 0:
        server.close()
    else:
        test_serves.left = getattr(test_serves, "left", [])[-3:] + [server]
    with open(os.environ["LOG"], "a") as log:
        log.write(f"{{port}} {{begin}} {{time.monotonic_ns()}} {{os.getpid()}}\\n")
"""

# Says which ports it had, and when, as the tests do.
NEIGHBOUR = """
import random, socket, sys, time
held, log = [], open(sys.argv[1], "a")
print("runs", flush=True)
while True:
    taken = socket.socket()
    taken.bind((random.choice(["127.0.0.1", "0.0.0.0"]), 0))
    if random.random() < 0.5:
        taken.listen()
    held.append((taken, time.monotonic_ns()))
    if len(held) > 200:
        old, begin = held.pop(random.randrange(len(held)))
        port = old.getsockname()[1]
        old.close()
        log.write(f"{port} {begin} {time.monotonic_ns()} neighbour\\n")
        log.flush()
    time.sleep(0.0005)
"""


def collisions(log: list[tuple[int, int, int, str]]) -> list[str]:
    """Whoever had a port while somebody else did."""
    found = []
    last: dict[int, tuple[int, str]] = {}
    for port, begin, end, who in sorted(log):
        if port in last and begin < last[port][0]:
            found.append(f"port {port}: {who} and {last[port][1]}")
        last[port] = max(last.get(port, (0, "")), (end, who))
    return found


@pytest.mark.parametrize("crash", [False, True], ids=["whole", "10 % of the workers are killed"])
def test_two_runs_at_once_never_meet(tmp_path: Path, crash: bool) -> None:
    registry, log, taken = tmp_path / "user.db", tmp_path / "log", tmp_path / "taken"
    runs = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "pytest.ini").write_text(f"[pytest]\nportkeeper_range = {RANGE}\nportkeeper_project = the-same\n")
        (folder / "test_suite.py").write_text(SUITE)
        runs.append(folder)
    neighbour = subprocess.Popen([sys.executable, "-c", NEIGHBOUR, str(taken)], stdout=subprocess.PIPE, text=True)
    try:
        assert neighbour.stdout is not None
        assert neighbour.stdout.readline() == "runs\n"
        arguments = ["-q", "-n", str(WORKERS), "-p", "no:cacheprovider", "--portkeeper-report"]
        processes = [
            subprocess.Popen(
                [sys.executable, "-m", "pytest", *arguments],
                cwd=folder,
                env={
                    "PATH": "/usr/bin:/bin",
                    "HOME": str(tmp_path),
                    "PORTKEEPER_DB_PATH": str(registry),
                    "LOG": str(log.with_name(f"log-{folder.name}")),
                    "CRASH": "1" if crash else "",
                },
                stdout=subprocess.PIPE,
                text=True,
            )
            for folder in runs
        ]
        outputs = [process.communicate(timeout=600)[0] for process in processes]
    finally:
        neighbour.kill()
        neighbour.communicate()
    entries = []
    for file in [tmp_path / "log-one", tmp_path / "log-two", taken]:
        for line in file.read_text().splitlines():
            port, begin, end, who = line.split()
            entries.append((int(port), int(begin), int(end), who))
    met = collisions(entries)
    for output in outputs:
        passed = re.search(r"(\d+) passed", output)
        failed = re.search(r"(\d+) failed", output)
        # A worker that is killed takes one test with it, and no other fails.
        assert failed is None or (crash and int(failed[1]) == 1 and "crashed while running" in output), output
        assert passed is not None
        assert int(passed[1]) == TESTS - (1 if crash else 0)
        if crash:
            assert re.search(r"^gw3: ended without a report", output, re.M), output
        summary = next(line for line in output.splitlines() if line.startswith("in all: "))
        print(summary)
    ours = sum(1 for entry in entries if entry[3] != "neighbour")
    with Keeper(registry) as keeper:
        before = len(keeper.list())
        until(lambda: keeper.scan() and not keeper.list())
        history = len(keeper.history(limit=1_000_000))
    print(f"{ours} tests served, {len(entries) - ours} ports of the neighbour: {len(met)} collisions")
    print(f"{before} claims at the end, none after a sweep; {history} history entries")
    assert ours == 2 * TESTS - (2 if crash else 0)
    assert len(entries) - ours > 1000
    assert met == []
    # The claims of killed workers are the only ones that need a sweep.
    assert before == 0 or crash


def test_collisions_are_found() -> None:
    assert collisions([(1, 0, 5, "a"), (1, 5, 9, "b"), (2, 0, 9, "c")]) == []
    assert collisions([(1, 0, 5, "a"), (1, 4, 9, "b")]) == ["port 1: b and a"]
    assert len(collisions([(1, 0, 50, "a"), (1, 4, 9, "b"), (1, 20, 30, "c")])) == 2
