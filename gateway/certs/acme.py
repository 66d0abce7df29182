"""Asks an authority for certificates by ACME (RFC 8555), and says in our words what is in the way.

1. The authority is the one origin of `acme.directory`: what its answers name elsewhere is not called.
2. An account is made once for each authority, and only where the settings agree to its terms.
3. A nonce that is refused is drawn anew (6.5), and what is proved already is not proved again (7.1.3).
4. What the authority says itself goes to the terminal alone, without tokens of proofs: the log hears our words.
"""

from __future__ import annotations

import base64
import functools
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NoReturn

from acme import challenges, client, errors, messages
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from josepy.errors import Error as Unreadable
from josepy.jwa import ES256
from josepy.jwk import JWK, JWKEC

from gateway import PROGRAM, printable, rules
from gateway.certs import issuing
from gateway.config import addresses
from gateway.config.authority import AcmeSettings
from gateway.errors import CommandError, UpstreamError
from gateway.upstream import Upstream, proxy_of

ANSWER_SECONDS = 30.0  # of one call
DECISION_SECONDS = 180.0  # of an order, from the first proof to the certificate
MOST_NONCES = 20  # that are refused one after the other
MOST_ANSWER_BYTES = 1 << 20
LONGEST_WORDS = 400

_PROOF = re.compile(r"acme-challenge/[^\s\"'?&]*")


class Obstacle(CommandError):
    """No certificate is to be had: `says` why, for the log too; `theirs` are the authority's own words."""

    def __init__(self, says: str, remedy: str, theirs: str = "") -> None:
        self.says = says
        words = f"\n  in its own words: {theirs}" if theirs else ""
        super().__init__(f"{says}.{words}\n  do: {remedy}.")


@dataclass(frozen=True)
class NameProof:
    """What the authority looks for under a name, at the end of /.well-known/acme-challenge/."""

    name: str
    token: str
    content: str


@dataclass(frozen=True)
class RenewalWindow:
    """When the authority wants a certificate to be renewed (RFC 9773)."""

    begin: datetime
    end: datetime


