"""The types: strict on an example's use, and the stub is what the module is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from conftest import ROOT

USE = """
from datetime import datetime, timedelta, timezone
from typing import assert_type
import socket
import portkeeper
from portkeeper import Keeper

def use(keeper: Keeper) -> None:
    web, api = keeper.request("my-app", roles=["web", "api"], range=(8000, 8999), strategy="stable", ttl=timedelta(1))
    assert_type(web, portkeeper.Reservation)
    assert_type(web.reserved_at, datetime)
    assert_type(web.tags, list[str])
    state = keeper.check(web.number)
    assert_type(state.project, str | None)
    if state.status == "in-use":
        assert_type(state.listeners[0].remote, tuple[str, int] | None)
    with keeper.bind("my-tests") as bound, keeper.lease("my-tests", count=2) as lease, keeper.hold(3000) as hold:
        assert_type(bound.socket, socket.socket)
        assert_type(lease.ports, list[int])
        keeper.wait_ready(hold, timeout=1.5, pid=4711)
    for entry in keeper.history(3000, since=datetime.now(timezone.utc), action="killed"):
        assert_type(entry.details["reason"], object)  # type: ignore[assert-type]
    try:
        keeper.import_({"version": "1.0", "ports": []}, mode="replace", progress=lambda op, done, total: done < total)
    except portkeeper.PortReservedError as error:
        assert_type((error.port, error.code), tuple[int | None, str])
    keeper.list(status="used")  # type: ignore[arg-type]
    keeper.check("3000")  # type: ignore[arg-type]
    keeper.reserve(3000)  # type: ignore[call-arg]
    web.number = 5  # type: ignore[misc]
"""


def mypy(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", *arguments], capture_output=True, text=True, timeout=300, cwd=ROOT)


def test_an_examples_use_is_strictly_typed(tmp_path: Path) -> None:
    (tmp_path / "use.py").write_text(USE)
    examples = [str(file) for file in (ROOT / "examples").glob("*.py")]
    output = mypy("mypy", "--strict", str(tmp_path / "use.py"), *examples)
    assert output.returncode == 0, output.stdout


def test_the_package_and_its_tests_are_strictly_typed() -> None:
    folder = ROOT / "bindings" / "python"
    output = mypy("mypy", "--strict", str(folder / "python"), str(folder / "tests"), str(folder / "benches"))
    assert output.returncode == 0, output.stdout


def test_the_stub_is_what_the_module_is() -> None:
    output = mypy("mypy.stubtest", "portkeeper", "pytest_portkeeper")
    assert output.returncode == 0, output.stdout


def test_the_source_is_tidy() -> None:
    folder = ROOT / "bindings" / "python"
    for command in (["check"], ["format", "--check"]):
        output = mypy("ruff", *command, "--config", str(folder / "pyproject.toml"), str(folder), str(ROOT / "examples"))
        assert output.returncode == 0, output.stdout
