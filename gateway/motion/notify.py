"""Hands events to Motion: bytes and headers as Sinch sent them, and where they came from."""

from __future__ import annotations

from collections.abc import Sequence

from gateway import motion
from gateway.config import Settings
from gateway.upstream import Answer, Upstream, proxy_of


class Notifier:
    """Delivers events to Motion. Safe to use from several threads. Making one opens no connection."""

    def __init__(self, settings: Settings) -> None:
        self._deadline_seconds = settings.spool.deadline
        self._public_host = settings.server.public_host
        motion = settings.motion
        self._upstream = Upstream(
            motion.url, ca_file=motion.ca_file, proxy=proxy_of(motion), connections=settings.spool.deliveries
        )

    def notify(
        self,
        connector_id: int,
        body: bytes,
        *,
        query: str,
        headers: Sequence[tuple[str, str]],
        request_id: str,
        address: str,
    ) -> Answer:
        """Hand over one event and what Motion answers; `address`: that from which the callback came.

        Raises UpstreamUnreachable, UpstreamTimeout.
        """
        told = [
            *headers,
            motion.USER_AGENT,
            ("X-Request-Id", request_id),
            ("X-Forwarded-For", address),
            ("X-Forwarded-Proto", "https"),
            ("X-Forwarded-Host", self._public_host),
        ]
        target = motion.notify_target(connector_id, query)
        return self._upstream.post(target, body=body, headers=told, deadline_seconds=self._deadline_seconds)

    def close(self) -> None:
        self._upstream.close()
