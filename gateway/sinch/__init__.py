"""Sinch as the gateway calls it: its origins, our access tokens for them, and what is tried again."""

from __future__ import annotations

from gateway.sinch.client import Request, Sinch

__all__ = ["Request", "Sinch"]
