"""The table of tests/conformance, whose README says what it means."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from conftest import PORTS, ROOT

import portkeeper
from portkeeper import Keeper

FOLDER = ROOT / "tests" / "conformance"
CASES = [
    pytest.param(case, id=f"{file.stem}: {case['name']}")
    for file in sorted(FOLDER.glob("*.json"))
    for case in json.loads(file.read_text())
]
WATCHED = {"import", "backup", "restore", "dump", "prune", "compact", "verify"}


def snake(name: str) -> str:
    """A name of the table as Python has it."""
    words = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
    return "import_" if words == "import" else words


def plain(value: Any) -> Any:
    """A result as documented JSON."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, (portkeeper.Lease, portkeeper.BoundPort)):
        rows = value.reservations if isinstance(value, portkeeper.Lease) else [value.reservation]
        return {"port": value.port, "ports": [row.number for row in rows], "reservations": plain(rows)}
    if isinstance(value, portkeeper.Hold):
        return {"port": value.port}
    return value.to_dict() if hasattr(value, "to_dict") else value


def arguments(given: dict[str, Any]) -> dict[str, Any]:
    """The table's arguments as Python has them: times, spans of seconds, tuples, snake case."""
    converted: dict[str, Any] = {}
    for name, value in given.items():
        if name in ("time", "since", "until"):
            converted[name] = datetime.fromisoformat(value.replace("Z", "+00:00"))
        elif name == "before":
            converted[name] = (datetime.fromisoformat(value["performedAt"].replace("Z", "+00:00")), value["id"])
        elif name.endswith("Ms"):
            converted[snake(name[:-2])] = value / 1000
        elif name == "range":
            converted[name] = tuple(value)
        else:
            converted[snake(name)] = value
    return converted


class Case:
    """One case under way."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.keeper = Keeper(folder / "database.db", actor="conformance")
        self.guards: dict[str, Any] = {}
        self.listeners: list[socket.socket] = []
        self.strangers: list[subprocess.Popen[str]] = []

    def run(self, op: str, given: dict[str, Any], name: str | None, cancel: bool) -> Any:
        args = arguments(given)
        own: Callable[..., Any] | None = getattr(self, f"_{op}", None)
        if own is not None:
            return own(**args)
        if op in WATCHED and cancel:
            args["progress"] = lambda *now: False
        if op == "release" and "port" in args:
            args["ports"] = args.pop("port")
        if op == "dump":
            args["target"] = args.pop("path")
        guard = getattr(self.keeper, snake(op))(**args)
        if name is not None:
            self.guards[name] = guard
        return plain(guard)

    def _open(self, **options: Any) -> None:
        Keeper(**options).close()

    def _end(self, guard: str) -> None:
        self.guards.pop(guard).release()

    def _setRoles(self, guard: str, port: int, role: str | None) -> None:
        self.guards[guard].set_roles({port: role})

    def _lend(self, guard: str) -> None:
        self.guards[guard].lend()

    def _takeBack(self, guard: str) -> bool:
        taken: bool = self.guards[guard].take_back()
        return taken

    def _waitReady(self, port: int = 0, guard: str | None = None, **options: Any) -> Any:
        target = port if guard is None else self.guards[guard]
        return plain(self.keeper.wait_ready(target, **options))

    def _detect(self, path: str) -> Any:
        return plain(portkeeper.Project.detect(path))

    def _listen(self, port: int) -> None:
        self.listeners.append(socket.create_server(("127.0.0.1", port)))

    def _stranger(self, port: int) -> None:
        # By the name that the table expects.
        command = ["python3", str(FOLDER / "stranger.py"), str(port)]
        stranger = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert stranger.stdout is not None
        self.stranger = int(stranger.stdout.readline())
        self.strangers.append(stranger)

    def _write(self, path: str, text: str) -> None:
        Path(path).write_text(text)

    def close(self) -> None:
        self.guards.clear()
        for listener in self.listeners:
            listener.close()
        for stranger in self.strangers:
            stranger.communicate()
        self.keeper.close()


def free_ports(count: int) -> list[int]:
    with Keeper(in_memory=True) as keeper:
        if count == 0:
            return []
        rows = keeper.request("free", count=count, range=PORTS, strategy="random")
        return sorted(row.number for row in rows)


def filled(value: Any, known: dict[str, Any]) -> Any:
    """The value with its placeholders replaced."""
    if isinstance(value, str):
        if value in known:
            return known[value]
        for name, fact in known.items():
            value = value.replace(name, str(fact))
        return value
    if isinstance(value, list):
        return [filled(item, known) for item in value]
    if isinstance(value, dict):
        return {key: filled(item, known) for key, item in value.items()}
    return value


def assert_matches(value: Any, pattern: Any, at: str) -> None:
    if pattern == "$any":
        assert value is not None, at
    elif isinstance(pattern, dict) and isinstance(value, dict):
        for key, expected in pattern.items():
            assert key in value, f"{at}: no {key} in {value}"
            assert_matches(value[key], expected, f"{at}: {key}")
    elif isinstance(pattern, list) and isinstance(value, list):
        assert len(value) == len(pattern), f"{at}: {value}"
        for index, (item, expected) in enumerate(zip(value, pattern, strict=True)):
            assert_matches(item, expected, f"{at}: [{index}]")
    else:
        assert value == pattern, at
        assert isinstance(value, bool) == isinstance(pattern, bool), at


@pytest.fixture
def case_under_way(tmp_path: Path) -> Iterator[Case]:
    case = Case(tmp_path)
    yield case
    case.close()


def test_there_is_a_table() -> None:
    assert len(CASES) >= 20


@pytest.mark.parametrize("case", CASES)
def test_every_case_holds(case: dict[str, Any], case_under_way: Case, tmp_path: Path) -> None:
    assert set(case) <= {"name", "ports", "steps"}
    known: dict[str, Any] = {f"${index}": port for index, port in enumerate(free_ports(case.get("ports", 0)), 1)}
    known |= {"$dir": str(tmp_path), "$pid": os.getpid()}
    for index, step in enumerate(case["steps"]):
        assert set(step) <= {"op", "args", "as", "cancel", "ok", "error"}
        at = f"step {index} ({step['op']})"
        args = filled(step["args"], known)
        try:
            result = case_under_way.run(step["op"], args, step.get("as"), step.get("cancel", False))
        except portkeeper.PortkeeperError as error:
            assert "error" in step, f"{at}: {error}"
            shown = {
                "code": error.code,
                "message": str(error),
                "port": error.port,
                "project": error.project,
                "pid": error.pid,
                "nextFree": error.next_free,
            }
            assert_matches(shown, filled(step["error"], known), at)
        else:
            assert "error" not in step, f"{at}: {result}"
            if hasattr(case_under_way, "stranger"):
                known["$stranger"] = case_under_way.stranger
            if "ok" in step:
                assert_matches(result, filled(step["ok"], known), at)
