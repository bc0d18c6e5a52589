"""The examples run on a registry of their own, end by themselves, and print what they promise."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

from portkeeper import Keeper

EXPECTED = {
    "quickstart": [
        r"registry .*database\.db",
        r"reserved +\d+  reserved  quickstart  reserved for project",
        r"serving +\d+  in-use .*listening on 127\.0\.0\.1",
        r"stopped +\d+  reserved",
        r"released +\d+  free      nobody      free",
        r"released .* by quickstart",
        r"reserved .* by quickstart",
    ],
    "http_server": [
        r"leased +port \d+: reserved for project \"http_server\"",
        r"ready .*python.* listening on 127\.0\.0\.1 \(tcp\)",
        r"answered +200 OK",
        r"refused +port \d+ is reserved for project \"http_server\"",
        r"given back +free",
    ],
    "asyncio_socket": [
        r"bound +port \d+: python.* listening on 127\.0\.0\.1",
        r"here +hello from process \d+",
        r"child (\d+) +hello from process \1",
        r"given back +\d+",
    ],
}

# As the Rust examples: other registries know nothing of this one, so that each has a network of its own.
UP = (
    "import fcntl, os, socket, struct, sys\n"
    "fcntl.ioctl(socket.socket(), 0x8914, struct.pack('16sH22x', b'lo', 1))\n"
    "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
)


def apart() -> list[str]:
    """A command's beginning that gives it a network of its own, where that can be."""
    works = subprocess.run(["unshare", "-Urn", "true"], capture_output=True).returncode == 0
    return ["unshare", "-Urn", sys.executable, "-c", UP] if works else [sys.executable]


@pytest.mark.parametrize("name", EXPECTED)
def test_an_example_prints_what_it_promises(path: Path, name: str) -> None:
    command = [*apart(), str(ROOT / "examples" / f"{name}.py"), str(path)]
    environment = {key: value for key, value in os.environ.items() if key != "PORTKEEPER_DB_PATH"}
    output = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
    assert output.returncode == 0, output.stderr
    assert output.stderr == ""
    lines = iter(output.stdout.splitlines())
    for pattern in EXPECTED[name]:
        assert any(re.search(pattern, line) for line in lines), f"{pattern}\n{output.stdout}"
    with Keeper(path) as keeper:
        assert keeper.list() == []


def test_every_example_is_run() -> None:
    assert {file.stem for file in (ROOT / "examples").glob("*.py")} == set(EXPECTED)


def test_the_readme_is_right(tmp_path: Path) -> None:
    """Each Python block of the README is type-checked, and those that are programs run."""
    text = (ROOT / "bindings" / "python" / "README.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", text, re.S)
    assert len(blocks) >= 4
    for index, block in enumerate(blocks):
        file = tmp_path / f"block_{index}.py"
        file.write_text(block)
        compile(block, str(file), "exec")
        if "# runs" in block:
            command = [*apart(), str(file)]
            environment = os.environ | {"PORTKEEPER_DB_PATH": str(tmp_path / f"{index}.db")}
            output = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
            assert output.returncode == 0, output.stderr
