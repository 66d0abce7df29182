"""The courier with a clock that is wrong: `python -m tests.live.skewed_courier CONFIG SECONDS`."""

from __future__ import annotations

import sys
from pathlib import Path

from gateway import config
from gateway.serving import process
from tests.live.skewed_door import Skewed

if __name__ == "__main__":
    process.carry(config.load(Path(sys.argv[1]), {}), clock=Skewed(float(sys.argv[2])))
