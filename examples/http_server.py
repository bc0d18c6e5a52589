"""A server in another process, on a leased port: nobody else is given it, and the right one answers.

Runs on the user's registry, or on the file named as first argument: `python examples/http_server.py [FILE]`.
"""

import subprocess
import sys
import urllib.request

import portkeeper


def main() -> None:
    """Runs the story."""
    keeper = portkeeper.Keeper(*sys.argv[1:2], actor="http_server")
    with keeper, keeper.lease("http_server", description="an example") as lease:
        print(f"leased        {keeper.check(lease.port)}")

        command = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(lease.port)]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            # Not merely until something answers: until this server does.
            ready = keeper.wait_ready(lease, pid=server.pid, timeout=30)
            print(f"ready         {ready}")
            with urllib.request.urlopen(f"http://127.0.0.1:{lease.port}/") as answer:
                print(f"answered      {answer.status} {answer.reason}")
            try:
                keeper.reserve(lease.port, "somebody else")
            except portkeeper.PortReservedError as refusal:
                print(f"refused       {refusal}")
        finally:
            server.terminate()
            server.wait()

    with portkeeper.Keeper(*sys.argv[1:2]) as keeper:
        print(f"given back    {keeper.check(lease.port).status}")


if __name__ == "__main__":
    main()
