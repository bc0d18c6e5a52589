"""What Python writes, every other language reads at once, with the right owner.

A reader is a command that takes a port and the file of a registry and prints a line of JSON with `project`,
`role`, `owner` (a pid), `description`, `tags` and `metadata`.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from conftest import PORTS, ROOT

from portkeeper import Keeper

READERS = {"rust": ["cargo", "run", "--quiet", "--example", "who_has", "--"]}


def read(language: str, port: int, path: Path) -> dict[str, Any]:
    command = [*READERS[language], str(port), str(path)]
    output = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert output.returncode == 0, output.stderr
    answer: dict[str, Any] = json.loads(output.stdout)
    return answer


@pytest.mark.parametrize("language", READERS)
def test_a_claim_is_read_in_another_language(keeper: Keeper, path: Path, language: str) -> None:
    with keeper.lease("tests", roles=["web"], range=PORTS, strategy="random", description="é\nb", tags=["a"]) as lease:
        answer = read(language, lease.port, path)
        assert (answer["project"], answer["role"], answer["owner"]) == ("tests", "web", os.getpid())
        assert (answer["description"], answer["tags"]) == ("é\nb", ["a"])
        assert answer["verdict"].startswith('reserved for project "tests" since')
    assert read(language, lease.port, path)["project"] is None
    metadata = {"n": [1, -2.5, None, True, "é"], "big": 2**63}
    row = keeper.reserve(lease.port, "shop", metadata=metadata)
    assert read(language, row.number, path)["metadata"] == metadata
    with keeper.bind("tests", range=PORTS, strategy="random") as bound:
        assert "listening on 127.0.0.1" in read(language, bound.port, path)["verdict"]
