"""A hardened gateway between Sinch's Conversation API and an XCALLY Motion server."""

__version__ = "0.1.0"
