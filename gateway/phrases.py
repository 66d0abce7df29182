"""Every phrase of the log: the kinds of lines, the findings, and the reasons. docs/logs.md says what each means.

A phrase is fixed, and holds nothing that came from outside. Refusals of calls to Sinch have words of their own:
`rules/refusals.toml`.
"""

from __future__ import annotations

from enum import StrEnum


class Line(StrEnum):
    """What a line is about; the line of a request has its door's name."""

    DELIVERY = "delivery"
    FINDING = "finding"
    AUDIT = "audit"
    UNEXPECTED = "unexpected"  # a fault of ours that nobody planned for
    SAID = "said"  # by another program
    GUNICORN = "gunicorn"
    EDGE = "edge"  # nginx's answer, in our form
    LOST = "lines lost"
    COUNTED = "counted, not written"
    STARTED = "started"
    STOPPED = "stopped"
    DIED = "died"
    ENDED = "ended"
    KILLED = "killed; it did not stop"
    RELOADED = "reloaded"
    DRAINING = "draining"
    IPV4_ALONE = "listening on IPv4 alone"
    RELOAD_REFUSED = "reload refused; nothing was changed"
    SETTINGS_REFUSED = "settings refused; the ones before stay in force"
    COURIER_STARTED = "courier started"
    COURIER_STOPPED = "courier stopped"
    COURIER_STOPPING = "courier stopping"
    FETCHER_STARTED = "fetcher started"
    FETCHER_IDLE = "fetcher has nothing to fetch"
    FETCHER_STOPPED = "fetcher stopped"
    AT_ONCE = "how many deliveries at once Motion can bear"
    NOT_BEGUN = "delivery not begun; its lease was nearly over"
    NODE_IS_WELL = "node is well again"
    MOTION_IS_UP = "motion is up"
    KIND_IS_TAKEN = "kind is taken again"
    SPOOL_ANSWERS = "spool's database answers again"
    LIFEBOAT_EMPTY = "lifeboat is empty; all is filed"
    SPOOL_IS_BACK = "spool is in its place again"
    PURGED = "purged"
    EVICTED = "evicted"
    STORE_IS_BACK = "store is back"
    SCANNER_IS_BACK = "virus scanner is back"
    RENEWED = "certificate renewed"
    STAND_IN = "certificate made for the meantime"
    NOT_SENT = "send not written down, and not sent"


class Finding(StrEnum):
    """Something that an operator should know."""

    CLOCK_SKEW = "clock-skew"
    DISPATCH_MODE = "dispatch-mode"
    FOREIGN_APP = "foreign-app"
    FOREIGN_PROJECT = "foreign-project"
    NONCE_REUSED = "nonce-reused"
    MEDIA_LATE = "media-late"
    MEDIA_FAILED = "media-failed"
    MEDIA_HELD = "media-held"
    MOTION_DOWN = "motion-down"
    MOTION_REFUSES = "motion-refuses"
    KIND_REFUSED = "kind-refused"
    EVENT_PARKED = "event-parked"
    LEASE_ENDED = "lease-ended"  # a courier died or stood still; what it had in hand was taken from it
    LEASE_LOST = "lease-lost"  # what a courier had in hand had been taken from it
    CERTIFICATE_ENDS = "certificate-ends"
    CERTIFICATE_WRONG = "certificate-wrong"
    CERTIFICATE_OLD = "certificate-old"
    RENEWAL_FAILS = "certificate-renewal"
    SPOOL_UNAVAILABLE = "spool-unavailable"
    LIFEBOAT = "lifeboat"  # the spool's server is away for long; callbacks are taken in on this machine's own disk
    SPOOL_DISPLACED = "spool-displaced"
    SPOOL_LOG_LARGE = "spool-log-large"
    VAULT_FULL = "vault-full"
    FILE_ALTERED = "file-altered"
    STORE_AWAY = "store-away"
    STORE_ALTERED = "store-altered"
    VIRUS_FOUND = "virus-found"
    SCANNER_AWAY = "scanner-away"
    TOKEN_NOT_RENEWED = "token-not-renewed"  # noqa: S105 - a phrase
    SEND_NOT_SETTLED = "send-not-settled"
    LIMITS_STORAGE_AWAY = "limits-storage-away"
    DESCRIPTORS_RUN_OUT = "descriptors-run-out"
    NODE_SILENT = "node-silent"
    NODE_BEHIND = "node-behind"
    NODE_DIFFERS = "node-differs"
    NODE_NAME_TWICE = "node-name-twice"


