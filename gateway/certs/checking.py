"""Checks the certificate that Sinch sees: one row for each question, always all of them, in the same order."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.utils import CryptographyDeprecationWarning

from gateway.certs import chain, findings, names, rights, strength, subject, trust, validity
from gateway.certs.findings import Finding
from gateway.certs.subject import Place, Subject
from gateway.errors import CommandError


@dataclass(frozen=True)
class Check:
    """A question, how it is answered, and what hinders that: a reason, or None."""

    name: str
    judge: Callable[[Subject], Finding]
    hindered: Callable[[Subject], str | None]


@dataclass(frozen=True)
class Row:
    check: str
    finding: Finding


def inspect(place: Place) -> tuple[Row, ...]:
    """Judge what lies at `place`; the rows tell what is wrong there.

    Raises CommandError if a file that was there is gone at the second look.
    """
    with warnings.catch_warnings():
        # What is odd in a certificate is told by our own checks, or it does not matter.
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        asked = subject.read(place)
        try:
            return tuple(Row(check.name, _judged(check, asked)) for check in CHECKS)
        except OSError as error:
            raise CommandError(f"the files changed while they were looked at: {error.strerror}. Try again") from error


def _judged(check: Check, asked: Subject) -> Finding:
    reason = check.hindered(asked)
    return check.judge(asked) if reason is None else findings.unknown(f"not judged: {reason}")


def _never(_: Subject) -> str | None:
    return None


def _without_chain(asked: Subject) -> str | None:
    return None if asked.chain else "the certificate cannot be read"


def _without_key(asked: Subject) -> str | None:
    return None if asked.key is not None else "the key cannot be read"


def _without_both(asked: Subject) -> str | None:
    return _without_chain(asked) or _without_key(asked)


def _without_pair(asked: Subject) -> str | None:
    return _without_both(asked) or (None if asked.matches else "the key belongs to another certificate")


def _without_key_file(asked: Subject) -> str | None:
    return _without_key(asked) if asked.key_finding.id == "certs.key_unreadable" else None


def _without_files(asked: Subject) -> str | None:
    unreadable = asked.chain_finding.id == "certs.certificate_unreadable"
    return _without_chain(asked) if unreadable else _without_key_file(asked)


CHECKS = (
    Check("certificate", lambda asked: asked.chain_finding, _never),
    Check("key", lambda asked: asked.key_finding, _never),
    Check("pair", chain.match, _without_both),
    Check("order", chain.order, _without_chain),
    Check("trust", trust.judge, _without_pair),
    Check("name", names.judge, _without_chain),
    Check("validity", validity.of_leaf, _without_chain),
    Check("issuers", validity.of_issuers, _without_chain),
    Check("life", validity.life, _without_chain),
    Check("strength", strength.key, _without_chain),
    Check("signature", strength.signature, _without_chain),
    Check("usage", strength.usage, _without_chain),
    Check("key rights", rights.of_key, _without_key_file),
    Check("places", rights.of_places, _without_files),
)
