"""Settings: what the operator wrote, proved, typed and frozen, or every problem at once.

`load` reads the file and the environment; the tables and keys are a contract (docs/settings.md).
"""

from __future__ import annotations

from gateway.config.loading import load, understand
from gateway.config.overrides import environment
from gateway.config.showing import masked, rendered
from gateway.config.tables import TABLES, Account, Settings, keys

__all__ = ["TABLES", "Account", "Settings", "environment", "keys", "load", "masked", "rendered", "understand"]
