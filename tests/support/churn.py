"""Sockets and processes for the comparison with other tools: some that stay, and many that come and go.

`churn.py stay` prints the listeners that it has, one JSON list of `[protocol, address, port, [pid, …]]`, and keeps them.
`churn.py change` starts and ends processes with sockets as fast as it can, and prints a line after the first. Both end
with their standard input, and the last of their processes closes the standard output.
"""

import ctypes
import json
import os
import random
import select
import socket
import sys
import threading
import time

V4, V6, TCP, UDP = socket.AF_INET, socket.AF_INET6, socket.SOCK_STREAM, socket.SOCK_DGRAM
LOCAL = {V4: "127.0.0.1", V6: "::1"}
EVERY = {V4: "0.0.0.0", V6: "::"}
opened = []


def bind(family, kind, host, port=0, only_v6=False, shares=False):
    made = socket.socket(family, kind)
    if family == V6:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only_v6)
    if shares:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    made.bind((host, port))
    if kind == TCP:
        made.listen(8)
    opened.append(made)
    return made


def has_v6():
    try:
        bind(V6, TCP, LOCAL[V6]).close()
    except OSError:
        return False
    return True


def until_the_end():
    os.read(0, 1)
    os._exit(0)


def process(kept, body=until_the_end):
    """Starts one that has these sockets and no other."""
    pid = os.fork()
    if pid == 0:
        for made in opened:
            if made is not kept:
                made.close()
        body()
    return pid


def without_main_thread():
    """Only the other threads have the descriptors then."""
    threading.Thread(target=until_the_end).start()
    ctypes.CDLL(None).pthread_exit(None)


def stay():
    me, facts = os.getpid(), []

    def fact(made, *pids):
        facts.append([("tcp" if made.type == TCP else "udp"), *made.getsockname()[:2], list(pids)])

    # Two sockets on one port, in two processes.
    first = bind(V4, TCP, LOCAL[V4], shares=True)
    second = bind(V4, TCP, LOCAL[V4], first.getsockname()[1], shares=True)
    fact(first, me)
    fact(second, process(second))
    second.close()
    # A server with its workers, and a worker whose server has closed its own.
    shared = bind(V4, TCP, LOCAL[V4])
    fact(shared, me, *(process(shared) for _ in range(3)))
    for body in (until_the_end, without_main_thread):
        left = bind(V4, TCP, LOCAL[V4])
        fact(left, process(left, body))
        left.close()
    for family in (V4, V6) if has_v6() else (V4,):
        for kind in (TCP, UDP):
            fact(bind(family, kind, LOCAL[family]), me)
            fact(bind(family, kind, EVERY[family]), me)
    if has_v6():
        fact(bind(V6, TCP, EVERY[V6], only_v6=True), me)
    # No listeners: both ends of a connection, and a UDP socket that talks with one peer alone.
    connection = socket.create_connection(shared.getsockname()), shared.accept()
    peer, talker = bind(V4, UDP, LOCAL[V4]), bind(V4, UDP, LOCAL[V4])
    talker.connect(peer.getsockname())
    fact(peer, me)
    print(json.dumps(facts), flush=True)
    until_the_end()
    del connection


def short():
    random.seed()
    time.sleep(random.random() / 50)
    os._exit(0)


def change():
    families = (V4, V6) if has_v6() else (V4,)
    told = False
    while not select.select([0], [], [], random.random() / 500)[0]:
        opened.clear()
        for family in families:
            for kind in (TCP, UDP):
                bind(family, kind, LOCAL[family])

        def body():
            # It has one of its parent's and one of its own, and shares both with a child at times.
            bind(V4, TCP, LOCAL[V4])
            if random.random() < 0.3:
                os.fork()
            short()

        process(opened[0], body)
        for made in opened:
            made.close()
        if not told:
            print("changing", flush=True)
            told = True
        while True:
            try:
                if os.waitpid(-1, os.WNOHANG) == (0, 0):
                    break
            except ChildProcessError:
                break


{"stay": stay, "change": change}[sys.argv[1]]()
