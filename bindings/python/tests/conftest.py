"""What the tests have in common: a registry of their own, and other programs beside them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

import portkeeper

pytest_plugins = ["pytester"]

# No test touches the registry of whoever runs it. Workers of xdist inherit the variable.
if "PORTKEEPER_TESTS" not in os.environ:
    _folder = tempfile.TemporaryDirectory(prefix="portkeeper-tests-")
    os.environ["PORTKEEPER_TESTS"] = _folder.name
    os.environ["PORTKEEPER_DB_PATH"] = f"{_folder.name}/database.db"

ROOT = Path(__file__).resolve().parents[3]

# Ctrl-C reaches no child of a run that was started in the background, unless it is listened to again.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Registries of two tests know nothing of each other, so that each worker of xdist has ports of its own.
_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_share = 10_000 // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
PORTS = (20_000 + _worker * _share, 20_000 + (_worker + 1) * _share - 1)
RANGE = f"{PORTS[0]}-{PORTS[1]}"

T = TypeVar("T")


def until(answer: Callable[[], T | None]) -> T:
    """What `answer` returns as soon as that is true.

    What ended may be seen for a moment longer: whoever reads `/proc` keeps the sockets open that it looks at.
    """
    deadline = time.monotonic() + 60
    while not (found := answer()):
        assert time.monotonic() < deadline, f"still {found!r}"
        time.sleep(0.01)
    return found


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The file of a registry that does not exist yet."""
    return tmp_path / "database.db"


@pytest.fixture
def keeper(path: Path) -> Iterator[portkeeper.Keeper]:
    """A registry of the test's own."""
    with portkeeper.Keeper(path, actor="tests") as keeper:
        yield keeper


# Holds the database locked, without the copy of SQLite that the tests use.
LOCK = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute(sys.argv[2])
print("locked", flush=True)
sys.stdin.readline()
"""


@contextlib.contextmanager
def busy(path: Path) -> Iterator[None]:
    """Somebody else writes to the registry, and does not end."""
    command = [sys.executable, "-c", LOCK, str(path), "BEGIN IMMEDIATE"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "locked\n"
        try:
            yield
        finally:
            writer.communicate("\n")


Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def python(tmp_path: Path) -> Run:
    """Runs a program in another Python, and returns what it printed."""

    def run(program: str, *arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
        file = tmp_path / "program.py"
        file.write_text(program)
        command = [sys.executable, str(file), *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True, **options)  # type: ignore[call-overload,no-any-return]

    return run


INI = f"[pytest]\nportkeeper_range = {RANGE}\n"


@pytest.fixture
def registry(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's registry of the runs."""
    path = pytester.path / "user.db"
    monkeypatch.setenv("PORTKEEPER_DB_PATH", str(path))
    pytester.makeini(INI)
    return path


def run(pytester: pytest.Pytester, source: str, *arguments: str) -> pytest.RunResult:
    """Runs a test file in a pytest of its own."""
    pytester.makepyfile(test_it=source)
    return pytester.runpytest_subprocess("-p", "no:cacheprovider", *arguments)


def assert_empty(registry: Path) -> None:
    """No claim is left."""
    with portkeeper.Keeper(registry) as keeper:
        assert keeper.list() == []
        assert keeper.verify() == []
