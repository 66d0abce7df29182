"""A door on gunicorn: what reads the requests of strangers."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

READ = """
import sys
from pathlib import Path
from gateway import config
from gateway.serving.web import Server
from gunicorn import http
server = Server("ingress", lambda: config.load(Path(sys.argv[1]), {}))
request = next(http.get_parser(server.cfg, iter([b"GET /healthz HTTP/1.1\\r\\n\\r\\n"]), ""))
print(request.path, sorted(set(sys.modules) & {"gunicorn_h1c"}))
"""


def test_no_package_that_somebody_installs_beside_reads_the_requests(
    tmp_path: Path, settings_file: Callable[..., Path]
) -> None:
    (tmp_path / "gunicorn_h1c.py").write_text("class LimitRequestLine(Exception): pass\n", "utf-8")
    told = subprocess.run(
        [sys.executable, "-c", READ, settings_file()],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(tmp_path)},
    )
    assert told.stdout == "/healthz []\n"
