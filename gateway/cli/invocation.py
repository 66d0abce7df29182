"""What a command is given: its settings, and as whom it goes on."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.config import Settings
    from gateway.config.validation import PartialSettings

DEFAULT_CONFIG = "/etc/motion-gateway/gateway.toml"


@dataclass
class Invocation:
    """What stands before a command: the settings file it works with."""

    config: Path
    as_owner: bool = False  # whether root has yet to become the owner of the state

    def read(self) -> Settings:
        """Read the settings anew. Raises SettingsError."""
        from gateway import config

        return config.load(self.config, config.environment())

    def settings(self) -> Settings:
        """Read them for what touches the state: root goes on as its owner. Raises SettingsError, CommandError."""
        settings = self.read()
        self._become_owner(settings)
        return settings

    def part(self) -> PartialSettings:
        """Read what can be understood of them, and what is wrong with the rest; as `settings` does, and raises."""
        from gateway import config

        part = config.read(self.config, config.environment())
        if part.knows("server.state_dir"):
            self._become_owner(part.settings)
        return part

    def settings_of(self, process: str) -> Settings:
        """Read them for a process that stays: with the secrets that it needs, and no others."""
        from gateway.config import secrets

        return secrets.keep(self.settings(), process)

    def _become_owner(self, settings: Settings) -> None:
        acts, self.as_owner = self.as_owner, False
        if acts:
            from gateway import paths

            paths.act_as_owner(settings, (sys.executable, *sys.orig_argv[1:]))
