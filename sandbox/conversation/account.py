"""What is configured at Sinch: an app in a project and a region, and the key that opens the project."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

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
    """One app; without `whatsapp` nobody has connected a number to it."""

    app: App = APP
    region: Region = "eu"
    key: Key = KEY
    whatsapp: bool = True

    @property
    def mode(self) -> str:
        return "DISPATCH" if self.app.dispatch else "CONVERSATION"

    @property
    def resource(self) -> dict[str, Any]:
        """The app as Sinch shows it."""
        return {
            "id": self.app.app_id,
            "display_name": "Sandbox support",
            "channel_credentials": [_credential(self.app)] if self.whatsapp else [],
            "processing_mode": self.mode,
            "conversation_metadata_report_view": "NONE",
            "rate_limits": {"inbound": 100, "outbound": 20, "webhooks": 200},
            "retention_policy": {"retention_type": "MESSAGE_EXPIRE_POLICY", "ttl_days": 180},
            "dispatch_retention_policy": {"retention_type": "MESSAGE_EXPIRE_POLICY", "ttl_days": 0},
            "queue_stats": {"outbound_size": 0, "outbound_limit": 500_000},
            "callback_settings": {"secret_for_overridden_callback_urls": ""},
            "smart_conversation": {"enabled": False},
            "delivery_report_based_fallback": {"enabled": False, "delivery_report_waiting_time": 0},
            "message_retry_settings": None,
        }


def _credential(app: App) -> dict[str, Any]:
    return {
        "channel": "WHATSAPP",
        "static_bearer": {"claimed_identity": app.phone, "token": "simulated-channel-token"},
        "callback_secret": "simulated-callback-secret",
        "state": {"status": "ACTIVE", "description": ""},
        "channel_known_id": "",
        "credential_ordinal_number": 0,
    }
