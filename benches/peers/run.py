#!/usr/bin/env python3
"""Times what people use instead, side by side with Port Keeper: `benches/peers/run.py [--rounds N]`.

Everything is measured in turn, in an order that changes with every round, so that whatever else the machine does
meets everybody. A library answers in a process of its own that has just been started; what is timed is the call. A
tool (ss, lsof, portman) is timed as a whole process, which is how people meet it. Each answer is checked: a contender
that fails twice or does not see what is there is left out by name. What is compared is installed from the registries below
`target/peers`; the result is there too, as tables (`result.md`) and as a picture (`result.svg`).
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
from contenders import HERE, RUST, WORK, everyone

LOADS = {
    "idle": "one server and nothing else",
    "1,000 listeners": "in 20 processes",
    "crowd": "400 processes with 50 open files each, 40 of them servers, 5,000 connections",
}
FIGURES = {
    "first": "who listens and whose it is, asked by a fresh process. Ours is a scan into an empty registry, written down: TCP and "
    "UDP, with at least one process of each socket, by pid and name. netstat2 tells no names, psutil one process of each socket",
    "again": "the same once more, libraries in the same process, tools in another one",
    "check": "whose one port is. Ours after such a scan; the registry's claim and every other socket of the port are in its answer",
    "cold": "the same as the first question of a fresh process. Ours asks an empty registry",
    "request": "a free port for as long as the process lives. Ours is a claim in the registry that no other process gets; the "
    "peers write nothing down",
}
# What only ours does.
EXTRA = {
    "complete": "who listens, with every process of each socket, asked by a fresh process; nothing is written down",
    "claim": "a free port for good, which survives a power cut",
}
FINDS_PORTS_ONLY = {"portpicker", "port_check", "port_for", "ephemeral_port_reserve", "get-port", "detect-port", "portfinder"}
NAMES_OWNERS_ONLY = {"netstat2", "listeners", "psutil"}


class Wrong(Exception):
    """A contender failed, or its answer is wrong."""


class Session:
    """A contender's program, just started, with an empty registry."""

    def __init__(self, contender, folder):
        self.name = contender.name
        self.process = subprocess.Popen(
            contender.command, env=registry(folder), text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.communicate()

    def time(self, what, argument=""):
        """Nanoseconds, and what came out."""
        self.process.stdin.write(f"{self.name}.{what} {argument}".strip() + "\n")
        self.process.stdin.flush()
        words = self.process.stdout.readline().split()
        if len(words) != 2 or not all(word.isdigit() for word in words):
            raise Wrong(f"{what}: the program ended or answered {words}")
        return int(words[0]), int(words[1])

    def warm(self, what, argument=""):
        """The third time: the first loads what it needs, which is not what a caller waits for."""
        return [self.time(what, argument) for _ in range(3)][-1]


def registry(folder):
    return {**os.environ, "PORTKEEPER_DB_PATH": f"{folder}/{time.monotonic_ns()}.db"}


def tool(words, port, environment):
    """The nanoseconds of a whole process, and its output."""
    command = [word.format(port=port) for word in words]
    begin = time.perf_counter_ns()
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return time.perf_counter_ns() - begin, done.stdout


def expect(what, is_right, answer):
    if not is_right:
        raise Wrong(f"{what}: {str(answer)[:200]!r} is not what is there")


def tool_round(contender, servers, folder):
    listing, asking = contender.tools
    port, pid = random.choice(servers)
    environment = registry(folder)
    answer = {}
    # The registry of ours is empty at first.
    answer["cold"], alone = tool(asking, port, environment)
    answer["first"], every = tool(listing, port, environment)
    answer["again"], _ = tool(listing, port, environment)
    answer["check"], _ = tool(asking, port, environment)
    expect("check", str(pid) in alone, alone)
    expect("first", all(str(port) in every and str(pid) in every for port, pid in servers), every)
    return answer


def library_round(contender, servers, folder):
    answer = {}
    port, pid = random.choice(servers)
    if contender.name not in FINDS_PORTS_ONLY:
        with Session(contender, folder) as session:
            answer["cold"], seen = session.time("check", port)
            expect("check", seen == pid, seen)
    with Session(contender, folder) as session:
        if contender.name not in FINDS_PORTS_ONLY:
            listing = "scan" if contender.ours else "listeners"
            answer["first"], seen = session.time(listing)
            expect(listing, seen >= len(servers), seen)
            answer["again"], _ = session.time(listing)
            answer["check"], seen = session.warm("check", port)
            expect("check", seen == pid, seen)
        if contender.name not in NAMES_OWNERS_ONLY:
            answer["request"], port = session.warm("request")
            expect("request", 0 < port < 65536, port)
        if contender.ours:
            answer["claim"], _ = session.warm("claim")
    if contender.ours:
        with Session(contender, folder) as session:
            answer["complete"], seen = session.time("listeners")
            expect("complete", seen >= len(servers), seen)
    return answer


def measure(contenders, load, rounds):
    """The medians by figure and label."""
    process = subprocess.Popen(
        [sys.executable, HERE / "load.py", load.split()[-1]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    servers = json.loads(process.stdout.readline())
    samples, failed, out = {}, set(), set()
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(rounds):
            order = random.sample(contenders, len(contenders))
            for position, contender in enumerate(order):
                if contender.label in out:
                    continue
                place = f"round {turn + 1} of {rounds}, {position + 1} of {len(order)}: {contender.label}"
                print(f"\r{load}: {place:<60}", end="", file=sys.stderr, flush=True)
                one_round = tool_round if contender.tools else library_round
                try:
                    for figure, time_ in one_round(contender, servers, folder).items():
                        samples.setdefault((figure, contender.label), []).append(time_)
                except (Wrong, OSError) as error:
                    # Processes end while they are looked at; a contender may be surprised once.
                    again = contender.label in failed
                    failed.add(contender.label)
                    if again:
                        out.add(contender.label)
                    word = "SKIPPED" if again else "once more:"
                    print(f"\n{word} {contender.label} ({load}): {error}", file=sys.stderr)
    print(file=sys.stderr)
    process.communicate()
    return {key: statistics.median(times) for key, times in samples.items() if key[1] not in out}


def writers(seconds=4):
    """Reservations a second, of one process and of 64 at once, and the longest wait in milliseconds."""
    answers = []
    for count in (1, 64):
        print(f"{count} writers for {seconds} s", file=sys.stderr)
        with tempfile.TemporaryDirectory() as folder:
            command = [RUST, str(count), str(seconds), f"{folder}/database.db"]
            done, longest = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
            answers.append((int(done) / seconds, int(longest) / 1e6))
    return answers


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--loads", nargs="+", choices=LOADS, default=list(LOADS))
    arguments = parser.parse_args()
    contenders = everyone()
    begin = time.monotonic()
    busy = os.getloadavg()[0]
    results = {load: measure(contenders, load, arguments.rounds) for load in arguments.loads}
    alone, together = writers()
    machine = (
        f"{date.today()}, Linux {platform.release()}, {os.cpu_count()} processors ({processor()}), load average {busy:.1f} "
        f"before, medians of {arguments.rounds} rounds, `{' '.join(['benches/peers/run.py', *sys.argv[1:]])}`"
    )
    report = picture.Report(results, [contender.label for contender in contenders], LOADS, FIGURES, EXTRA)
    limits, kept = report.limits(alone, together)
    text = f"{machine}\n\n{report.ratios()}\n{limits}\n{report.times()}"
    (WORK / "result.md").write_text(text)
    (WORK / "result.svg").write_text(report.drawing())
    print(text)
    print(f"written to {WORK / 'result.md'} and {WORK / 'result.svg'} after {time.monotonic() - begin:.0f} s")
    sys.exit(not kept)


def processor():
    with open("/proc/cpuinfo") as lines:
        return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())


if __name__ == "__main__":
    main()
