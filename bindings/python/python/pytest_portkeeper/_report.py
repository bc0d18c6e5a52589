"""What people are told: of a failing test's ports, and of what a run used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from pytest_portkeeper._session import Session


def held(session: Session, ports: Mapping[int, str]) -> str:
    """A line for each port that a test held: what for, and who listens there now."""
    lines = []
    for port, purpose in ports.items():
        try:
            who = _who(session, port)
        except Exception as error:
            # The failure of the test is what matters.
            who = str(error)
        lines.append(f"{port}  {purpose}: {who}")
    return "\n".join(lines)


def _who(session: Session, port: int) -> str:
    from pytest_portkeeper._pool import is_bindable

    state = session.keeper.check(port)
    if state.sockets:
        return ", ".join(str(socket) for socket in state.sockets)
    if state.verdict not in ("free", "reserved"):
        return str(state).partition(": ")[2]
    if is_bindable(port):
        return "nobody listens"
    return "nobody listens, but closed connections keep it from servers without SO_REUSEADDR"


def summary(terminal: pytest.TerminalReporter, used: list[dict[str, Any]], lost: list[str]) -> None:
    """What the processes of a run used."""
    used = sorted(used, key=lambda one: str(one["worker"]))
    lost = sorted(lost)
    terminal.section("ports")
    if not used and not lost:
        terminal.line("no test needed a port")
        return
    for registry, project in sorted({(one["registry"], one["project"]) for one in used}):
        terminal.line(f"project {project}, registry {registry}")
    for one in used:
        terminal.line(
            f"{one['worker']}: {one['handed_out']} ports for {one['tests']} tests, "
            f"{one['leased']} leased, {2 * one['leased']} history entries"
        )
    for worker in lost:
        terminal.line(f"{worker}: ended without a report; its ports were given back with its process")
    for one in used:
        for port, user, who in one["left"]:
            terminal.line(f"{port}  left behind by {user}: {who}")
    ports = sum(one["handed_out"] for one in used)
    leased = sum(one["leased"] for one in used)
    terminal.line(f"in all: {ports} ports handed out, {leased} leased, {2 * leased} history entries")
