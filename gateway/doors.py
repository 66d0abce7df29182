"""What a door is: one row each, and whatever differs from door to door is read from it.

Reading the table loads nothing. What a row names as "module:name" is imported by the process that is the door.
"""

from __future__ import annotations

import importlib
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}
# Of what is public: whatever comes out of it, nothing in it runs, and no other site makes it part of itself.
PUBLIC_HEADERS = {
    **HEADERS,
    "Cache-Control": "private, no-store",
    "Content-Security-Policy": "sandbox; default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-site",
    "Referrer-Policy": "no-referrer",
}
# Of what people look at in a browser: nothing in it runs or comes from elsewhere, no other site frames it, reads it or
# posts to it, and none learns of its paths. Browsers tell of where a form comes from because of `same-origin`.
PAGE_HEADERS = {
    **HEADERS,
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}
# How nginx sends the files that a door chooses: it asks by SENDER for a file's place instead of the file, and has the
# vault at VAULT_LOCATION, which is for itself alone, and too short for a token.
SENDER, NGINX = "X-Sendfile-Type", "X-Accel-Redirect"
VAULT_LOCATION = "/media/vault"
MOST_CALL_BYTES = 2**20  # of a call of Motion's to Sinch: a message has some kB
MOST_FORM_BYTES = 2**16  # of a form of the operations page

_THREADS = "gateway.serving.web:Threads"
_TAKERS = "gateway.serving.takers:Takers"
_GREENLETS = "gateway.serving.greenlets:Greenlets"


class DirectAnswer(NamedTuple):
    """What a door answers directly; what all of its answers carry comes to it."""

    headers: Sequence[tuple[str, str]]
    body: bytes = b""
    status: int = 200


@dataclass(frozen=True, kw_only=True)
class Door:
    """One door: a process with an application, a server and a socket of its own."""

    name: str
    blueprint: str  # makes its routes, given the services
    audience: str  # who may come, as `exposure` tells it
    worker: str  # gunicorn's
    connections: int  # at the same time in a worker: as many writers share a commit, or wait for a thread
    per_client: int  # requests of one address at once, /64 where it is IPv6: a small part of what can wait
    rests: int = 0  # connections of each worker of nginx's that stay open between two requests
    threads: int = 1  # of a worker that has them
    direct: str = ""  # makes what finds the view that answers before Flask is asked, if one does, given the services
    page: str = ""  # makes its routes for people, beside those for programs
    files: str = ""  # makes its routes to files, beside the others
    refuse: str = "gateway.app:refuse"  # makes of any exception the error whose body and headers are the answer
    most_body: int | str = "ingress.max_body"  # bytes of a request, or the setting that says so
    public: bool = False  # strangers may ask: the answers keep browsers out, and nginx words what goes wrong
    by_address: bool = False  # nginx lets in those of a setting alone, wherever it listens
    writes_first: bool = False  # whoever else would write to the spool lets it go before
    sends_files: bool = False  # nginx sends the files that its answers name
    challenge: str = ""  # with its 401, where people open it: RFC 9110, 11.6.1
    wanted: str = ""  # the setting without which it stays shut; "": it is always open
    chores: tuple[str, ...] = ()  # what its process does beside, from its start on, each given the services
    secrets: frozenset[str] = frozenset()  # the secret settings that its process keeps
    needs: frozenset[str] = frozenset()  # the services that are built for it, beside settings, spool and clock

    @property
    def headers(self) -> Mapping[str, str]:
        """Give what every answer carries."""
        if self.page:
            return PAGE_HEADERS
        return PUBLIC_HEADERS if self.public else HEADERS

    @property
    def calls(self) -> bool:
        """Tell whether it calls Motion or Sinch."""
        return not self.needs.isdisjoint({"shelf", "sinch"})

    def is_wanted(self, settings: object) -> bool:
        """Tell whether there is such a door with these settings."""
        return not self.wanted or bool(operator.attrgetter(self.wanted)(settings))

    def most_body_bytes(self, settings: object) -> int:
        """Tell how long the body of a request may be."""
        said = self.most_body
        return said if isinstance(said, int) else int(operator.attrgetter(said)(settings))


# In the order in which they are started.
_ROWS = (
    Door(
        name="ops",
        blueprint="gateway.diagnosis.routes:blueprint",
        audience="operators with a password",
        worker=_THREADS,
        connections=64,
        per_client=64,
        threads=16,
        page="gateway.page.routes:blueprint",
        refuse="gateway.page.routes:refuse",
        most_body=MOST_FORM_BYTES,
        challenge='Basic realm="Motion Gateway", charset="UTF-8"',
        chores=("gateway.diagnosis.history:keep", "gateway.page.sessions:end_of_the_gone"),
        # It counts sign-ins in memory, wherever others count: its process is one, and has no network (deploy/systemd).
        secrets=frozenset({"ops.password", "user.password_hash"}),
        needs=frozenset({"limits"}),
    ),
    Door(
        name="ingress",
        blueprint="gateway.ingress.routes:blueprint",
        direct="gateway.ingress.routes:direct",
        audience="everybody",
        worker=_GREENLETS,
        connections=64,
        rests=32,
        per_client=128,
        public=True,
        writes_first=True,
        secrets=frozenset({"account.webhook_secrets", "account.receive_token", "limits.storage"}),
        needs=frozenset({"limits"}),
    ),
    # Fetches may wait for Motion, half a minute each, and calls for Sinch: the other doors shall not wait for those.
    Door(
        name="attachments",
        blueprint="gateway.attachments.routes:blueprint",
        direct="gateway.attachments.routes:direct",
        audience="whoever has a link",
        worker=_THREADS,
        connections=256,
        per_client=256,
        threads=64,
        public=True,
        sends_files=True,
        chores=("gateway.attachments.routes:keep_shared",),
        wanted="attachments.has_links",
        secrets=frozenset(
            {
                "motion.password",
                "motion.proxy_password",
                "motion.api_key",
                "attachments.proxy_token",
                "attachments.token_keys",
                "attachments.store_key_secret",
                "limits.storage",
            }
        ),
        needs=frozenset({"limits", "shelf"}),
    ),
    Door(
        name="outbound",
        blueprint="gateway.outbound.routes:blueprint",
        direct="gateway.outbound.routes:direct",
        files="gateway.inbound.routes:blueprint",
        audience="Motion (server.outbound_clients)",
        worker=_TAKERS,
        connections=512,
        per_client=1024,
        threads=192,
        refuse="gateway.outbound.routes:refuse",
        most_body=MOST_CALL_BYTES,
        by_address=True,
        wanted="server.has_outbound",
        secrets=frozenset(
            {
                "motion.password",
                "motion.proxy_password",
                "sinch.proxy_password",
                "motion.api_key",
                "attachments.token_keys",
                "attachments.proxy_token",  # which must not leave
                "attachments.store_key_secret",
                "outbound.gateway_key",
                "account.key_secret",
                "limits.storage",
            }
        ),
        needs=frozenset({"limits", "shelf", "sinch"}),
    ),
)
DOORS = {row.name: row for row in _ROWS}


def load(name: str) -> Any:  # noqa: ANN401 - whatever it is
    """Import what a row names as "module:name"."""
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)
