"""The Python side of the comparison: reads a line `name argument`, does that once, answers with nanoseconds."""

import os
import sys
import time


def load(names):
    """What is installed of these, by name."""
    runs = {}
    if "portkeeper" in names:
        import portkeeper

        keeper = portkeeper.Keeper(os.environ["PORTKEEPER_DB_PATH"])
        runs["portkeeper.scan"] = lambda _: keeper.scan()
        runs["portkeeper.listeners"] = lambda _: keeper.listeners()
        runs["portkeeper.check"] = lambda port: keeper.check(int(port))
        runs["portkeeper.request"] = lambda _: keeper.request("bench", auto_release=True)
        runs["portkeeper.claim"] = lambda _: keeper.request("bench")
    if "psutil" in names:
        import psutil

        def named(port=None):
            """The owners by name, which is what the others answer with."""
            for connection in psutil.net_connections("inet"):
                if connection.status == "LISTEN" and port in (None, str(connection.laddr.port)):
                    connection.pid and psutil.Process(connection.pid).name()

        runs["psutil.listeners"] = lambda _: named()
        runs["psutil.check"] = named
    if "portpicker" in names:
        import portpicker

        runs["portpicker.request"] = lambda _: portpicker.pick_unused_port()
    if "port_for" in names:
        import port_for

        runs["port_for.request"] = lambda _: port_for.select_random()
    if "ephemeral_port_reserve" in names:
        import ephemeral_port_reserve

        runs["ephemeral_port_reserve.request"] = lambda _: ephemeral_port_reserve.reserve()
    return runs


runs = load(sys.argv[1:])
for line in sys.stdin:
    name, _, argument = line.strip().partition(" ")
    run = runs[name]
    begin = time.perf_counter_ns()
    run(argument)
    print(time.perf_counter_ns() - begin, flush=True)
