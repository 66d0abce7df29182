"""The store that vaults share: an S3-compatible one, in which each file is an object named after its bytes.

Rule 1. The name of an object is the SHA-256 of its bytes. So whoever puts one puts the same: that it is there already
        is success, and nobody has to lock anything.
Rule 2. What comes is proved as it comes, and whoever is handed it to its end has the bytes of its name. What leaves is
        signed with the digest of its bytes.
Rule 3. Requests are signed by a library (AWS Signature Version 4), their bodies too, and go the house's way out: one
        origin, one deadline, no redirects. Nobody signs for longer than its request takes.
Rule 4. Whatever is wrong with the store is `StoreTrouble`, in our words.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import quote

from requests_aws4auth import AWS4Auth

from gateway.attachments import vault
from gateway.clock import Clock
from gateway.config import addresses, tables
from gateway.errors import StoreTrouble, TooLarge, UpstreamError
from gateway.motion import USER_AGENT
from gateway.phrases import Reason
from gateway.upstream import LONGEST_ANSWER_BYTES, Answer, Stream, Upstream

CONNECTIONS = 8
MOST_LISTED_BYTES = 4 * 2**20  # of a page of a thousand objects, each told in some 400 bytes

# What S3 calls it (its own list, and those of MinIO, Ceph, Garage and SeaweedFS), where the status alone says less.
_CODES = {
    "RequestTimeTooSkewed": Reason.STORE_CLOCK,
    "RequestExpired": Reason.STORE_CLOCK,
    "NoSuchBucket": Reason.STORE_BUCKET,
    "QuotaExceeded": Reason.STORE_FULL,
    "QuotaExceededException": Reason.STORE_FULL,
    "InsufficientStorage": Reason.STORE_FULL,
    "XMinioStorageFull": Reason.STORE_FULL,
    "XMinioAdminBucketQuotaExceeded": Reason.STORE_FULL,
    "ServiceQuotaExceededException": Reason.STORE_FULL,
    "AuthorizationHeaderMalformed": Reason.STORE_ELSEWHERE,
    "PermanentRedirect": Reason.STORE_ELSEWHERE,
    "IllegalLocationConstraintException": Reason.STORE_ELSEWHERE,
    "AccessDenied": Reason.STORE_KEYS,
    "InvalidAccessKeyId": Reason.STORE_KEYS,
    "SignatureDoesNotMatch": Reason.STORE_KEYS,
}
_CODE = re.compile(rb"<Code>([0-9A-Za-z.]{1,64})</Code>")
_SKEWED = re.compile(rb"request time.{1,40}server", re.IGNORECASE)  # how rclone says so, beside AccessDenied
_CONTENTS = re.compile(rb"<Contents>(.*?)</Contents>", re.DOTALL)
_NEXT = re.compile(rb"<NextContinuationToken>([!-;=-~]{1,1024})</NextContinuationToken>")
_FACT = {name: re.compile(rb"<%s>([^<]{1,1024})</%s>" % (name, name)) for name in (b"Key", b"Size", b"LastModified")}
_NOTHING: Mapping[str, str] = {}
_NAMED = re.compile(r"([0-9a-f]{2})/(\1[0-9a-f]{62})")


@dataclass(frozen=True)
class StoredObject:
    """An object of the store; `since`: when it was put there, by the store's clock, in epoch seconds."""

    digest: bytes
    size_bytes: int
    since: float


@dataclass
class _Unsigned:
    """A request as the library that signs it wants to see it."""

    method: str
    url: str
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


