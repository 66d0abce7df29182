"""What can be said of a certificate: each finding with its level and with what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

# `unknown`: it could not be judged, for a reason that is an error by itself. `note`: nothing has to be done.
Level = Literal["fine", "unknown", "note", "warning", "error"]

EXIT_STATUSES: dict[Level, int] = {"fine": 0, "unknown": 0, "note": 0, "warning": 1, "error": 2}


@dataclass(frozen=True)
class Advice:
    """How bad a finding is, and what to do about it."""

    level: Level
    hint: str


@dataclass(frozen=True)
class CertificateFinding:
    """What one check came to; `id` and `hint` are empty where nothing is wrong."""

    level: Level
    sentence: str
    id: str = ""
    hint: str = ""


_RENEW = "Renew the certificate: certbot renew, or order another one."
_OTHER = "Have the certificate issued anew with such a key and signature; certbot's own defaults are right."
_OWN = "Give it to the account of the gateway alone: chmod 600, and chown to that account."
_FOLDER = "Let nobody but its owner write there: chmod go-w."
_FOR_TRIES = (
    "Sinch will not trust it. Good for trying things out; for Sinch get one from a public CA, such as certbot's."
)

IN_A_TRIAL = "In a trial this is as it should be. Sinch will not trust it: for Sinch get one from a public CA."

FINDINGS: dict[str, Advice] = {
    "certs.certificate_unreadable": Advice(
        "error",
        "Put the certificate there, or correct the setting with its path. Run this as the account of the gateway.",
    ),
    "certs.certificate_malformed": Advice(
        "error", "Put the chain there in PEM: blocks that begin with -----BEGIN CERTIFICATE-----, the server's first."
    ),
    "certs.key_unreadable": Advice(
        "error", "Put the key there, or correct the setting with its path. Run this as the account of the gateway."
    ),
    "certs.key_malformed": Advice(
        "error", "Put the key there in PEM: a block that begins with -----BEGIN PRIVATE KEY-----."
    ),
    "certs.key_encrypted": Advice(
        "error", "Nobody is there to type a password when nginx starts. Take it off: openssl pkey -in OLD -out NEW."
    ),
    "certs.key_mismatch": Advice(
        "error", "Put both files there that were made together; the server's certificate first."
    ),
    "certs.chain_disordered": Advice(
        "error", "Write the server's certificate first, then each one's issuer below it, and nothing else."
    ),
    "certs.chain_incomplete": Advice(
        "error", "Append the missing certificate, which the CA publishes; of certbot's files, fullchain.pem has it."
    ),
    "certs.refused": Advice("error", "A client that trusts the root still refuses this chain. Have it issued anew."),
    "certs.self_signed": Advice("warning", _FOR_TRIES),
    "certs.private_ca": Advice("warning", _FOR_TRIES),
    "certs.name_not_covered": Advice(
        "error", "Have a certificate issued that names the host of server.public_url, or correct that setting."
    ),
    "certs.private_name_not_covered": Advice(
        "error", "Make one for all names by which Motion calls the gateway, at once: motion-gateway certs private-ca."
    ),
    "certs.expired": Advice("error", _RENEW),
    "certs.not_yet_valid": Advice(
        "error", "Set this machine's clock; if it is right, use the certificate from that day on."
    ),
    "certs.expires_soon": Advice("warning", f"{_RENEW} If that should happen by itself, find out why it did not."),
    "certs.issuer_invalid": Advice("error", "Replace it by the intermediate that the CA publishes today."),
    "certs.authority_expired": Advice("error", "Put the certificate there that the CA has today."),
    "certs.authority_ends_soon": Advice("warning", "Append the CA's next certificate to the file before that day."),
    "certs.long_lived": Advice(
        "warning", "Nothing breaks. Use one that lives shorter, and let it be renewed by itself."
    ),
    "certs.key_unsuitable": Advice("error", _OTHER),
    "certs.signature_unsuitable": Advice("error", _OTHER),
    "certs.usage_missing": Advice("error", "Have a certificate issued for TLS servers (serverAuth, digitalSignature)."),
    "certs.usage_authority": Advice(
        "warning", "Some clients refuse a CA's certificate as a server's. Use one that signs no others."
    ),
    "certs.key_readable_by_all": Advice(
        "error", f"{_OWN} Who has read it can pose as the gateway: have a new one issued."
    ),
    "certs.key_readable_by_group": Advice("warning", _OWN),
    "certs.replaceable_by_all": Advice("error", _FOLDER),
    "certs.replaceable_by_group": Advice("warning", _FOLDER),
}


def found(identifier: str, sentence: str) -> CertificateFinding:
    """Say what is wrong: `identifier` is one of FINDINGS, `sentence` what was seen."""
    advice = FINDINGS[identifier]
    return CertificateFinding(advice.level, sentence, identifier, advice.hint)


def tried(finding: CertificateFinding) -> CertificateFinding:
    """Say of what is wrong that it is right where things are tried out."""
    return replace(finding, level="note", hint=IN_A_TRIAL)


def fine(sentence: str) -> CertificateFinding:
    return CertificateFinding("fine", sentence)


def unknown(sentence: str) -> CertificateFinding:
    return CertificateFinding("unknown", sentence)


def exit_status(findings: Iterable[CertificateFinding]) -> int:
    """Hand back 0 where all is fine, 1 for warnings, 2 for errors."""
    return max((EXIT_STATUSES[finding.level] for finding in findings), default=0)
