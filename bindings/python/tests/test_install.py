"""The package installs alone, from the folder and from its source archive, and one build serves every Python."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from conftest import PORTS, ROOT

FOLDER = ROOT / "bindings" / "python"
# The debug profile is as good for this, and built already.
DEBUG = ["--config-settings", "build-args=--profile dev"]

SMOKE = """
import socket, sys, threading, multiprocessing, pickle
from datetime import datetime, timezone
import portkeeper

ports = int(sys.argv[2]), int(sys.argv[3])
with portkeeper.Keeper(sys.argv[1]) as keeper:
    row = keeper.reserve(21000, "shop", tags=["a"], metadata={"a": [1]}, adopt=True)
    assert pickle.loads(pickle.dumps(row)) == row
    assert keeper.holder_at(21000, datetime.now(timezone.utc)).project_name == "shop"
    try:
        keeper.reserve(21000, "blog")
    except portkeeper.PortReservedError as error:
        assert pickle.loads(pickle.dumps(error)).project == "shop"
    with keeper.bind("tests", range=ports, strategy="random") as bound:
        assert isinstance(bound.socket, socket.socket)
        keeper.wait_ready(bound)
    with keeper.lease("tests", range=ports):
        threads = [threading.Thread(target=keeper.scan) for _ in range(4)]
        [thread.start() for thread in threads], [thread.join() for thread in threads]
    keeper.release(21000)
    assert keeper.list() == [] and keeper.verify() == []
print(sys.version.split()[0], portkeeper.__version__, portkeeper.__file__)
"""


def fresh(folder: Path) -> Path:
    """A Python with nothing but pip."""
    venv.create(folder, with_pip=True)
    return folder / "bin" / "python"


def run(*command: object, **environment: str) -> str:
    variables = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST", "VIRTUAL_ENV"))}
    output = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, timeout=1200, env=variables | environment
    )
    assert output.returncode == 0, output.stdout + output.stderr
    return output.stdout


@pytest.mark.xdist_group("build")
def test_the_folder_installs_alone(tmp_path: Path) -> None:
    python = fresh(tmp_path / "venv")
    run(python, "-m", "pip", "install", "--quiet", *DEBUG, FOLDER)
    printed = run(python, "-c", SMOKE, tmp_path / "x.db", *PORTS)
    assert str(tmp_path / "venv") in printed
    # Types come along, the plugin is on, and nothing else is needed.
    assert sorted(file.name for file in Path(printed.split()[-1]).parent.iterdir()) == [
        "__init__.py",
        "__pycache__",
        "_errors.py",
        "_leases.py",
        "_portkeeper.abi3.so",
        "_portkeeper.pyi",
        "_portpicker.py",
        "py.typed",
    ]
    installed = run(python, "-m", "pip", "list", "--format", "freeze")
    assert "portkeeper-engine==0.1.0" in installed.replace("portkeeper_engine", "portkeeper-engine")
    assert len(installed.split()) <= 4, installed
    points = "from importlib.metadata import entry_points; print(*entry_points(group='pytest11'))"
    assert "pytest_portkeeper" in run(python, "-c", points)


@pytest.mark.xdist_group("build")
def test_the_source_archive_installs(tmp_path: Path) -> None:
    run(sys.executable, "-m", "maturin", "sdist", "--manifest-path", FOLDER / "Cargo.toml", "--out", tmp_path)
    (archive,) = tmp_path.glob("*.tar.gz")
    assert archive.name == "portkeeper_engine-0.1.0.tar.gz"
    python = fresh(tmp_path / "venv")
    # What it depends on is the same, and built already.
    target = ROOT / "target"
    run(python, "-m", "pip", "install", "--quiet", *DEBUG, archive, CARGO_TARGET_DIR=str(target))
    assert str(tmp_path / "venv") in run(python, "-c", SMOKE, tmp_path / "x.db", *PORTS)


def other_pythons() -> list[Path]:
    """One Python of each other version that there is here, from 3.10 on."""
    candidates = [Path(f"/usr/bin/python3.{minor}") for minor in range(10, 16)]
    candidates += sorted(Path.home().glob(".pyenv/versions/3.1*/bin/python"))
    found = {}
    for candidate in candidates:
        if candidate.exists():
            printed = subprocess.run([candidate, "-c", "import sys; print(*sys.version_info[:2])"], capture_output=True)
            found[printed.stdout] = candidate
    found.pop(b"%d %d\n" % sys.version_info[:2], None)
    return list(found.values())


def test_one_build_serves_every_python(tmp_path: Path) -> None:
    pythons = other_pythons()
    if not pythons:
        pytest.skip("there is no other Python here")
    for python in pythons:
        # Nothing of this Python's, and no compiled files beside the sources.
        environment = {"PYTHONPATH": str(FOLDER / "python"), "PYTHONDONTWRITEBYTECODE": "1"}
        print(run(python, "-c", SMOKE, tmp_path / "x.db", *PORTS, **environment).strip())
