"""What stands before a command: the settings file it works with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gateway import config
from gateway.config import Settings, secrets

DEFAULT_CONFIG = "/etc/motion-gateway/gateway.toml"


@dataclass(frozen=True)
class Invocation:
    config: Path

    def settings(self) -> Settings:
        """Read the settings anew. Raises SettingsError."""
        return config.load(self.config, config.environment())

    def settings_of(self, process: str) -> Settings:
        """The same for a process that stays: with the secrets that it needs, and no others."""
        return secrets.keep(self.settings(), process)
