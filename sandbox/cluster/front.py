"""HAProxy in front of the nodes: it asks each whether it is ready, and passes connections on as they are, TLS and all.

A node that is not ready gets no new connection. Where none is, all get them: the gateway itself says 503 and when to
come again, which a balancer without servers would not.
"""

from __future__ import annotations

import signal
from collections.abc import Sequence
from pathlib import Path

from sandbox.cluster import programs
from sandbox.cluster.node import Node
from sandbox.cluster.programs import Program
from sandbox.connection import Route
from sandbox.state import MOTION_ADDRESS, OUTBOUND_ADDRESS, State

_HEAD = """\
global
    log stdout format raw daemon
    maxconn 2000
defaults
    mode tcp
    log global
    option tcplog
    timeout connect 2s
    timeout client 75s
    timeout server 75s
    retries 2
    option redispatch
    default-server inter 1s fall 2 rise 1 check check-ssl verify required ca-file {ca} check-sni localhost
"""
_LISTEN = """
listen {name}
    bind {address}:{port}
    balance {balance}
    option httpchk
    http-check send meth GET uri /readyz ver HTTP/1.1 hdr Host localhost
    http-check expect status 200
    option allbackups
"""
_VIEW = """
listen view
    mode http
    bind 127.0.0.1:{port}
    stats enable
    stats uri /
"""


def made(folder: Path, state: State, nodes: Sequence[Node], view_port: int) -> Program:
    """The program, with its settings written; it listens where `state` says that the gateway is, and for each alone.

    Its own page is on `view_port`, of loopback.
    """
    file = folder / "haproxy.cfg"
    file.write_text(settings(state, nodes) + _VIEW.format(port=view_port), "utf-8")
    route = Route(url=f"https://localhost:{state.public_port}/", ca_file=state.ca_file, timeout_seconds=5)
    return Program(
        "haproxy",
        [programs.found("haproxy"), "-db", "-q", "-f", str(file)],
        folder / "haproxy.log",
        ready=lambda: programs.answers(route, whatever=True),
        stop_signal=signal.SIGKILL,  # it keeps nothing, so that nothing is to be put away
    )


def settings(state: State, nodes: Sequence[Node]) -> str:
    """What it is told."""
    text = _HEAD.format(ca=state.ca_file)
    text += _LISTEN.format(name="callbacks", address="127.0.0.1", port=state.public_port, balance="roundrobin")
    text += _servers(nodes, "public_port", "send-proxy-v2")
    text += _LISTEN.format(name="calls", address=OUTBOUND_ADDRESS, port=state.outbound_port, balance="roundrobin")
    text += _servers(nodes, "outbound_port", f"source {MOTION_ADDRESS}", address=OUTBOUND_ADDRESS)
    # Whoever signs in to the page of one stays there.
    text += _LISTEN.format(name="office", address="127.0.0.1", port=state.ops_port, balance="source")
    text += _servers(nodes, "ops_port")
    for node in nodes:
        text += f"\nlisten only-{node.name}\n    bind 127.0.0.1:{node.front_port}\n    retries 0\n"
        text += f"    server {node.name} 127.0.0.1:{node.public_port} no-check send-proxy-v2\n"
    return text


def _servers(nodes: Sequence[Node], port: str, how: str = "", *, address: str = "127.0.0.1") -> str:
    lines = ""
    for node in nodes:
        place = f"{address}:{getattr(node, port)}"
        lines += f"    server {node.name} {place} check port {node.ops_port} addr 127.0.0.1 {how}\n"
        lines += f"    server {node.name}-unready {place} no-check backup {how}\n"
    return lines
