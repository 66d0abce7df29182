"""Certificates: makes those that no public CA would sign, and checks the one that Sinch sees."""

from __future__ import annotations

from gateway.certs.issuing import KeyPair, self_signed
from gateway.certs.storing import store

__all__ = ["KeyPair", "self_signed", "store"]
