"""What is configured at Sinch: an app in a project and a region, and the key that opens the project."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from sandbox import callbacks
from sandbox.callbacks import APP, App

Region = Literal["eu", "us"]


@dataclass(frozen=True, kw_only=True)
class Key:
    """One of a project's access keys."""

    key_id: str = "5d1e0c9a-0f43-4a6b-8a53-27b9d2f6c1e4"
    key_secret: str = field(default="simulated-key-secret", repr=False)


KEY = Key()


@dataclass(frozen=True, kw_only=True)
class Account:
    """One app; without `whatsapp` nobody has connected a number to it. `credential` is the status of that number."""

    app: App = APP
    region: Region = "eu"
    key: Key = KEY
    whatsapp: bool = True
    credential: str = "ACTIVE"

    @property
    def mode(self) -> str:
        return "DISPATCH" if self.app.dispatch else "CONVERSATION"

    @property
    def resource(self) -> dict[str, Any]:
        """The app as Sinch shows it."""
        shown = callbacks.resource("app", app=self.app)
        said = "" if self.credential == "ACTIVE" else "The sender is not registered"
        for one in shown["channel_credentials"]:
            one["state"] = {"status": self.credential, "description": said}
        return shown if self.whatsapp else {**shown, "channel_credentials": []}
