"""The courier with a short lease: `python -m tests.live.hasty_courier CONFIG SECONDS`."""

from __future__ import annotations

import sys
from pathlib import Path

from gateway import config
from gateway.delivery import courier
from gateway.serving import process

if __name__ == "__main__":
    courier.LEASE_SECONDS = float(sys.argv[2])
    process.carry(config.load(Path(sys.argv[1]), {}))
