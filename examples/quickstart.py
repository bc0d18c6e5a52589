"""One port's life: claimed, served, seen, given back, and remembered.

Runs on the user's registry, or on the file named as first argument: `python examples/quickstart.py [FILE]`.
"""

import json
import socket
import sys

import portkeeper


def main() -> None:
    """Runs the story."""
    with portkeeper.Keeper(*sys.argv[1:2], actor="quickstart") as keeper:
        print(f"registry      {keeper.path}")

        (web,) = keeper.request("quickstart", roles=["web"], description="shows what Port Keeper does")
        port = web.number
        print(f"reserved      {line(keeper, port)}")

        with socket.create_server(("127.0.0.1", port)):
            keeper.scan()
            print(f"serving       {line(keeper, port)}")

        keeper.scan()
        print(f"stopped       {line(keeper, port)}")

        keeper.release(port)
        print(f"released      {line(keeper, port)}")

        print(f"\nhistory of port {port}, newest first")
        for entry in keeper.history(port, limit=4):
            print(
                f"  {entry.performed_at:%F %T}  {entry.action:<9} {entry.project_name} by {entry.performed_by}"
                f" {json.dumps(entry.details)}"
            )


def line(keeper: portkeeper.Keeper, port: int) -> str:
    """A port in one line: its claim, and what the machine says."""
    state = keeper.check(port)
    return f"{state.port}  {state.status:<8}  {state.project or 'nobody':<10}  {str(state).partition(': ')[2]}"


if __name__ == "__main__":
    main()