class AcmeNetwork(client.ClientNetwork):
    """The way of `acme` to the authority: by our own connections, which know no other origin."""

    def __init__(self, settings: AcmeSettings, key: JWK | None = None) -> None:
        super().__init__(key, alg=ES256)
        self._origin, _ = addresses.split(settings.url)
        self._upstream = Upstream(self._origin, ca_file=settings.ca_file, proxy=proxy_of(settings), connections=1)

    def post(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - acme's own
        """Post; a nonce that is refused is drawn anew. Raises messages.Error and what `acme` raises."""
        for _ in range(MOST_NONCES - 1):
            try:
                return self._post_once(*args, **options)
            except messages.Error as error:
                if error.code != "badNonce":
                    raise
        return self._post_once(*args, **options)

    def _send_request(self, method: str, url: str, *_: Any, **options: Any) -> Any:  # noqa: ANN401 - as above
        if not url.startswith(f"{self._origin}/"):
            raise Obstacle("the authority sends us elsewhere", "see whether acme.directory is its URL", url)
        body = options.get("data")
        answer = self._upstream.call(
            "GET" if method == "HEAD" else method,  # of a nonce both are the same (7.2)
            url.removeprefix(self._origin),
            body=None if body is None else body.encode(),
            headers=[*options.get("headers", {}).items(), ("User-Agent", PROGRAM), ("Accept-Language", "en")],
            deadline_seconds=ANSWER_SECONDS,
            most_bytes=MOST_ANSWER_BYTES,
        )
        return answer.as_response(url)


class CertificateAuthority:
    """An authority, by its directory. Everything raises Obstacle."""

    def __init__(self, settings: AcmeSettings, account_key: Callable[[], bytes]) -> None:
        """Look into the directory. `account_key`: in PEM, once an account is needed."""
        self._settings, self._account_key = settings, account_key
        self.host = addresses.host(addresses.split(settings.url)[0])
        with self._in_our_words():
            self._directory = messages.Directory.from_json(AcmeNetwork(settings).get(settings.url).json())
            for wanted in ("newAccount", "newNonce", "newOrder"):
                self._directory[wanted]

    def window(self, certificate: x509.Certificate) -> RenewalWindow | None:
        """Ask when it should be renewed; None where the authority does not say, or says nothing that can be read."""
        try:
            address = f"{self._directory['renewalInfo']}/{_renewal_id(certificate)}"
            with self._in_our_words():
                told = AcmeNetwork(self._settings).get(address).json()["suggestedWindow"]
                begin, end = (datetime.fromisoformat(told[name]) for name in ("start", "end"))
                return RenewalWindow(begin, end) if begin.tzinfo and end.tzinfo and begin <= end else None
        except (KeyError, Obstacle, x509.ExtensionNotFound):
            return None

    def order(self, names: Sequence[str], *, prove: Callable[[NameProof], None]) -> issuing.KeyPair:
        """Order a certificate for these names; `prove` puts each proof where it is looked for, and may raise."""
        with self._in_our_words(", ".join(names)):
            asked = self._signed_in()
            key = issuing.new_key()
            ordered = asked.new_order(_request(key, names))
            for authorization in ordered.authorizations:
                if authorization.body.status != messages.STATUS_VALID:
                    self._prove(asked, authorization, prove)
            until = datetime.now() + timedelta(seconds=DECISION_SECONDS)  # noqa: DTZ005 - as `acme` counts
            ordered = asked.finalize_order(asked.poll_authorizations(ordered, until), until)
            return issuing.KeyPair(ordered.fullchain_pem.encode(), issuing.key_pem(key))

    def _signed_in(self) -> client.ClientV2:
        key = JWKEC(key=serialization.load_pem_private_key(self._account_key(), password=None))
        asked = client.ClientV2(self._directory, AcmeNetwork(self._settings, key))
        try:
            asked.query_registration(messages.RegistrationResource(uri="", body=messages.NewRegistration()))
        except messages.Error as error:
            if error.code != "accountDoesNotExist":
                raise
            asked.net.account = None
            asked.new_account(self._registration(key))
        return asked

    def _registration(self, key: JWK) -> messages.NewRegistration:
        ours, meta = self._settings, self._directory["meta"]
        if meta.terms_of_service and not ours.terms_agreed:
            says = f"nobody has agreed to the terms of {self.host}, {meta.terms_of_service}"
            raise Obstacle(says, "read them, and write acme.terms_agreed = true if you agree")
        binding = None
        if ours.eab_key_id and ours.eab_key:
            binding = messages.ExternalAccountBinding.from_data(
                key.public_key(), ours.eab_key_id, ours.eab_key.get_secret_value(), self._directory
            )
        elif meta.external_account_required:
            _refuse("externalAccountRequired", f"{self.host}: ")
        return messages.NewRegistration.from_data(
            email=ours.email, terms_of_service_agreed=True, external_account_binding=binding
        )

    def _prove(
        self, asked: client.ClientV2, authorization: messages.AuthorizationResource, prove: Callable[[NameProof], None]
    ) -> None:
        name = authorization.body.identifier.value
        ways = [way for way in authorization.body.challenges if isinstance(way.chall, challenges.HTTP01)]
        if not ways:
            remedy = "order no wildcards; another authority may offer it"
            raise Obstacle(f"{name}: the authority takes no proof at port 80 (http-01)", remedy)
        response, content = ways[0].chall.response_and_validation(asked.net.key)
        prove(NameProof(name, ways[0].chall.encode("token"), content))
        asked.answer_challenge(ways[0], response)

    @contextmanager
    def _in_our_words(self, about: str = "") -> Iterator[None]:
        try:
            yield
        except UpstreamError as error:
            remedy = "see the way there: DNS, firewall, acme.proxy; and for an authority of your own acme.ca_file"
            raise Obstacle(f"the authority at {self.host} cannot be reached: {error.reason}", remedy) from error
        except errors.ValidationError as error:
            self._tell_proofs(error)
        except errors.IssuanceError as error:
            _tell(error.error, about or self.host)
        except messages.Error as error:
            _tell(error, about or self.host)
        except errors.TimeoutError as error:
            says = f"the authority at {self.host} has not decided within {DECISION_SECONDS:g} s"
            raise Obstacle(says, "run it again later") from error
        except (errors.Error, Unreadable, ValueError, KeyError, TypeError, AttributeError) as error:
            says = f"the authority at {self.host} answers with what is no ACME"
            raise Obstacle(says, "see whether acme.directory is the URL of its directory") from error

    def _tell_proofs(self, error: errors.ValidationError) -> NoReturn:
        for failed in error.failed_authzrs:
            for way in failed.body.challenges:
                if way.error is not None:
                    _tell(way.error, failed.body.identifier.value)
        raise Obstacle(f"{self.host}: a proof was not taken", "run it again later") from error


def _tell(error: messages.Error, about: str) -> NoReturn:
    """Say it in our words, and about which name; the first of what it holds, where it holds several."""
    inner = error.subproblems[0] if error.subproblems else error
    identifier = getattr(inner, "identifier", None) or error.identifier
    words = _PROOF.sub("acme-challenge/***", str(inner.detail or inner.title or ""))
    _refuse(str(inner.typ).rpartition(":")[2], f"{identifier.value if identifier else about}: ", words)


def _refuse(code: str, about: str, theirs: str = "") -> NoReturn:
    says, remedy = refusals().get(code, ("the authority refuses it", "do what it says in its own words"))
    raise Obstacle(f"{about}{says}", remedy, printable.text(theirs, instead="?")[:LONGEST_WORDS])


@functools.cache
def refusals() -> dict[str, tuple[str, str]]:
    """Read what each code of an authority means, and what to do (`rules/authorities.toml`)."""
    rows = rules.read("authorities.toml")["refusal"]
    return {row["code"]: (row["says"], row["remedy"]) for row in rows}


def _request(key: ec.EllipticCurvePrivateKey, names: Sequence[str]) -> bytes:
    """Write what is asked to be signed, in PEM: the names as alternative names alone."""
    asked = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    asked = asked.add_extension(
        x509.SubjectAlternativeName([issuing.alternative(name) for name in names]), critical=True
    )
    return asked.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _renewal_id(certificate: x509.Certificate) -> str:
    issuer = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    return renewal_id(issuer or b"", certificate.serial_number)


def renewal_id(issuer: bytes, serial: int) -> str:
    """Name a certificate as RFC 9773, 4.1 does, by the key identifier of its issuer and its serial number."""
    number = serial.to_bytes(serial.bit_length() // 8 + 1, "big")
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in (issuer, number))
