"""What doctor looks at around the spool: Motion, names, the nginx that runs, secrets, and where limits are counted.

Motion is asked one thing that changes nothing there: for a file, whose body is not read. Which paths it answers to GET
beside that is not known for certain.
"""

from __future__ import annotations

import hashlib
import ipaddress
import os
from collections.abc import Iterator
from contextlib import closing, suppress

from gateway import limits, paths
from gateway.attachments.register import Register
from gateway.certs import subject
from gateway.clock import DAY_SECONDS, WallClock
from gateway.config import Settings, storages, tables
from gateway.diagnosis import reasons, resolver
from gateway.diagnosis.complaint import Complaint, Context, complain
from gateway.errors import SpoolUnavailable, StoreTrouble, Unavailable, UpstreamError
from gateway.inspection.scanner import Clamd
from gateway.motion.download import Source
from gateway.phrases import Reason
from gateway.serving import nginx_conf
from gateway.upstream import against_certificate

NO_FILE = "999999999999"  # an id of an attachment that there will never be
ASKED_SECONDS = 6.0
STORE_MENDS: dict[str, str] = {  # where it gives no answer
    Reason.CONNECTION_REFUSED: "look whether it runs, and whether attachments.store_url leads to it",
    Reason.NO_HOST: "look at DNS, or correct the host in attachments.store_url",
    Reason.NO_ANSWER: "look whether it hangs, or whether a firewall drops what goes there",
    Reason.TLS_REFUSED: "let it show a certificate of the name in attachments.store_url, and name its CA in "
    "attachments.store_ca_file",
}
MANY_KEYS = 3
SOON_DAYS = 14  # whoever renews Motion's certificate has a week or two


def caller(context: Context) -> Iterator[Complaint]:
    """Tell who is neither root nor the account of the gateway: most of what is looked at is closed to him."""
    if owner := paths.other_owner(context.settings, caller=os.geteuid()):
        yield complain("doctor.other_account", caller=paths.whoami(), owner=owner)


