"""A listening socket that is handed over: first to asyncio, then to a child process. The port is never nobody's.

Runs on the user's registry, or on the file named as first argument: `python examples/asyncio_socket.py [FILE]`.
Uvicorn takes the socket the same way: `await uvicorn.Server(config).serve(sockets=[bound.socket])`, or in a child
`uvicorn app:app --fd N` with `pass_fds=[N]`.
"""

import asyncio
import os
import subprocess
import sys

import portkeeper

CHILD = """
import asyncio, os, socket, sys

async def main():
    served = asyncio.Event()

    async def answer(reader, writer):
        writer.write(f"hello from process {os.getpid()}".encode())
        await writer.drain()
        writer.close()
        served.set()

    listener = socket.socket(fileno=int(sys.argv[1]))
    async with await asyncio.start_server(answer, sock=listener):
        await served.wait()

asyncio.run(main())
"""


async def ask(port: int) -> str:
    """What the server on the port says."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answer = await reader.read()
    writer.close()
    return answer.decode()


async def serve_here(bound: portkeeper.BoundPort) -> None:
    """Serves one client in this process."""

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(f"hello from process {os.getpid()}".encode())
        await writer.drain()
        writer.close()

    # asyncio closes the socket that it is given, so it gets a copy.
    async with await asyncio.start_server(answer, sock=bound.socket.dup()):
        print(f"here          {await ask(bound.port)}")


async def main() -> None:
    """Binds, serves, hands over."""
    keeper = portkeeper.Keeper(*sys.argv[1:2], actor="asyncio_socket")
    with keeper, keeper.bind("asyncio_socket") as bound:
        print(f"bound         {keeper.check(bound.port)}")
        await serve_here(bound)

        command = [sys.executable, "-c", CHILD, str(bound.fileno())]
        child = subprocess.Popen(command, pass_fds=[bound.fileno()])
        print(f"child {child.pid:<7} {await ask(bound.port)}")
        child.wait()
    print(f"given back    {bound.port}")


if __name__ == "__main__":
    asyncio.run(main())
