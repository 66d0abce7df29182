"""Certificates: makes those that no public CA would sign, and checks the one that Sinch sees.

A check has one row for each question: always all of them, in the same order.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.utils import CryptographyDeprecationWarning

from gateway.certs import findings, judging, subject, trust
from gateway.certs.findings import CertificateFinding
from gateway.certs.issuing import KeyPair, self_signed, store
from gateway.certs.subject import Subject, Target
from gateway.errors import CommandError

__all__ = ["CHECKS", "Checked", "KeyPair", "Target", "check", "self_signed", "store"]


@dataclass(frozen=True)
class Check:
    """A question, how it is answered, and what hinders that: a reason, or None."""

    name: str
    judge: Callable[[Subject], CertificateFinding]
    hindered: Callable[[Subject], str | None]


@dataclass(frozen=True)
class Checked:
    """A question by the name of its check, and what it came to."""

    check: str
    finding: CertificateFinding


def check(target: Target) -> tuple[Checked, ...]:
    """Judge what lies at `target`; the rows tell what is wrong there.

    Raises CommandError if a file that was there is gone at the second look.
    """
    with warnings.catch_warnings():
        # What is odd in a certificate is told by our own checks, or it does not matter.
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        asked = subject.read(target)
        try:
            return tuple(Checked(question.name, _judged(question, asked)) for question in CHECKS)
        except OSError as error:
            raise CommandError(f"the files changed while they were looked at: {error.strerror}. Try again") from error


def _judged(question: Check, asked: Subject) -> CertificateFinding:
    reason = question.hindered(asked)
    return question.judge(asked) if reason is None else findings.unknown(f"not judged: {reason}")


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
    Check("pair", trust.match, _without_both),
    Check("order", trust.order, _without_chain),
    Check("trust", trust.root, _without_pair),
    Check("name", judging.hosts, _without_chain),
    Check("validity", judging.validity, _without_chain),
    Check("issuers", judging.issuers_validity, _without_chain),
    Check("life", judging.life, _without_chain),
    Check("strength", judging.key_strength, _without_chain),
    Check("signature", judging.signature_strength, _without_chain),
    Check("usage", judging.usage, _without_chain),
    Check("key rights", judging.key_rights, _without_key_file),
    Check("places", judging.folder_rights, _without_files),
)
