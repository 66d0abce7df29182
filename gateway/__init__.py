"""A hardened gateway between Sinch's Conversation API and an XCALLY Motion server."""

__version__ = "0.1.0"
PROGRAM = f"motion-gateway/{__version__}"  # what it calls itself where it calls others
