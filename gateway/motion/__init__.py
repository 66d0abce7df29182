"""Motion as the gateway calls it: the paths there, the ids of its attachments, and the name we give ourselves."""

from __future__ import annotations

import re
from urllib.parse import quote

from gateway import PROGRAM
from gateway.config import addresses, tables
from gateway.errors import NotFound
from gateway.phrases import Reason

USER_AGENT = ("User-Agent", PROGRAM)
# Of an attachment, in its one spelling: a database may take 007 and 7x for 7, and what is revoked by one name is
# revoked.
NUMBER = "[1-9][0-9]{0,11}"

_ID = re.compile(NUMBER)


def require_id(attachment_id: str) -> None:
    """Prove that it is one. Raises NotFound."""
    if not _ID.fullmatch(attachment_id):
        raise NotFound(Reason.NO_ATTACHMENT_ID)


def notify_target(connector_id: int, query: str) -> str:
    """Say where events of a connector go; `query`: that of the callback, byte for byte, or empty."""
    return addresses.receive_path(connector_id) + (f"?{query}" if query else "")


def attachment_target(motion: tables.MotionSettings, attachment_id: str) -> str:
    """Say where the bytes of an attachment are, with the key that opens it. Raises NotFound for what is no id."""
    require_id(attachment_id)
    path = motion.attachment_path.replace("{id}", attachment_id)
    return f"{path}?apikey={quote(motion.api_key.get_secret_value(), safe='')}" if motion.api_key else path
