"""Puts a load on the machine until its standard input ends: `load.py idle|listeners|crowd`.

`listeners` has 1,000 TCP listeners in 20 processes. `crowd` has 400 processes with 50 open files each, 40 of them
servers, and 5,000 connections between them. Prints the ports that listen, one line, when everything stands.
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


def children(count, body):
    """Forks processes that run `body(index)` and then wait for the end; returns when all of them have run it."""
    ready, told = os.pipe()
    life, end = os.pipe()
    for index in range(count):
        if os.fork() == 0:
            os.close(end)
            os.close(ready)
            kept = body(index)
            os.write(told, b".")
            os.read(life, 1)
            os._exit(0 if kept else 1)
    os.close(told)
    seen = 0
    while seen < count:
        read = os.read(ready, count)
        if not read:
            sys.exit("a process of the load ended")
        seen += len(read)
    return end


def listeners():
    sockets = [[listen() for _ in range(50)] for _ in range(20)]
    ports = [s.getsockname()[1] for group in sockets for s in group]

    def keep(index):
        for other, group in enumerate(sockets):
            if other != index:
                for s in group:
                    s.close()
        return True

    end = children(20, keep)
    for group in sockets:
        for s in group:
            s.close()
    return ports, end


def crowd(processes=400, files=50, servers=40, connections=5000):
    sockets = [listen() for _ in range(servers)]
    ports = [s.getsockname()[1] for s in sockets]
    share = [connections // processes + (i < connections % processes) for i in range(processes)]
    # Each server gets as many as it waits for.
    targets = [n % servers for n in range(connections)]

    def keep(index):
        for other, s in enumerate(sockets):
            if other != index:
                s.close()
        kept = [open(os.devnull) for _ in range(files)]
        begin = sum(share[:index])
        for target in targets[begin : begin + share[index]]:
            kept.append(socket.create_connection(("127.0.0.1", ports[target])))
        if index < servers:
            kept += [sockets[index].accept()[0] for _ in range(targets.count(index))]
        return kept

    end = children(processes, keep)
    for s in sockets:
        s.close()
    return ports, end


def main():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    kind = sys.argv[1]
    ports, end = ([], None) if kind == "idle" else {"listeners": listeners, "crowd": crowd}[kind]()
    print(json.dumps(ports), flush=True)
    sys.stdin.read()


main()
