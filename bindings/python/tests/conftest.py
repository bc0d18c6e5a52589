"""What the tests have in common: a registry of their own, and other programs beside them."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import portkeeper

pytest_plugins = ["pytester"]

# No test touches the registry of whoever runs it. Workers of xdist inherit the variable.
if "PORTKEEPER_TESTS" not in os.environ:
    _folder = tempfile.TemporaryDirectory(prefix="portkeeper-tests-")
    os.environ["PORTKEEPER_TESTS"] = _folder.name
    os.environ["PORTKEEPER_DB_PATH"] = f"{_folder.name}/database.db"

ROOT = Path(__file__).resolve().parents[3]
PORTS = (20000, 29999)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The file of a registry that does not exist yet."""
    return tmp_path / "database.db"


@pytest.fixture
def keeper(path: Path) -> Iterator[portkeeper.Keeper]:
    """A registry of the test's own."""
    with portkeeper.Keeper(path, actor="tests") as keeper:
        yield keeper


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
