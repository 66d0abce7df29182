"""Has the certificate of the public address made and renewed by an authority, and puts it in its place.

1. It is renewed at two thirds of its life; where the authority names a window (RFC 9773), at a moment of that which is
   always the same of one certificate, and everybody's another.
2. A pair with which the gateway would not start, or not be believed, is not put in its place; the one before stays.
3. What does not go well is kept as a finding until it does.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from gateway import certs, clock, lock, paths
from gateway.certs import inventory, issuing, judging, placing, subject
from gateway.certs.acme import CertificateAuthority, NameProof, Obstacle, RenewalWindow
from gateway.certs.placing import Places
from gateway.config import Settings, addresses
from gateway.delivery import trouble
from gateway.errors import CommandError, SpoolUnavailable, UpstreamError
from gateway.phrases import Finding
from gateway.store import engines
from gateway.upstream import Answer, Upstream

LIFE_PARTS, LATEST_PARTS = 2 / 3, 9 / 10  # of its life: when a certificate is renewed, and at the latest
PROOF_FOLDER = Path(".well-known", "acme-challenge")
ASK_SECONDS = 10.0  # of our own doors
START_SECONDS = 10.0  # in which nginx begins to listen
SHOWN_SECONDS = 30.0  # until it has taken up what is new
PAUSE_SECONDS = 0.2
PATIENCE_SECONDS = 5.0  # with who writes to the spool

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """Why a certificate is to be had now; or when it will be renewed, where nothing is to be done."""

    because: str
    at: datetime.datetime | None = None


@dataclass(frozen=True)
class Renewed:
    """What is in place now, and when the next one is due."""

    certificate: x509.Certificate
    next_at: datetime.datetime
    shown: bool  # by nginx, which runs


def plan(
    chain: Sequence[x509.Certificate],
    wanted: Sequence[str],
    *,
    now: datetime.datetime,
    from_another: bool = False,
    window: Callable[[x509.Certificate], RenewalWindow | None] = lambda _: None,
) -> Plan:
    """Decide whether a certificate is to be had now; `from_another`: the one that is there came from another authority.

    `window` asks the authority, where nothing else decides.
    """
    if not chain:
        return Plan("there is none yet")
    leaf = chain[0]
    if leaf.issuer == leaf.subject:
        return Plan("the one that is there is signed by itself")
    if missing := [name for name in wanted if judging.covering(name, leaf) is None]:
        return Plan(f"the one that is there is not for {', '.join(missing)}")
    if from_another:
        return Plan("the one that is there came from another authority")
    at = due_at(leaf, window(leaf))
    return Plan(f"the one that is there was due on {at:%Y-%m-%d}" if at <= now else "", None if at <= now else at)


def due_at(leaf: x509.Certificate, window: RenewalWindow | None = None) -> datetime.datetime:
    """Say when it is renewed; whatever an authority says, before it ends."""
    begin, life = leaf.not_valid_before_utc, leaf.not_valid_after_utc - leaf.not_valid_before_utc
    if window is None:
        return begin + life * LIFE_PARTS
    part = int.from_bytes(leaf.fingerprint(hashes.SHA256())[:4], "big") / 2**32
    return min(window.begin + (window.end - window.begin) * part, begin + life * LATEST_PARTS)


class Renewal:
    """One look at the certificate, and what follows from it. Raises Obstacle and CommandError."""

    def __init__(self, settings: Settings, *, tell: Tell) -> None:
        """`tell` is told how far it is."""
        self._settings, self._tell = settings, tell
        self._folder = settings.server.state_dir / "acme"

    def run(self, *, force: bool = False) -> Plan | Renewed:
        """Renew it where it is time to, or by `force`. What does not go well is a finding until it does."""
        issuing.private_folder(self._folder)
        with lock.only_one(paths.lock(self._settings, "acme"), "`certs acme`"), self._found():
            authority = CertificateAuthority(self._settings.acme, self._account_key)
            chain, _ = subject.chain(self._settings.server.certificate)
            decided = plan(
                chain,
                placing.names(self._settings),
                now=_now(),
                from_another=self._is_anothers(chain),
                window=authority.window,
            )
            if decided.at is not None and not force:
                return decided
            wanted = ", ".join(placing.names(self._settings))
            self._tell(f"Asking {authority.host} for {wanted}: {decided.because or 'as told'}.")
            return self._renew(authority)

    def _renew(self, authority: CertificateAuthority) -> Renewed:
        with self._proofs() as prove:
            pair = authority.order(placing.names(self._settings), prove=prove)
        leaf = x509.load_pem_x509_certificates(pair.certificate_pem)[0]
        placing.put(pair, placing.places(self._settings), judge=self._judge)
        kept = {"directory": self._settings.acme.url, "certificate": leaf.fingerprint(hashes.SHA256()).hex()}
        issuing.replace(self._note, json.dumps(kept).encode())
        return Renewed(leaf, due_at(leaf, authority.window(leaf)), self._is_shown(kept["certificate"]))

    @property
    def _note(self) -> Path:
        return self._folder / "last.json"

    def _is_anothers(self, chain: Sequence[x509.Certificate]) -> bool:
        """Tell whether the certificate is the last that we had, and that from another authority than is wanted now."""
        with suppress(OSError, ValueError, TypeError, KeyError):
            kept = json.loads(self._note.read_text("utf-8"))
            ours = bool(chain) and kept["certificate"] == chain[0].fingerprint(hashes.SHA256()).hex()
            return ours and bool(kept["directory"] != self._settings.acme.url)
        return False

    def _account_key(self) -> bytes:
        """Read the key of our account at this authority; the first time it is made."""
        where = addresses.split(self._settings.acme.url)[0].partition("://")[2].replace(":", "-")
        path = self._folder / f"{where}.pem"
        if not path.exists():
            issuing.replace(path, issuing.key_pem(issuing.new_key()), mode=issuing.KEY_MODE)
        return issuing.content(path)

    def _judge(self, there: Places) -> None:
        server = self._settings.server.model_copy(
            update={"certificate": there.certificate, "private_key": there.private_key}
        )
        rows = certs.check(inventory.public(server, now=_now()))
        wrong = [row.finding for row in rows if row.finding.id in inventory.IN_THE_WAY]
        if wrong:
            remedy = (
                "`motion-gateway certs check` judges the one that stays; see whether this authority is the right one"
            )
            raise Obstacle(f"what the authority made is not put in place: {wrong[0].sentence}", remedy)

    @contextmanager
    def _proofs(self) -> Iterator[Callable[[NameProof], None]]:
        """Give what puts proofs where nginx finds them; they go when the order is done with."""
        folder = placing.proofs(self._settings) / PROOF_FOLDER
        put: list[Path] = []

        def prove(proof: NameProof) -> None:
            self._tell(f"Proving {proof.name} at port {self._settings.server.http_port}.")
            path = folder / proof.token
            with paths.in_our_words(path):
                for each in (folder.parent.parent, folder.parent, folder):
                    each.mkdir(exist_ok=True)
                    each.chmod(0o2750 if paths.worker_user() else 0o750)
                path.write_text(proof.content, "ascii")
                path.chmod(0o640)
            put.append(path)
            self._require_shown(proof)

        if not paths.run(self._settings).is_dir():
            raise Obstacle("the gateway does not run, so nobody answers the authority", "start it, and run this again")
        try:
            yield prove
        finally:
            for path in put:
                path.unlink(missing_ok=True)

    def _require_shown(self, proof: NameProof) -> None:
        """Ask our own port 80 as the authority will: what fails here costs no try there. nginx may just be starting."""
        port, until = self._settings.server.http_port, clock.steady() + START_SECONDS
        while True:
            try:
                answer = self._ask_ourselves(proof)
                break
            except UpstreamError as error:
                if clock.steady() > until:
                    remedy = "start the gateway; if it runs, its log says why nginx does not listen"
                    raise Obstacle(f"our own port {port} does not answer: {error.reason}", remedy) from error
                clock.pause(PAUSE_SECONDS)
        if answer.body != proof.content.encode():
            says = f"our own port {port} does not show the proof for {proof.name} (it answers {answer.status})"
            raise Obstacle(
                says, "reload the gateway, which may not know these settings yet; see who else listens there"
            )

    def _ask_ourselves(self, proof: NameProof) -> Answer:
        server, target = self._settings.server, f"/{PROOF_FOLDER}/{proof.token}"
        origin = f"http://{addresses.reached(server.public_address)}:{server.http_port}"
        told: dict[str, Any] = {"body": None, "headers": [("Host", proof.name)], "most_bytes": 4096}
        with closing(Upstream(origin, connections=1)) as own:
            return own.call("GET", target, deadline_seconds=ASK_SECONDS, **told)

    def _is_shown(self, fingerprint: str) -> bool:
        """Wait until nginx shows the new certificate; it looks each second."""
        server, until = self._settings.server, clock.steady() + SHOWN_SECONDS
        origin = f"https://{addresses.reached(server.ops_address)}:{server.ops_port}"
        while clock.steady() < until:
            with closing(Upstream(origin, fingerprint=fingerprint, connections=1)) as office, suppress(UpstreamError):
                office.call("GET", "/healthz", body=None, headers=[], deadline_seconds=ASK_SECONDS, most_bytes=1 << 16)
                return True
            clock.pause(PAUSE_SECONDS)
        return False

    @contextmanager
    def _found(self) -> Iterator[None]:
        """Let the office know of what fails here, until it does no more; a spool that is away hides nothing else."""
        server = self._settings.server
        with closing(engines.opened(self._settings, patience_seconds=PATIENCE_SECONDS)) as spool:
            about = f"{server.node} {placing.SETTING}" if spool.is_shared else placing.SETTING
            try:
                yield
            except CommandError as error:
                said = error.says if isinstance(error, Obstacle) else error.reason
                with suppress(SpoolUnavailable):
                    before = [each for each in trouble.known(spool) if each.finding == Finding.RENEWAL_FAILS]
                    since = next((each.since for each in before if each.about == about), clock.WallClock().now())
                    trouble.keep(spool, trouble.MotionTrouble(Finding.RENEWAL_FAILS, about, said, since))
                raise
            with suppress(SpoolUnavailable):
                trouble.end(spool, Finding.RENEWAL_FAILS, about)


def _now() -> datetime.datetime:
    return datetime.datetime.fromtimestamp(clock.WallClock().now(), datetime.UTC)
