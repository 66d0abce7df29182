"""A Sinch that gives access tokens, and an account with a key that asks for them."""

from __future__ import annotations

import json
from typing import Any

from gateway.config import Account
from tests import config_samples
from tests.peer_samples import Behaviour, Wire, answers

LIFE = 3600
KEY = {"key_id": "key-1", "key_secret": "the secret of key 1"}


def account(**changed: Any) -> Account:
    """One with a key; what is changed to ABSENT is left out."""
    return config_samples.settings(account=[config_samples.account(**KEY | changed)]).accounts[0]


class Auth:
    """Gives tokens with numbers, or whatever a test wants it to say."""

    def __init__(self) -> None:
        self.behaviour: Behaviour | None = None
        self.given = 0
        self.life: object = LIFE

    def __call__(self, wire: Wire) -> None:
        if self.behaviour is not None:
            self.behaviour(wire)
            return
        self.given += 1
        told = {"access_token": f"token-{self.given}", "token_type": "bearer", "expires_in": self.life}
        answers(json.dumps(told).encode())(wire)