def motion(context: Context) -> Iterator[Complaint]:
    """Ask for the file that was fetched last, or for one that is not there: who may not have it is told so."""
    settings, url = context.settings, context.settings.motion.url
    known = []
    with suppress(SpoolUnavailable):
        known = [one.attachment_id for one in Register(context.spool).listed(most=1)]
    with closing(Source(settings.motion, settings.attachments)) as source:
        try:
            status, kind, ends_at = source.answer((*known, NO_FILE)[0], deadline_seconds=ASKED_SECONDS)
        except UpstreamError as error:
            if against := against_certificate(error):
                yield complain("motion.certificate_refused", url=url, reason=against)
            else:
                yield complain(
                    "motion.unreachable", url=url, reason=error.reason, remedy=reasons.of_motion(error.reason).remedy
                )
            return
    if ends_at is not None and (left := ends_at - context.now) < SOON_DAYS * DAY_SECONDS:
        yield complain("motion.certificate_ends", url=url, days=max(0, int(left // DAY_SECONDS)))
    if status >= 500:
        yield complain("motion.down", reason=f"it answers {status}")
    elif settings.attachments.has_links:
        yield from _files(settings, status, kind)


def _files(settings: Settings, status: int, kind: str) -> Iterator[Complaint]:
    if not (settings.motion.api_key or settings.motion.password):
        yield complain("motion.no_credentials")
    elif status in (401, 403):
        yield complain("motion.credentials_refused", status=status)
    elif 300 <= status < 400:
        yield complain("motion.no_file", answer=f"a redirect ({status})")
    elif status == 200 and kind == "text/html":
        yield complain("motion.no_file", answer="a page, such as one to log in")


def public_name(context: Context) -> Iterator[Complaint]:
    """Ask for the address of `server.public_url`, as far as it can be seen from here."""
    host = context.settings.server.public_host
    if subject.FOR_TRIALS.fullmatch(host):
        return
    found = resolver.ask([host]).get(host)
    if not found:
        yield complain("names.public_unknown", host=host)
    elif not any(ipaddress.ip_address(address.partition("%")[0]).is_global for address in found):
        yield complain("names.public_private", host=host, address=", ".join(found))


def nginx(context: Context) -> Iterator[Complaint]:
    """Hold the configuration with which nginx runs against what the settings make, where all of them are understood."""
    if context.part.problems:
        return
    with suppress(FileNotFoundError):
        if paths.nginx_conf(context.settings).read_text("utf-8") != nginx_conf.configuration(context.settings):
            yield complain("nginx.other_configuration")


def counters(context: Context) -> Iterator[Complaint]:
    """Ask Redis or Valkey, where limits are counted there."""
    storage = context.settings.limits.storage
    if storage != storages.MEMORY and not limits.is_there(storage):
        yield complain("limits.storage_away")


def store(context: Context) -> Iterator[Complaint]:
    """Put a small object into the store behind the vault, where there is one, fetch it and let it go."""
    ours = context.settings.attachments
    if not ours.store:
        return
    from gateway.attachments.bucket import Bucket  # only who has a store loads what signs

    content = f"{paths.whoami()} looked at {context.now}".encode()
    digest, came = hashlib.sha256(content).digest(), list[bytes]()
    hasty = ours.model_copy(update={"store_timeout": min(ours.store_timeout, ASKED_SECONDS / 3)})
    with closing(Bucket(hasty, clock=WallClock())) as bucket:
        try:
            bucket.put(digest, content)
            bucket.fetch(digest, came.append, expect=lambda _size: None, most_bytes=len(content))
            bucket.drop(digest)
            reason = "" if b"".join(came) == content else str(Reason.STORE_ODD)
        except StoreTrouble as error:
            reason = error.reason
    if reason:
        meaning = reasons.explain(reason) if reason.startswith("store") else None
        remedy = meaning.remedy if meaning else STORE_MENDS.get(reason, STORE_MENDS[Reason.CONNECTION_REFUSED])
        yield complain("store.trouble", url=bucket.origin, reason=reason.removeprefix("store: "), remedy=remedy)


def virus_scanner(context: Context) -> Iterator[Complaint]:
    """Ask clamd what it is, where the settings name one."""
    ours = context.settings.inbound
    if not ours.scan:
        return
    try:
        Clamd(ours.scan).version(seconds=ASKED_SECONDS)
    except Unavailable as error:
        fate = "wait for it (inbound.scan_away)" if ours.scan_away == "hold" else "go without it (inbound.scan_away)"
        meaning = reasons.explain(error.reason)
        remedy = meaning.remedy if meaning else ""
        yield complain("scanner.away", place=ours.scan, reason=error.reason, fate=fate, remedy=remedy)


def secrets(context: Context) -> Iterator[Complaint]:
    """Look for one secret that stands in two places, for keys that open more than they need to, and for none at all."""
    known: dict[str, str] = {}
    for setting, value in _secrets(context.settings):
        if (other := known.setdefault(value, setting)) != setting:
            yield complain("secrets.reused", about=setting, one=setting, other=other)
    if (count := len(context.settings.attachments.token_keys)) > MANY_KEYS:
        yield complain("secrets.many_token_keys", count=count)
    for index, account in enumerate(context.settings.accounts):
        if not account.webhook_secrets and context.part.knows(f"account[{index}].webhook_secrets"):
            yield complain("account.unsigned", about=account.connector_id)


def _secrets(settings: Settings) -> Iterator[tuple[str, str]]:
    """Every secret, by the setting it stands in; accounts of one project share their key."""
    places = [(name, getattr(settings, name)) for name in tables.TABLES if name not in tables.MANY]
    rows = ((name, row) for name, field in tables.MANY.items() for row in getattr(settings, field))
    for name, table in (*places, *rows):
        for key in tables.hidden(type(table)):
            found = getattr(table, key) or ()
            for secret in found if isinstance(found, tuple) else (found,):
                yield f"{name}.{key}", secret.get_secret_value()
