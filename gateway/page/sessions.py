"""Who has signed in, and for how long: a row in the spool for each session.

Rule 1. The store has the digest of a token, so whoever reads it, or a backup, signs in as nobody.
Rule 2. A session ends when its user signs out, `ops.session_idle` after his last visit, `ops.session_ttl` after it
        began, and with the user: removed from the settings, or with another password. It stays ended when he comes
        back with the old one.
Rule 3. What a user may do is asked of the settings at each visit; a session says only who it is.
Rule 4. Where the spool cannot be read nobody is let in.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress

from gateway.config.tables import User
from gateway.errors import SpoolUnavailable
from gateway.services import Services
from gateway.store import Run

SEEN_SECONDS = 60.0  # a visit is written down no more often
BACK_SECONDS = 300.0  # a clock that is set back by more ends the sessions of before


def begin(run: Run, token: str, user: User, *, now: float) -> None:
    """Begin a session in the transaction at hand."""
    run("insert_session", digest=digest(token), name=user.name, proof=_proof(user), now=now)


def end(run: Run, token: str) -> bool:
    """End it, and tell whether there was one."""
    return bool(run("drop_session", digest=digest(token)))


def end_of_the_gone(services: Services) -> None:
    """End the sessions of users who are not in the settings any more: were one to come back, his sessions do not."""
    users = json.dumps([f"{user.name} {_proof(user).hex()}" for user in services.settings.users])
    with suppress(SpoolUnavailable):  # then they end with the next reload; until then nobody is let in by them
        services.spool.tell(lambda run: run("drop_sessions_but", users=users))


def user_of(token: str, services: Services) -> User | None:
    """Tell whose session it is, and write down that he came; None where there is none that lives.

    Raises SpoolUnavailable.
    """
    found = services.spool.ask(lambda run: run("session", digest=digest(token)))
    if not found:
        return None
    (name, proof, began_at, seen_at), now, ops = found[0], services.clock.now(), services.settings.ops
    user = next((user for user in services.settings.users if user.name == name and _proof(user) == proof), None)
    if now - began_at >= ops.session_ttl or not -BACK_SECONDS <= now - seen_at < ops.session_idle:
        return None
    if now - seen_at >= SEEN_SECONDS and user:
        with suppress(SpoolUnavailable):  # a full disk: then it ends sooner, and until then he can look
            services.spool.tell(lambda run: run("see_session", digest=digest(token), now=now))
    return user


def digest(token: str) -> bytes:
    """Make of a token that by which its session is known."""
    return hashlib.sha256(token.encode(errors="surrogatepass")).digest()


def _proof(user: User) -> bytes:
    """What another password changes."""
    hashed = user.password_hash.get_secret_value() if user.password_hash else ""
    return hashlib.sha256(hashed.encode()).digest()