class Bucket:
    """Safe to use from several threads. Making one opens no connection."""

    def __init__(self, settings: tables.AttachmentsSettings, *, clock: Clock) -> None:
        self._settings, self._clock = settings, clock
        self._name, self._prefix = addresses.bucket(settings.store or "")
        of_its_own = "" if settings.store_path_style else self._name
        self.origin = addresses.store_origin(settings.store_url, region=settings.store_region, bucket=of_its_own)
        self._upstream = Upstream(self.origin, ca_file=settings.store_ca_file, connections=CONNECTIONS)

    def fetch(
        self, digest: bytes, write: Callable[[bytes], object], *, expect: Callable[[int], None], most_bytes: int
    ) -> int | None:
        """Hand the bytes of that name to `write`; before that their number to `expect`, 0 if it is not said.

        Returns how many they were; None if there is no such object. What was written counts only if this returns.
        Raises StoreTrouble, and what the two raise.
        """
        hashed, size = hashlib.sha256(), 0
        try:
            with self._got(self._target(digest)) as answer:
                if answer.status == 404 and _code(body := _whole(answer)) in ("", "NoSuchKey"):
                    return None
                if answer.status != 200:
                    raise _trouble(answer.status, body if answer.status == 404 else _whole(answer))
                expect(answer.length_bytes or 0)
                for chunk in answer.chunks(most_bytes=most_bytes):
                    write(chunk)
                    hashed.update(chunk)
                    size += len(chunk)
        except TooLarge as error:  # no file of ours is
            raise StoreTrouble(Reason.STORE_BYTES) from error
        if hashed.digest() != digest:
            raise StoreTrouble(Reason.STORE_BYTES)
        return size

    def put(self, digest: bytes, content: bytes, *, anew: bool = False, seconds: float | None = None) -> None:
        """Let these bytes be there. `anew`: in place of what may be there already; `seconds`: it may take, if others
        than `attachments.store_timeout`. Raises StoreTrouble.
        """
        only_new = _NOTHING if anew else {"if-none-match": "*"}
        answer = self._asked("PUT", self._target(digest), content, only_new, seconds=seconds)
        if answer.status == 412 and only_new:
            return None  # it is there
        if answer.status == 501 and only_new:  # a store that knows no such condition: the same bytes once more
            return self.put(digest, content, anew=True, seconds=seconds)
        if answer.status not in (200, 201, 204):
            raise _trouble(answer.status, answer.body)
        return None

    def drop(self, digest: bytes) -> None:
        """Let it not be there. Raises StoreTrouble."""
        answer = self._asked("DELETE", self._target(digest))
        if answer.status not in (200, 202, 204) and (answer.status != 404 or _code(answer.body) == "NoSuchBucket"):
            raise _trouble(answer.status, answer.body)

    def listed(self) -> Iterator[StoredObject]:
        """List every object that is named as ours are. Raises StoreTrouble."""
        after = ""
        while True:
            asked = {"continuation-token": after} if after else {}
            asked |= {"list-type": "2", "max-keys": "1000", "prefix": self._prefix}
            query = "&".join(f"{name}={quote(value, safe='')}" for name, value in sorted(asked.items()))
            answer = self._asked("GET", f"{self._base}?{query}")
            if answer.status != 200:
                raise _trouble(answer.status, answer.body)
            for contents in _CONTENTS.findall(answer.body):
                yield from self._kept(contents)
            found = _NEXT.search(answer.body)
            if not found:
                return
            after = found[1].decode("ascii")

    def close(self) -> None:
        self._upstream.close()

    @property
    def _base(self) -> str:
        return f"/{self._name}/" if self._settings.store_path_style else "/"

    def _target(self, digest: bytes) -> str:
        return f"{self._base}{self._prefix}{vault.place(digest)}"

    def _kept(self, contents: bytes) -> Iterator[StoredObject]:
        told = [found[1].decode("utf-8", "replace") for fact in _FACT.values() if (found := fact.search(contents))]
        if len(told) != len(_FACT):
            raise StoreTrouble(Reason.STORE_ODD)
        key, size, since = told
        named = _NAMED.fullmatch(key.removeprefix(self._prefix))
        if named:
            try:
                yield StoredObject(bytes.fromhex(named[2]), int(size), datetime.fromisoformat(since).timestamp())
            except ValueError as error:
                raise StoreTrouble(Reason.STORE_ODD) from error

    @contextmanager
    def _got(self, target: str) -> Iterator[Stream]:
        headers = [("Accept-Encoding", "identity"), *self._signed("GET", target)]
        try:
            with self._upstream.get(target, headers=headers, deadline_seconds=self._settings.store_timeout) as answer:
                yield answer
        except UpstreamError as error:
            raise StoreTrouble(error.reason) from error

    def _asked(
        self,
        method: str,
        target: str,
        body: bytes = b"",
        more: Mapping[str, str] = _NOTHING,
        *,
        seconds: float | None = None,
    ) -> Answer:
        """Send one request over a connection of its own: one that rested may be dead, which a put would learn late."""
        headers = [("Accept-Encoding", "identity"), ("Connection", "close"), *self._signed(method, target, body, more)]
        try:
            return self._upstream.call(
                method,
                target,
                body=body if method == "PUT" else None,
                headers=headers,
                deadline_seconds=seconds or self._settings.store_timeout,
                most_bytes=MOST_LISTED_BYTES,
            )
        except UpstreamError as error:
            raise StoreTrouble(error.reason) from error

    def _signed(
        self, method: str, target: str, body: bytes = b"", more: Mapping[str, str] = _NOTHING
    ) -> list[tuple[str, str]]:
        """Make the headers of a request, its signature among them (AWS Signature Version 4)."""
        ours, now = self._settings, datetime.fromtimestamp(self._clock.now(), UTC)
        if ours.store_key_secret is None:
            raise StoreTrouble(Reason.STORE_KEYS)
        dated = {**more, "x-amz-date": now.strftime("%Y%m%dT%H%M%SZ")}
        asked = _Unsigned(method, self.origin + target, body, dated)
        # One for each request: it is not made to be shared by threads.
        key = (ours.store_key_id, ours.store_key_secret.get_secret_value(), ours.store_region, "s3")
        AWS4Auth(*key, date=now.strftime("%Y%m%d"))(asked)
        return [USER_AGENT, *asked.headers.items()]


def _whole(answer: Stream) -> bytes:
    """Read what an answer that is no file says. Raises UpstreamError."""
    return answer.whole(most_bytes=LONGEST_ANSWER_BYTES)


def _code(body: bytes) -> str:
    found = _CODE.search(body)
    return found[1].decode("ascii") if found else ""


def _trouble(status: int, body: bytes) -> StoreTrouble:
    """Say in our words what an answer means that is none of those that were wanted."""
    reason = _CODES.get(_code(body))
    if reason is Reason.STORE_KEYS and _SKEWED.search(body):
        reason = Reason.STORE_CLOCK
    if reason is None and status == 507:
        reason = Reason.STORE_FULL
    if reason is None and status in (401, 403):
        reason = Reason.STORE_KEYS
    if reason is None and 300 <= status < 400:
        reason = Reason.STORE_ELSEWHERE
    if reason is None:
        reason = Reason.STORE_FAILED if status >= 500 or status in (409, 429) else Reason.STORE_ODD
    return StoreTrouble(reason)