class Reason(StrEnum):
    """Why: of a refusal, of a failure, of what became of an event or of a file."""

    # Of any door.
    UNEXPECTED = "unexpected"
    NO_ROUTE = "no such route"
    BODY_TOO_LARGE = "body too large"
    NO_PART = "no such part"
    NOBODY = "operator not authenticated"
    DRAINING = "draining"
    FILES_SHUT = "the attachments door is shut"

    # Of the operations page.
    HOST_FOREIGN = "host is none of the page's"
    CROSS_SITE = "form of another site"
    FORM_OLD = "form of another session"
    NOT_SIGNED_IN = "not signed in"
    SIGN_IN_REFUSED = "name or password wrong"
    ROLE = "not for this role"
    NO_USERS = "no user for the page"

    # Of callbacks.
    UNKNOWN_CONNECTOR = "unknown connector"
    HEADER_MISSING = "signature header missing"
    HEADER_MALFORMED = "signature header malformed"
    ALGORITHM_REFUSED = "signature algorithm refused"
    SIGNATURE_WRONG = "signature wrong"
    SIGNATURE_TOO_OLD = "signature too old"
    SIGNATURE_TOO_EARLY = "signature from the future"
    NONCE_REUSED = "nonce used before with other bytes"
    RECEIVE_TOKEN_WRONG = "receive token wrong"  # noqa: S105 - a phrase
    NO_PROOF = "account has neither secret nor token"

    # Of limits: what is counted.
    SIGN_INS_OF_ADDRESS = "limit of failed sign-ins per address"
    SIGN_INS_OF_NAME = "limit of failed sign-ins per name"
    WEBHOOKS = "limit of webhooks per account"
    FAILED_SIGNATURES = "limit of failed signatures per address"
    REPLAYS = "limit of replays per address"
    FETCHES = "limit of fetches per attachment"
    DOWNLOADS = "limit of downloads per address"
    UNKNOWN_TOKENS = "limit of unknown tokens per address"
    SENDS = "limit of sends per app"
    CALLS = "limit of calls per project"

    # Of the spool.
    SPOOL_LOCKED = "spool locked"
    SPOOL_NEEDED = "spool needed for callbacks"
    SPOOL_FULL = "spool disk full"
    SPOOL_READ_ONLY = "spool read-only"
    SPOOL_GONE = "spool file is gone"
    SPOOL_REPLACED = "spool file was replaced"
    SPOOL_OVERWRITTEN = "spool file was written over"
    SPOOL_LOG_GONE = "spool log is gone or replaced"
    SPOOL_LOG_CUT = "spool log was emptied or cut"
    SPOOL_FAILED = "spool failed"
    SPOOL_INTERRUPTED = "spool write interrupted"
    SPOOL_NOT_OURS = "spool not yours"
    SPOOL_DAMAGED = "spool damaged"
    SPOOL_NO_DESCRIPTORS = "spool cannot be opened: too many files are open"
    SPOOL_NOT_MIGRATED = "spool cannot be migrated"
    SPOOL_SCHEMA = "spool schema is not yet of this release; restart the gateway, or run `motion-gateway migrate`"
    SPOOL_MOVED = "spool was moved to another database, which counts since"
    SPOOL_MOVING = "spool is being filled by a move, and not whole yet"
    SPOOL_NEWER = "spool schema is of a newer release; install that one again, or restore the backup from before it"

    SPOOL_AWAY = "spool database cannot be reached"
    SPOOL_SILENT = "spool database does not answer in time"
    SPOOL_STANDBY = "spool database is a standby"
    SPOOL_NOT_LET_IN = "spool database does not let us in"
    SPOOL_NO_DATABASE = "spool database does not exist"
    SPOOL_NO_RIGHTS = "spool database gives us too few rights"
    SPOOL_CROWDED = "spool database has no connection left"
    SPOOL_SERVER_FULL = "spool database has no room left"
    SPOOL_SERVER_OLD = "spool database is older than PostgreSQL 15"
    SPOOL_ENCODING = "spool database is not in UTF8"
    SPOOL_TLS = "spool database fails at TLS"
    SPOOL_FOREIGN = "spool database holds somebody else's tables"

    # Of a call that got no answer.
    NO_HOST = "host name unknown"
    CONNECTION_REFUSED = "connection refused"
    NO_ANSWER = "no answer in time"
    TLS_REFUSED = "certificate or TLS refused"
    CONNECTION_BROKEN = "connection broken"

    # Of the proxy on the way.
    PROXY_NO_HOST = "proxy: host name unknown"
    PROXY_DOWN = "proxy: connection refused"
    PROXY_LATE = "proxy: no answer in time"
    PROXY_BROKEN = "proxy: connection broken"
    PROXY_PASSWORD = "proxy: user name or password refused"  # noqa: S105 - a phrase
    PROXY_REFUSES = "proxy: the way is refused"
    PROXY_NO_WAY = "proxy: no connection from there"
    PROXY_ODD = "proxy: answer is not HTTP"

    # Of an answer that is none.
    ANSWER_SHORT = "answer shorter than it says"
    ANSWER_LONG = "answer longer than it says"
    ANSWER_UNENDING = "answer does not say where it ends"
    ANSWER_ENCODED = "answer is encoded"
    ANSWER_TOO_LARGE = "answer too large"
    ANSWER_MALFORMED = "answer is not HTTP"

    # Of an answer that says nothing of what was asked: of Sinch's, with its status.
    ANSWER_LATE = "answer did not end in time"
    ANSWER_ELSEWHERE = "answer leads elsewhere"
    ANSWER_STATUS = "answer has no status of HTTP"
    ANSWER_NO_TOKEN = "answer gives no access token"  # noqa: S105 - a phrase
    ANSWER_NO_MESSAGE = "answer names no message"
    ANSWER_FOREIGN = "answer is none of Sinch's"
    OURS = "the gateway itself failed under way"

    # Of an answer of Motion's that takes an event, and does not look like Motion's.
    ANSWER_PAGE = "answered with a page"

    # Of deliveries that are given up.
    RETRIED_TOO_LONG = "retry_for is over"
    OTHERS_ARRIVED = "tries failed while others arrived"  # after their number
    KIND_REFUSED = "Motion refuses this kind"
    PARKED_BY_HAND = "parked by hand"
    KILLED_COURIERS = "couriers died delivering it"

    # Of links, and of the files behind them.
    TOKEN_REFUSED = "token refused"  # noqa: S105 - a phrase
    LINK_REVOKED = "link revoked"
    LINK_EXPIRED = "link expired"
    NO_ATTACHMENT_ID = "attachment id malformed"
    FILE_REFUSED = "file refused"
    FILE_TOO_LARGE = "file too large"
    GONE = "MEDIA_NOT_REACHABLE: gone at Motion"
    REDIRECTED = "MEDIA_NOT_REACHABLE: Motion redirected"
    NO_FILE = "MEDIA_NOT_REACHABLE: Motion sent a page and no file"
    OTHER_BYTES = "MEDIA_NOT_REACHABLE: changed at Motion"
    OVER_MOTIONS = "MEDIA_TOO_LARGE: over motion.max_attachment"
    OVER_OURS = "MEDIA_TOO_LARGE: over attachments.max_bytes"
    CREDENTIALS_REFUSED = "Motion refused our credentials"
    MOTION_FAILED = "Motion failed"
    MOTION_ODD = "Motion gave an odd answer"
    CROWDED = "too many wait for Motion"
    BEING_ACQUIRED = "another is acquiring it"
    NO_ROOM = "no room in the vault"
    VAULT_UNWRITABLE = "vault cannot be written"

    # Of a file that a customer sends in.
    MEDIA_LINK = "media: the link is no https"
    MEDIA_HOST = "media: its host is none of inbound.hosts"
    MEDIA_ADDRESS = "media: its host has an address that is not public"
    MEDIA_LOST = "media: gone at Sinch"
    MEDIA_FORBIDDEN = "media: Sinch does not give it out"
    MEDIA_REDIRECTED = "media: Sinch redirects too often"
    MEDIA_ODD = "media: Sinch gave an odd answer"
    MEDIA_TOO_LARGE = "media: over inbound.max_bytes"
    MEDIA_FULL = "media: customers' files fill their half of the vault"
    MEDIA_KILLS = "media: fetchers died with it"

    # Of the virus scanner.
    SCANNER_AWAY = "virus scanner cannot be reached"
    SCANNER_LATE = "virus scanner takes too long"
    SCANNER_FAILED = "virus scanner failed"

    # Of the store that vaults share; what no answer at all means stands above.
    STORE_KEYS = "store: our keys are refused"
    STORE_CLOCK = "store: our clock is wrong, it says"
    STORE_BUCKET = "store: no such bucket"
    STORE_FULL = "store: it is full"
    STORE_ELSEWHERE = "store: it is elsewhere, or of another region"
    STORE_FAILED = "store: it failed"
    STORE_ODD = "store: it gave an odd answer"
    STORE_BYTES = "store: it has other bytes"

    # Of the third door, which says it in other words.
    NOWHERE = "the link opens nothing here"
    KEY_WRONG = "gateway key wrong"

    # Of Sinch's answer to Motion, which is handed on.
    MOTIONS_KEY = "Sinch refuses Motion's key"


REWORDED = frozenset({Reason.SENDS, Reason.CALLS, Reason.NOWHERE, Reason.KEY_WRONG})  # by `rules/refusals.toml`
