"""The worker in Python; the protocol is in program.rs."""

import sys
import time

import portkeeper

database, actor, durability, _bug = sys.argv[1:]
keeper = portkeeper.Keeper(database, actor=actor, durability=durability)
leases = {}


def reserve(port, project, text):
    keeper.reserve(int(port), project, description=text, adopt=True)


def release(port, project):
    keeper.release(int(port), only_of=project)


def request(low, high, project, text):
    [row] = keeper.request(project, range=(int(low), int(high)), description=text)
    return row.number


def lease(low, high, project, text):
    lease = keeper.lease(project, range=(int(low), int(high)), description=text)
    leases[lease.port] = lease
    return lease.port


def drop(port):
    leases.pop(int(port)).release()


def get(port):
    row = keeper.get(int(port))
    return None if row is None or row.status == "free" else row.project_name


OPERATIONS = {one.__name__: one for one in (reserve, release, request, lease, drop, get)}

print("> ready", flush=True)
while order := sys.stdin.readline():
    name, *words = order.split()
    begin = time.monotonic_ns()
    try:
        outcome, value = "ok", OPERATIONS[name](*words)
    except portkeeper.PortkeeperError as error:
        outcome, value = error.code, error.project
    print(f"> {begin} {time.monotonic_ns()} {outcome} {'-' if value is None else value}", flush=True)
