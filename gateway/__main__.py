"""Lets `python -m gateway` be `motion-gateway`."""

from gateway.cli import main

main()
