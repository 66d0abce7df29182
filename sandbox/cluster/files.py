"""A file that an agent sends through one node and Motion then deletes: every node serves its bytes by that link."""

from __future__ import annotations

import json
from collections.abc import Mapping

from sandbox.child import ChildError
from sandbox.cluster.cluster import Cluster
from sandbox.fetching import Fetcher
from sandbox.house import House

_CONTENT = b"%PDF-1.4\n% a file that outlives Motion's\n%%EOF\n"
_CONTACT = "01JQ8V7S0M4R2P8W6Y3E5T9QZB"


class SharedFile:
    """One file, its link, and what each node said to it when."""

    def __init__(self, house: House, cluster: Cluster) -> None:
        self._house, self._cluster, self._link = house, cluster, ""
        self.found: dict[str, bool] = {}

    def send(self) -> None:
        """Have it sent, so that Sinch has its link, and then be gone from Motion. Raises ChildError."""
        made = self._house.archive.put("outlives.pdf", _CONTENT)
        told = self._house.agent.send_file(_CONTACT, made.attachment_id)
        if not told.accepted:
            raise ChildError(f"an agent's file was refused: {told.status} {told.message}")
        self._link = _url(json.loads(self._house.api.sends[-1].body))
        self._house.archive.delete(made.attachment_id)

    def look(self, when: str) -> None:
        """Fetch it at each node that is there."""
        for name, node in self._cluster.nodes.items():
            if node.runs:
                way = ("127.0.0.1", node.front_port)
                fetched = Fetcher(ca_file=self._cluster.setup.state.ca_file, connect_to=way).fetch(self._link)
                self.found[f"its file by link at node {name}, {when}"] = fetched.content == _CONTENT


def _url(sent: Mapping[str, object]) -> str:
    """The first link in what was sent."""
    for name, value in sent.items():
        if name == "url":
            return str(value)
        if isinstance(value, Mapping) and (found := _url(value)):
            return found
    return ""
