#!/usr/bin/env python3
"""Times what people use instead, side by side with Port Keeper: `benches/peers/run.py [--rounds N]`.

Everything is measured in turn, in an order that changes with every round, so that whatever else the machine does
meets everybody. A library answers in a process of its own that has just been started; what is timed is the call. A
tool (ss, lsof, portman) is timed as a whole process, which is how people meet it. What is compared is installed from
the registries below `target/peers`; the result is there too, as a table (`result.md`) and a picture (`result.svg`).
"""

import argparse
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

import picture
from contenders import HERE, WORK, everyone

LOADS = {
    "idle": "nothing else",
    "listeners": "1,000 listeners in 20 processes",
    "crowd": "400 processes with 50 open files each, 40 servers, 5,000 connections",
}
# What is timed, and who can do it: a name that a program is asked for, or a tool.
FIGURES = {
    "listeners": "who listens, with owners; fresh process",
    "again": "the same once more, in the same process",
    "check": "who has one port",
    "request": "a free port, for as long as the process lives",
}
CANNOT = {
    "listeners": {"portpicker", "port_check", "port_for", "ephemeral_port_reserve", "get-port", "detect-port", "portfinder"},
    "request": {"netstat2", "listeners", "psutil"},
}
CANNOT["again"] = CANNOT["check"] = CANNOT["listeners"]


class Session:
    """A contender's program, just started, with an empty registry."""

    def __init__(self, contender, folder):
        path = Path(folder) / f"{time.monotonic_ns()}.db"
        environment = {**os.environ, "PORTKEEPER_DB_PATH": str(path)}
        self.name = contender.name
        self.process = subprocess.Popen(
            contender.command, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def time(self, what, argument=""):
        self.process.stdin.write(f"{self.name}.{what} {argument}".strip() + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"{self.name}.{what} ended its program")
        return int(answer)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def tool(contender, words, port, folder):
    environment = {**os.environ, "PORTKEEPER_DB_PATH": str(Path(folder) / "portman.db")}
    command = [word.format(port=port) for word in words]
    begin = time.perf_counter_ns()
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter_ns() - begin


def warm(session, what, argument=""):
    """The third time: the first loads what it needs, which is not what a caller waits for."""
    return [session.time(what, argument) for _ in range(3)][-1]


def one(contender, port, folder):
    """One round of a contender: every figure that it has."""
    if contender.tools:
        listing, asking = contender.tools
        return {"listeners": tool(contender, listing, port, folder), "check": tool(contender, asking, port, folder)}
    session = Session(contender, folder)
    try:
        answer = {}
        if contender.name not in CANNOT["listeners"]:
            # The peers keep nothing; ours also writes what it saw, once as `listeners` and once as `scan`.
            answer["listeners"] = session.time("listeners")
            if contender.ours:
                answer["scan"] = session.time("scan")
                answer["again"] = session.time("scan")
            else:
                answer["again"] = session.time("listeners")
            if port:
                answer["check"] = warm(session, "check", port)
        if contender.name not in CANNOT["request"]:
            answer["request"] = warm(session, "request")
            if contender.ours:
                answer["claim"] = warm(session, "claim")
        return answer
    finally:
        session.close()


def measure(contenders, load, rounds):
    process = subprocess.Popen(
        [sys.executable, HERE / "load.py", load], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    ports = json.loads(process.stdout.readline())
    samples = {}
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(rounds):
            random.shuffle(contenders)
            for position, contender in enumerate(contenders):
                print(f"\r{load}: round {turn + 1} of {rounds}, {position + 1} of {len(contenders)}   ", end="", file=sys.stderr)
                port = random.choice(ports) if ports else 0
                for figure, time_ in one(contender, port, folder).items():
                    samples.setdefault((figure, contender.label), []).append(time_)
    print(file=sys.stderr)
    process.stdin.close()
    process.wait()
    return {key: statistics.median(times) for key, times in samples.items()}


def writers(seconds=4):
    """Reservations a second, of one process and of 64 at once, and the longest wait in milliseconds."""
    program = WORK / "release/portkeeper-peers"
    answers = []
    for count in (1, 64):
        with tempfile.TemporaryDirectory() as folder:
            command = [program, str(count), str(seconds), f"{folder}/database.db"]
            done, longest = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
            answers.append((int(done) / seconds, int(longest) / 1e6))
    return answers


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--loads", nargs="+", choices=LOADS, default=list(LOADS))
    arguments = parser.parse_args()
    contenders = everyone()
    results = {load: measure(contenders, load, arguments.rounds) for load in arguments.loads}
    alone, together = writers()
    machine = f"{date.today()}, Linux {platform.release()}, {os.cpu_count()} processors, load average {os.getloadavg()[0]:.1f}"
    text = picture.table(results, contenders, LOADS, FIGURES, arguments.rounds, machine)
    text += (
        f"\n64 processes reserve {together[0]:.0f} ports a second together, one alone {alone[0]:.0f} "
        f"({together[0] / alone[0]:.2f} ×); the longest wait was {together[1]:.0f} ms.\n"
    )
    promises, kept = picture.promises(results, contenders, alone, together)
    text += "\n" + promises
    (WORK / "result.md").write_text(text)
    (WORK / "result.svg").write_text(picture.drawing(results, contenders, FIGURES))
    print(text)
    print(f"written to {WORK / 'result.md'} and {WORK / 'result.svg'}")
    sys.exit(not kept)


if __name__ == "__main__":
    main()
