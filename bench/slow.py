"""A Motion that takes its time and costs little: `python -m bench.slow PORT SECONDS FILE`.

Each request is answered 200 so many seconds after it came; its request id goes into the file, in the order of arrival.
"""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path
from typing import TextIO

_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]{1,9})", re.IGNORECASE)
_REQUEST_ID = re.compile(rb"\r\nx-request-id: *([!-~]+)", re.IGNORECASE)
_ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float, heard: TextIO) -> None:
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length, request_id = _LENGTH.search(head), _REQUEST_ID.search(head)
            await reader.readexactly(int(length[1]) if length else 0)
            print(request_id[1].decode() if request_id else "-", file=heard, flush=True)
            await asyncio.sleep(seconds)
            writer.write(_ANSWER)
            await writer.drain()
    except (OSError, asyncio.IncompleteReadError):  # it has left
        writer.close()


async def _run(port: int, seconds: float, path: Path) -> None:
    with path.open("a") as heard:
        server = await asyncio.start_server(
            lambda reader, writer: _serve(reader, writer, seconds, heard), "127.0.0.1", port
        )
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_run(int(sys.argv[1]), float(sys.argv[2]), Path(sys.argv[3])))
