"""What `config check` says of this machine by itself."""

from __future__ import annotations

import os

from gateway.diagnosis import provision
from tests.config_samples import settings


def test_more_workers_of_the_first_door_than_half_of_the_cores_are_told_not_to_pay() -> None:
    cores = len(os.sched_getaffinity(0))
    paying = max(1, cores // 2)
    assert [*provision.workers(settings(workers={"ingress": paying, "outbound": 64}))] == []
    [said] = provision.workers(settings(workers={"ingress": paying + 1}))
    assert said == f"workers.ingress: more than {paying} do not pay here, where cores number {cores}; lower it"
