"""Puts a load on the machine until its standard input ends: `load.py idle|listeners|crowd`.

`idle` is one server. `listeners` has 1,000 TCP listeners in 20 processes. `crowd` has 400 processes with 50 open files
each, 40 of them servers, and 5,000 connections between them. Prints one line when everything stands, a list of the
ports that listen, each with its process.
"""

import json
import os
import resource
import signal
import socket
import sys


def listen():
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    listener.setblocking(True)
    return listener


def port(listener):
    return listener.getsockname()[1]


def share(groups, count, body=lambda index: []):
    """Forks `count` processes, gives the first of them a group of listeners each, and has each run `body(index)`.
    Returns the ports with their processes when all of them wait for the end."""
    ready, told = os.pipe()
    life, end = os.pipe()
    servers = [(port(s), index) for index, group in enumerate(groups) for s in group]
    pids = []
    for index in range(count):
        pid = os.fork()
        if pid == 0:
            os.close(end)
            os.close(ready)
            keep(groups, index)
            _kept = body(index)
            os.write(told, b".")
            os.read(life, 1)
            os._exit(0)
        pids.append(pid)
    os.close(told)
    keep(groups, None)
    seen = 0
    while seen < count:
        read = os.read(ready, count)
        if not read:
            sys.exit("a process of the load ended")
        seen += len(read)
    return [(number, pids[index]) for number, index in servers]


def keep(groups, index):
    """Closes all listeners but those of one group."""
    for other, group in enumerate(groups):
        if other != index:
            for s in group:
                s.close()


def idle():
    return share([[listen()]], 1)


def listeners():
    return share([[listen() for _ in range(50)] for _ in range(20)], 20)


def crowd(processes=400, files=50, servers=40, connections=5000):
    groups = [[listen()] for _ in range(servers)]
    ports = [port(server) for [server] in groups]
    # Each server gets as many as it waits for.
    targets = [n % servers for n in range(connections)]

    def fill(index):
        kept = [open(os.devnull) for _ in range(files)]
        for target in targets[index::processes]:
            kept.append(socket.create_connection(("127.0.0.1", ports[target])))
        if index < servers:
            kept += [groups[index][0].accept()[0] for _ in range(targets.count(index))]
        return kept

    return share(groups, processes, fill)


def main():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    load = {"idle": idle, "listeners": listeners, "crowd": crowd}[sys.argv[1]]
    print(json.dumps(load()), flush=True)
    sys.stdin.read()


main()
