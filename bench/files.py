"""Files at Motion, and what else serves them: the same bytes from nginx's own disk, and through nginx from Motion."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.site import Site
from gateway import paths
from sandbox import child

# The same TLS as the gateway's edge. `/disk/` is read from the folder, `/motion/` passed on to the Motion of below.
_NGINX = """\
daemon off;
pid {folder}/files.pid;
error_log stderr warn;
events {{ worker_connections 4096; }}
http {{
    default_type application/octet-stream;
    client_body_temp_path {folder}/files-bodies;
    proxy_temp_path {folder}/files-passed;
    keepalive_requests 100000000;
    access_log off;
    sendfile on;
    tcp_nopush on;
    server {{
        listen 127.0.0.1:{port} ssl http2;
        ssl_certificate {server.certificate};
        ssl_certificate_key {server.private_key};
        ssl_protocols TLSv1.2 TLSv1.3;
        location /disk/ {{ alias {files}/; }}
        location /motion/ {{ proxy_pass http://127.0.0.1:{motion_port}/api/attachments/; }}
    }}
    server {{
        listen 127.0.0.1:{motion_port};
        location ~ "^/api/attachments/([0-9]+)/download$" {{ alias {files}/$1/download; }}
    }}
}}
"""


@dataclass(frozen=True, kw_only=True)
class Files:
    """Attachments 1 to n, each with other bytes; `url` is where the plain nginx answers."""

    folder: Path
    url: str

    def make(self, numbers: Sequence[int], *, size_bytes: int) -> None:
        for number in numbers:
            place = self.folder / str(number)
            place.mkdir(parents=True, exist_ok=True)
            (place / "download").write_bytes(pdf(size_bytes, seed=number))


def pdf(size_bytes: int, *, seed: int) -> bytes:
    """One page that holds a stream of noise."""
    head = b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\n"
    table = b"xref\n0 1\n0000000000 65535 f \ntrailer<</Size 4/Root 1 0 R>>\nstartxref\n%010d\n%%%%EOF\n"
    tail = b"\nendstream endobj\n" + table
    opening = b"3 0 obj<</Length %010d>>stream\n"
    noise = size_bytes - len(head) - len(opening % 0) - len(tail % 0)
    body = head + opening % noise + random.Random(seed).randbytes(noise)  # noqa: S311 - noise, no secret
    return body + tail % (size_bytes - len(table % 0))


@contextlib.contextmanager
def served(site: Site, *, port: int, motion_port: int) -> Iterator[Files]:
    """Motion and the plain nginx run while this does."""
    folder = site.folder / "files"
    folder.mkdir(mode=0o755)
    path = site.folder / "files.conf"
    facts = {"folder": site.folder, "files": folder, "port": port, "motion_port": motion_port}
    path.write_text(_NGINX.format(server=site.settings.server, **facts))
    command = [paths.program("nginx"), "-e", "stderr", "-p", str(site.folder), "-c", str(path)]
    with child.running(command, site.folder / "files.log"):
        yield Files(folder=folder, url=f"https://{site.settings.server.public_host}:{port}")
