"""The Python side of the comparison: reads lines `name argument`, does each once, answers with the nanoseconds that it
took and what came out: how many listeners, whose the port is, which port is free."""

import os
import sys
import time


def load(names):
    """What is installed of these, by name: the call, and how its answer is shown."""
    runs = {}
    if "portkeeper" in names:
        import portkeeper

        keeper = portkeeper.Keeper(os.environ["PORTKEEPER_DB_PATH"])
        runs["portkeeper.scan"] = lambda _: keeper.scan(), lambda report: len(report.listeners)
        runs["portkeeper.listeners"] = lambda _: keeper.listeners(), len
        runs["portkeeper.check"] = lambda port: keeper.check(int(port)), lambda state: state.listeners[0].processes[0].pid
        runs["portkeeper.request"] = lambda _: keeper.request("bench", auto_release=True), number
        runs["portkeeper.claim"] = lambda _: keeper.request("bench"), number
    if "psutil" in names:
        import psutil

        def named(port=None):
            """The owners with their names, which is what the others answer with."""
            owners = []
            for connection in psutil.net_connections("inet"):
                if connection.status == "LISTEN" and port in (None, str(connection.laddr.port)):
                    try:
                        owners.append((connection.pid, connection.pid and psutil.Process(connection.pid).name()))
                    except psutil.NoSuchProcess:
                        owners.append((connection.pid, None))
            return owners

        runs["psutil.listeners"] = lambda _: named(), len
        runs["psutil.check"] = named, lambda owners: owners[0][0]
    if "portpicker" in names:
        import portpicker

        runs["portpicker.request"] = lambda _: portpicker.pick_unused_port(), int
    if "port_for" in names:
        import port_for

        runs["port_for.request"] = lambda _: port_for.select_random(), int
    if "ephemeral_port_reserve" in names:
        import ephemeral_port_reserve

        runs["ephemeral_port_reserve.request"] = lambda _: ephemeral_port_reserve.reserve(), int
    return runs


def number(answer):
    """One port, of a list or alone."""
    return (answer[0] if isinstance(answer, list) else answer).number


runs = load(sys.argv[1:])
for line in sys.stdin:
    name, _, argument = line.strip().partition(" ")
    run, show = runs[name]
    begin = time.perf_counter_ns()
    answer = run(argument)
    print(time.perf_counter_ns() - begin, show(answer), flush=True)
