"""A directory server that is far away: a TCP proxy that adds half of a round trip in each direction.

It holds every piece of data back for that long and never waits for an answer, so what is sent together travels
together: ``python -m tests.bench.distant HOST PORT SECONDS`` prints the port that it listens on.
"""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

SIZE = 65_536


async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float) -> None:
    """Pass on what is read, each piece ``seconds`` later, in order."""
    loop = asyncio.get_running_loop()
    while data := await reader.read(SIZE):
        loop.call_later(seconds, writer.write, data)
    loop.call_later(seconds, writer.close)


async def serve(host: str, port: int, seconds: float) -> None:
    """Take connections until the process ends."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(host, port)
        await asyncio.gather(
            forward(reader, back, seconds / 2), forward(there, writer, seconds / 2), return_exceptions=True
        )

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextmanager
def proxy(host: str, port: int, seconds: float) -> Iterator[int]:
    """Run it in a process of its own; yield its port."""
    command = [sys.executable, "-m", "tests.bench.distant", host, str(port), str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.terminate()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
