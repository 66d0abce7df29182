"""Measures the gateway on this machine: real nginx, real doors, real courier, real TLS."""
