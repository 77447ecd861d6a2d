"""TLS for tests: certificates made by the openssl program, and TLS in front of a server that has none built in."""

import asyncio
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from app.cli.ports import LOOPBACK, free_port

OPENSSL = shutil.which("openssl")
DAYS = "2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """Two files in PEM."""

    cert: Path
    key: Path


class Authority:
    """A certificate authority of the test's own, in a directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self._own = self._files("ca")
        _openssl("req", "-x509", *_new(self._own), "-subj", "/CN=tests")

    @property
    def file(self) -> Path:
        """What those trust who trust it."""
        return self._own.cert

    def issue(self, name: str, san: str) -> Certificate:
        """A certificate for a subject alternative name, for example ``IP:127.0.0.1``."""
        made = self._files(name)
        signed = ("-CA", str(self._own.cert), "-CAkey", str(self._own.key))
        _openssl("req", "-x509", *_new(made), *signed, "-subj", f"/CN={name}", "-addext", f"subjectAltName={san}")
        return made

    def _files(self, name: str) -> Certificate:
        return Certificate(cert=self._directory / f"{name}.pem", key=self._directory / f"{name}.key")


def _new(made: Certificate) -> tuple[str, ...]:
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    return (*key, "-days", DAYS, "-out", str(made.cert), "-keyout", str(made.key))


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


@asynccontextmanager
async def tls_in_front(port: int, certificate: Certificate, clients_of: Path | None = None) -> AsyncIterator[int]:
    """A port that speaks TLS and hands on to `port`; with an authority only to clients that it has certified."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate.cert, certificate.key)
    if clients_of:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(clients_of)
    open_now: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        open_now.add(task)
        task.add_done_callback(open_now.discard)
        await _hand_on(port, reader, writer)

    outside = free_port()
    async with await asyncio.start_server(serve, LOOPBACK, outside, ssl=context) as server:
        yield outside
        server.close()
        for task in open_now:
            task.cancel()
        if open_now:
            await asyncio.wait(open_now)


async def _hand_on(port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    inner_reader, inner_writer = await asyncio.open_connection(LOOPBACK, port)
    ways = [asyncio.create_task(_copy(reader, inner_writer)), asyncio.create_task(_copy(inner_reader, writer))]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.wait(ways)
        for end in (inner_writer, writer):
            end.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()
