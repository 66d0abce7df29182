"""The gunicorn worker of a door that does nothing but take in and commit.

Greenlets, not threads: where all work is Python and one short write, sixteen threads spend half of a core on
taking turns.
"""

from __future__ import annotations

import warnings

from gevent import monkey
from gunicorn.workers.ggevent import GeventWorker


class Worker(GeventWorker):
    def patch(self) -> None:
        with warnings.catch_warnings():
            # urllib3 holds on to the ssl that was there before; this door opens no connection by it.
            warnings.simplefilter("ignore", monkey.MonkeyPatchWarning)
            super().patch()
