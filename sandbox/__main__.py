"""`python -m sandbox`."""

from __future__ import annotations

from sandbox.commands import main

if __name__ == "__main__":
    main(prog_name="python -m sandbox")
