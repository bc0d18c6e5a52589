"""What Python writes, every other language reads at once, with the right owner.

A reader is a command that takes a port and the file of a registry and prints what the port is, as one line of JSON.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import PORTS, ROOT

from portkeeper import Keeper

HERE = Path(__file__).parent / "readers"


def run(*command: object) -> str:
    words = [str(word) for word in command]
    output = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=1200)
    assert output.returncode == 0, f"{words}: {output.stdout}{output.stderr}"
    return output.stdout


def built(*arguments: str) -> list[Path]:
    """The files that cargo makes of the last thing that is asked for."""
    messages = run("cargo", "build", "--locked", "--message-format=json-render-diagnostics", *arguments).splitlines()
    artifacts = [message for message in map(json.loads, messages) if message["reason"] == "compiler-artifact"]
    return [Path(name) for name in artifacts[-1]["filenames"]]


def rust(_: Path) -> list[object]:
    return [*built("--example", "who_has")]


def c(folder: Path) -> list[object]:
    (library,) = [file for file in built("--package", "portkeeper-ffi") if file.suffix == ".so"]
    # As an installed library is found: by the name that it says it has.
    for name in ("libportkeeper.so", "libportkeeper.so.0"):
        (folder / name).symlink_to(library)
    program = folder / "who_has"
    header = ["-I", ROOT / "portkeeper-ffi" / "include"]
    linked = ["-L", folder, "-lportkeeper", f"-Wl,-rpath,{folder}"]
    run("cc", "-Wall", "-Wextra", "-Werror", *header, HERE / "who_has.c", *linked, "-o", program)
    return [program]


def node(_: Path) -> list[object]:
    run("node", ROOT / "bindings" / "node" / "build.mjs", "--debug")
    return ["node", HERE / "who_has.mjs"]


# Each with what it is built by.
READERS: dict[str, tuple[list[str], Callable[[Path], list[object]]]] = {
    "rust": (["cargo"], rust),
    "c": (["cargo", "cc"], c),
    "node": (["cargo", "node"], node),
}


def facts(state: dict[str, Any]) -> dict[str, Any]:
    """Of a state as documented JSON, what `examples/who_has.rs` says."""
    claim = state["reservation"] or {}
    lease = claim.get("lease") or {}
    return {
        "verdict": state["explanation"],
        "project": claim.get("projectName"),
        "role": lease.get("role"),
        "owner": (lease.get("owner") or {}).get("pid"),
        **{name: claim.get(name) for name in ("description", "tags", "metadata")},
    }


@pytest.mark.xdist_group("build")
@pytest.mark.parametrize("language", READERS)
def test_a_claim_is_read_in_another_language(keeper: Keeper, path: Path, tmp_path: Path, language: str) -> None:
    builders, build = READERS[language]
    for builder in builders:
        if shutil.which(builder) is None:
            # The runner prints it as a line that begins with SKIPPED, which CI does not let pass.
            pytest.skip(f"there is no {builder}, so that {language} cannot read what Python writes")
    command = build(tmp_path)

    def read(port: int) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(run(*command, port, path))
        return facts(answer) if "explanation" in answer else answer

    with keeper.lease("tests", roles=["web"], range=PORTS, strategy="random", description="é\nb", tags=["a"]) as lease:
        answer = read(lease.port)
        assert (answer["project"], answer["role"], answer["owner"]) == ("tests", "web", os.getpid())
        assert (answer["description"], answer["tags"]) == ("é\nb", ["a"])
        assert answer["verdict"].startswith('reserved for project "tests" since')
    assert read(lease.port)["project"] is None
    # JavaScript has no larger whole numbers.
    metadata = {"n": [1, -2.5, None, True, "é"], "big": 2**53 if language == "node" else 2**63}
    row = keeper.reserve(lease.port, "shop", metadata=metadata)
    answer = read(row.number)
    assert (answer["project"], answer["owner"]) == ("shop", None)
    assert answer["metadata"] == metadata
    with keeper.bind("tests", range=PORTS, strategy="random") as bound:
        answer = read(bound.port)
        assert "listening on 127.0.0.1" in answer["verdict"]
        assert (answer["project"], answer["owner"]) == ("tests", os.getpid())
