"""Single settings: what is understood and what is refused, with both neighbours of each edge."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from gateway import config
from gateway.config import fields
from tests.config_samples import account, problems, refusal, settings
from tests.together import together

UNICODE_SEVEN = "\N{ARABIC-INDIC DIGIT SEVEN}"
LONGEST_STATE_DIR = "/" + "d" * (107 - len("/run/attachments.sock") - 1)

# table, key, written, understood
UNDERSTOOD: list[tuple[str, str, Any, Any]] = [
    ("server", "public_port", 1, 1),
    ("server", "public_port", 65535, 65535),
    ("server", "http_port", 0, 0),
    ("server", "http_port", 65535, 65535),
    ("workers", "ingress", 1, 1),
    ("spool", "deliveries", 256, 256),
    ("spool", "deadline", "1s", 1),
    ("spool", "deadline", "60s", 60),
    ("spool", "deadline", "1m", 60),
    ("spool", "retry_for", "36500d", 36500 * 86400),
    ("spool", "keep_parked", "forever", None),
    ("spool", "keep_parked", "2d", 172800),
    ("ingress", "signature_max_age", "26h", 93600),
    ("ingress", "max_body", "1kB", 1000),
    ("ingress", "max_body", "1KiB", 1024),
    ("ingress", "max_body", "2MB", 2_000_000),
    ("ingress", "max_body", "2MiB", 2_097_152),
    ("attachments", "vault_max_bytes", "3GB", 3_000_000_000),
    ("attachments", "vault_max_bytes", "3GiB", 3_221_225_472),
    ("attachments", "store", "", None),
    ("attachments", "store_timeout", "1s", 1),
    ("attachments", "store_timeout", "15s", 15),
    ("attachments", "store_region", "eu-central-1", "eu-central-1"),
    ("server", "min_free", "0GB", 0),
    ("server", "node", "n", "n"),
    ("server", "drain", "0s", 0),
    ("server", "drain", "1m", 60),
    ("server", "health_path", "/health", "/health"),
    ("server", "health_path", "/a/b-c.d_~", "/a/b-c.d_~"),
    ("server", "health_path", "", None),
    ("server", "node", "Gateway-1.example.com", "gateway-1.example.com"),
    ("server", "node", "n" * 64, "n" * 64),
    ("server", "public_address", "203.0.113.9", "203.0.113.9"),
    ("server", "public_address", "::", "[::]"),
    ("server", "public_address", "[2001:DB8:0::1]", "[2001:db8::1]"),
    ("server", "state_dir", LONGEST_STATE_DIR, None),
    ("motion", "url", "http://motion:8080/", "http://motion:8080"),
    ("motion", "url", "https://motion_app", "https://motion_app"),
    ("motion", "url", "https://192.0.2.1", "https://192.0.2.1"),
    ("motion", "attachment_path", "/{id}", "/{id}"),
    ("motion", "username", "", None),
    ("limits", "storage", "memory://", "memory://"),
    ("limits", "storage", "redis://127.0.0.1:6379/0", "redis://127.0.0.1:6379/0"),
    ("limits", "storage", "rediss://:pw@cache", "rediss://:pw@cache"),
    ("limits", "storage", "valkey://cache", "valkey://cache"),
    ("limits", "storage", "valkeys://cache", "valkeys://cache"),
    ("limits", "storage", "redis+sentinel://:p%40w@a,b:1/mymaster", "redis+sentinel://:p%40w@a,b:1/mymaster"),
    (
        "limits",
        "storage",
        "rediss+cluster://[::1]:1,[::2]?ssl_ca_certs=/c",
        "rediss+cluster://[::1]:1,[::2]?ssl_ca_certs=/c",
    ),
    ("limits", "sends_per_app", "off", None),
    ("spool", "lifeboat", "off", False),
    ("spool", "url", "postgresql:///gateway", "postgresql:///gateway"),
    ("spool", "url", "postgres://ana@a:1,[::1]:2/g?sslmode=require", "postgres://ana@a:1,[::1]:2/g?sslmode=require"),
    ("spool", "url", "postgresql:///g?host=/run/pg&port=1", "postgresql:///g?host=/run/pg&port=1"),
    ("attachments", "token_parameter", "t", "t"),
    ("attachments", "profile", "strict", "strict"),
    ("outbound", "foreign_media", "refuse", "refuse"),
    ("motion", "sign", "late", "late"),
    ("inbound", "media", "keep", "keep"),
    ("inbound", "wait", "10m", 600),
    ("inbound", "hosts", ["Media.Example.com", "*.sinch.com"], ("media.example.com", "*.sinch.com")),
    ("inbound", "hosts", ["127.0.0.1:8090", "http://[::1]:1"], ("127.0.0.1:8090", "http://[::1]:1")),
    ("inbound", "scan", "", None),
    ("inbound", "scan", "unix:/run/clamav/clamd.ctl", "unix:/run/clamav/clamd.ctl"),
    ("inbound", "scan", "tcp:[::1]:3310", "tcp:[::1]:3310"),
]

# table, key, written, part of what is said
REFUSED: list[tuple[str, str, Any, str]] = [
    ("server", "public_port", 0, "between 1 and 65535"),
    ("server", "public_port", 65536, "between 1 and 65535"),
    ("server", "public_port", -1, "between 1 and 65535"),
    ("server", "public_port", "443", "whole number"),
    ("server", "public_port", 443.0, "whole number"),
    ("server", "public_port", True, "whole number"),
    ("server", "public_port", float("inf"), "whole number"),
    ("server", "public_port", float("nan"), "whole number"),
    ("server", "public_port", 16**5000, "a very large number"),
    ("server", "public_port", datetime.date(2024, 1, 1), "whole number"),
    ("server", "public_port", [443], "whole number"),
    ("server", "public_port", {"a": 1}, "whole number"),
    ("server", "http_port", -1, "between 0 and 65535"),
    ("workers", "ingress", 0, "between 1 and 64"),
    ("workers", "ingress", 65, "between 1 and 64"),
    ("spool", "deliveries", 257, "between 1 and 256"),
    ("server", "sinch_names", "true", "true or false"),
    ("server", "sinch_names", 1, "true or false"),
    ("spool", "lifeboat", "yes", '"on" or "off"'),
    ("spool", "lifeboat", 1, '"on" or "off"'),
    ("spool", "deadline", "0s", "between 1s and 1m"),
    ("spool", "deadline", "61s", "between 1s and 1m"),
    ("spool", "retry_for", "36501d", "between 1s and 36500d"),
    ("spool", "retry_for", "forever", "a duration"),
    ("spool", "retry_for", 3, "a duration"),
    ("spool", "retry_for", "3", "a duration"),
    ("spool", "retry_for", "-3d", "a duration"),
    ("spool", "retry_for", "1.5d", "a duration"),
    ("spool", "retry_for", "3 d", "a duration"),
    ("spool", "retry_for", "3D", "a duration"),
    ("spool", "retry_for", "3d\n", "a duration"),
    ("spool", "retry_for", UNICODE_SEVEN + "d", "a duration"),
    ("spool", "retry_for", "9" * 5000 + "d", "a duration"),
    ("ingress", "max_body", "0kB", "between 1 and"),
    ("ingress", "max_body", "1mb", "a size"),
    ("ingress", "max_body", "1B", "a size"),
    ("ingress", "max_body", 1048576, "a size"),
    ("ingress", "max_body", UNICODE_SEVEN + "MB", "a size"),
    ("ingress", "max_body", "1000001GB", "between 1 and 1000000GB"),
    ("limits", "sends_per_app", "0/second", "a rate"),
    ("limits", "sends_per_app", "1/fortnight", "a rate"),
    ("limits", "sends_per_app", "1 per second", "a rate"),
    ("limits", "sends_per_app", "1/second;2/day", "a rate"),
    ("limits", "sends_per_app", UNICODE_SEVEN + "/second", "a rate"),
    ("limits", "sends_per_app", "9999999999/second", "a rate"),
    ("limits", "sends_per_app", 0, "a rate"),
    ("limits", "storage", "memcached://x", "memory://"),
    ("limits", "storage", "memory://x", "memory://"),
    ("limits", "storage", "redis://", "memory://"),
    ("server", "public_address", "localhost", "valid IP address"),
    ("server", "public_address", "256.0.0.1", "valid IP address"),
    ("server", "public_address", "127.1", "valid IP address"),
    ("server", "public_address", "fe80::1%eth0", "zone"),
    ("server", "public_address", "::ffff:192.0.2.1", 'write "192.0.2.1"'),
    ("server", "public_address", 3, "a text"),
    ("server", "public_url", "http://gateway.example.com", "must begin with https://"),
    ("server", "public_url", "https://gateway.example.com/x", "must have no path"),
    ("server", "public_url", "https://", "http or https URL"),
    ("server", "public_url", "https://gateway..example", "valid host"),
    ("server", "public_url", "https://-gateway.example", "valid host"),
    ("server", "public_url", "https://1.2.3", "valid IP address"),
    ("server", "public_url", "https://gäteway.example", "http or https URL"),
    ("server", "public_url", "https://gateway.example:0", "port between"),
    ("server", "public_url", "https://gateway.example:65536", "port between"),
    ("motion", "url", "ftp://motion", "http or https URL"),
    ("motion", "url", "https://user:pw@motion", "without user, password"),
    ("motion", "url", "https://motion/?a=b", "without user, password, query"),
    ("motion", "url", "https://motion/#x", "query and fragment"),
    ("motion", "url", "https://motion\n", "printable"),
    ("motion", "url", "https://motion/base", "must have no path"),
    ("motion", "attachment_path", "api/{id}", "begin with /"),
    ("motion", "attachment_path", "/api/id", "hold {id} exactly once"),
    ("motion", "attachment_path", "/{id}/{id}", "hold {id} exactly once"),
    ("motion", "attachment_path", "/{id}/{", "hold {id} exactly once"),
    ("motion", "attachment_path", "/{id}?x", "hold {id} exactly once"),
    ("motion", "attachment_path", "/../{id}", ". or .."),
    ("motion", "ca_file", "ca.pem", "absolute path"),
    ("motion", "username", "user:name", "user name without colons"),
    ("motion", "username", " user", "user name without colons"),
    ("server", "state_dir", "state", "absolute path"),
    ("server", "state_dir", "", "absolute path"),
    ("server", "state_dir", LONGEST_STATE_DIR + "d", "at most 86 bytes"),
    ("server", "state_dir", "/" + "é" * 43, "at most 86 bytes"),
    ("server", "state_dir", "/a b", "without blanks"),
    ("server", "state_dir", "/a/../b", "without blanks"),
    ("server", "node", "n" * 65, "1 to 64 letters"),
    ("server", "node", "-n", "1 to 64 letters"),
    ("server", "drain", "61s", "between 0s and 1m"),
    ("server", "health_path", "health", "a plain path"),
    ("server", "health_path", "/", "a plain path"),
    ("server", "health_path", "/a/", "a plain path"),
    ("server", "health_path", "/.a", "a plain path"),
    ("server", "health_path", "/a?b", "a plain path"),
    ("server", "health_path", "/media/up", "as Receive URLs and links do"),
    ("server", "health_path", "/api/attachments", "as Receive URLs and links do"),
    ("server", "health_path", "/api/whatsapp/accounts/7/notify", "as Receive URLs and links do"),
    ("server", "node", "node 1", "1 to 64 letters"),
    ("server", "node", "nö", "1 to 64 letters"),
    ("server", "node", "n\n", "printable"),
    ("server", "node", 1, "a text"),
    ("server", "certificate", "/a;b", "without blanks"),
    ("server", "certificate", "/a$b", "without blanks"),
    ("server", "acme_webroot", "/a\x00b", "printable"),
    ("acme", "directory", "letsencript", "off, letsencrypt, letsencrypt-staging or an https URL"),
    ("acme", "directory", "http://ca.example.com/acme", "or an https URL"),
    ("acme", "email", "admin", "an e-mail address"),
    ("acme", "eab_key", "not base64url!", "base64url"),
    ("motion", "sign", "never", '"as-sent" or "late" or "always"'),
    ("inbound", "media", "through it", '"pass" or "keep" or "through"'),
    ("inbound", "wait", "0s", "between 1s and 10m"),
    ("inbound", "wait", "11m", "between 1s and 10m"),
    ("inbound", "hosts", [], "must not be empty"),
    ("inbound", "scan", "/run/clamav/clamd.ctl", "must be unix: with a whole path"),
    ("inbound", "scan", "unix:clamd.ctl", "must be unix: with a whole path"),
    ("inbound", "scan", "tcp:127.0.0.1", "must be unix: with a whole path"),
    ("inbound", "scan_away", "wait", '"hold" or "let"'),
    ("limits", "storage", "redis://a,b", "must name one host"),
    ("limits", "storage", "redis+sentinel://a,b", "the name that the Sentinels have"),
    ("limits", "storage", "redis+cluster://a,b/0", "a cluster without"),
    ("limits", "storage", "redis+cluster://a,,b", "with commas between"),
    ("limits", "storage", "redis+cluster://a,[::1]", "apart from all others"),
    ("limits", "storage", "redis+cluster://a?db=1", "behind the ?"),
    ("limits", "storage", "redis+ring://a", "one of their kinds"),
    ("spool", "url", "postgresql://db", "the URL of a PostgreSQL"),
    ("spool", "url", "postgresql://db/", "the name of a database"),
    ("spool", "url", "mysql://db/gateway", "the URL of a PostgreSQL"),
    ("spool", "url", "postgresql://ana:pw@db/gateway", "must hold no password"),
    ("spool", "url", "postgresql://ana:@db/gateway", "must hold no password"),
    ("spool", "url", "postgresql://db/gateway?password=pw", "must hold no password"),
    ("spool", "url", "postgresql://db/gateway?passfile=/pw", "must hold no password"),
    ("spool", "url", "postgresql://db/gateway?target_session_attrs=any", "how to reach the server"),
    ("spool", "url", "postgresql://db/gateway?sslmode", "name=value"),
    ("spool", "url", "postgresql://db:123456/gateway", "the URL of a PostgreSQL"),
    ("spool", "url", "SQLite", '"sqlite"'),
    ("attachments", "token_parameter", "to-ken", "query parameter"),
    ("attachments", "store", "files", "s3:// with a bucket"),
    ("attachments", "store", "s3://Files", "s3:// with a bucket"),
    ("attachments", "store", "s3://files/", "s3:// with a bucket"),
    ("attachments", "store", "s3://files/../other", "s3:// with a bucket"),
    ("attachments", "store", "s3://key:secret@files", "s3:// with a bucket"),
    ("attachments", "store_url", "https://s3.internal/files", "no path"),
    ("attachments", "store_region", "eu central", "name of a region"),
    ("attachments", "store_key_id", "an id", "id of an access key"),
    ("attachments", "store_timeout", "16s", "between 1s and 15s"),
    ("attachments", "profile", "lenient", '"strict"'),
    ("outbound", "foreign_media", "Pass", '"pass" or "refuse"'),
]


def case(row: tuple[str, str, Any, Any]) -> Any:
    value = f"number of {row[2].bit_length()} bits" if isinstance(row[2], int) else repr(row[2])[:30]
    return pytest.param(*row, id=f"{row[0]}.{row[1]} = {value}")


@together(("table", "key", "written", "understood"), [case(row) for row in UNDERSTOOD])
def test_a_right_value_is_understood(table: str, key: str, written: object, understood: object) -> None:
    found = getattr(getattr(settings(**{table: {key: written}}), table), key)
    assert found == understood or (key == "state_dir" and str(found) == written)


@together(
    ("host", "said"),
    [
        ("*", "the end of host names"),
        ("*.com", "the end of host names"),
        ("https://media.example.com", "must be a host"),
        ("media.example.com/files", "must be a host"),
        ("http://media.example.com", "for a host on this machine"),
        ("media.example.com:0", "port between"),
    ],
)
def test_what_is_no_host_of_media_is_refused_with_its_place_in_the_list(host: str, said: str) -> None:
    found = problems(refusal(inbound={"hosts": ["*.sinch.com", host]}))
    assert list(found) == ["inbound.hosts[1]"]
    assert said in found["inbound.hosts[1]"]


@together(("table", "key", "written", "said"), [case(row) for row in REFUSED])
def test_a_wrong_value_is_refused_with_its_key(table: str, key: str, written: object, said: str) -> None:
    found = problems(refusal(**{table: {key: written}}))
    assert list(found) == [f"{table}.{key}"]
    assert said in found[f"{table}.{key}"]


@together(
    ("host", "name"),
    [
        pytest.param("Debian-12.example.com", "debian-12.example.com", id="as it is"),
        pytest.param("-Annas Büro.", "annasbro", id="with what no name holds"),
        pytest.param("\udcff", "node", id="nothing else"),
        pytest.param("n" * 63 + "." + "n", "n" * 63, id="too long"),
    ],
)
def test_a_node_is_called_as_its_host_whatever_that_is(host: str, name: str) -> None:
    assert fields.host_named(host) == name
    assert settings(server={"node": name}).server.node == name


@together(
    ("written", "remedy"),
    [
        pytest.param("10.0.0.1/8", 'write "10.0.0.0/8"', id="host bits"),
        pytest.param("fd00::1/8", 'write "fd00::/8"', id="host bits of IPv6"),
        pytest.param("10.0.0.0/33", "write an address or a network", id="a prefix too long"),
        pytest.param("10.0.0", "write an address or a network", id="three numbers"),
        pytest.param("10.0.0.0/255.0.0.0", "write an address or a network", id="a netmask"),
        pytest.param("motion.internal", "write an address or a network", id="a name"),
        pytest.param("", "write an address or a network", id="nothing"),
        pytest.param(7, "write an address or a network", id="a number"),
    ],
)
@together("key", ["outbound_clients", "trusted_proxies"])
def test_a_wrong_network_is_refused_by_its_place_in_the_list(key: str, written: object, remedy: str) -> None:
    found = problems(refusal(server={key: ["192.0.2.0/24", written]}))
    assert list(found) == [f"server.{key}[1]"]
    assert remedy in found[f"server.{key}[1]"]


def test_each_wrong_item_of_a_list_is_told() -> None:
    found = problems(refusal(server={"trusted_proxies": ["a", "192.0.2.1", "b"]}))
    assert list(found) == ["server.trusted_proxies[0]", "server.trusted_proxies[2]"]


@pytest.mark.parametrize(
    ("key", "written"),
    [
        ("connector_id", 1),
        ("connector_id", 999_999_999),
        ("name", "S"),
        ("name", "Ünterstützung 7"),
        ("name", "n" * 100),
        ("region", "us"),
        ("phone", "123456"),
        ("phone", "+123456789012345"),
        ("channels", ["INSTAGRAM"]),
        ("channels", ["WHATSAPP", "INSTAGRAM"]),
        ("app_id", "a" * 64),
    ],
)
def test_a_right_value_of_an_account_is_understood(key: str, written: object) -> None:
    found = settings(account=[account(**{key: written})]).accounts[0]
    assert getattr(found, key) == (tuple(written) if isinstance(written, list) else written)


def test_a_phone_number_is_shown_by_its_end_alone() -> None:
    found = settings(account=[account(phone="+123456789012345")])
    assert config.masked(found)["account"][0]["phone"] == "…345"
    assert "12345678" not in repr(found)


@together(
    ("key", "written"),
    [
        ("connector_id", 0),
        ("connector_id", 1_000_000_000),
        ("connector_id", "7"),
        ("connector_id", True),
        ("connector_id", 7.0),
        ("name", ""),
        ("name", " S"),
        ("name", "n" * 101),
        ("name", "a\nb"),
        ("region", "EU"),
        ("phone", "12345"),
        ("phone", "1234567890123456"),
        ("phone", "+39 0211"),
        ("phone", UNICODE_SEVEN * 8),
        ("phone", 390211111111),
        ("channels", []),
        ("channels", "WHATSAPP"),
        ("app_id", ""),
        ("app_id", "a" * 65),
        ("project_id", "…"),
        ("project_id", "a/b"),
        ("key_id", "a b"),
        ("unsigned", False),
    ],
)
def test_a_wrong_value_of_an_account_is_refused(key: str, written: object) -> None:
    assert f"account[0].{key}" in problems(refusal(account=[account(**{key: written})]))


def test_an_unknown_channel_is_refused_by_its_place() -> None:
    assert "account[0].channels[1]" in refusal(account=[account(channels=["WHATSAPP", "SMS"])])


HASH = f"scrypt:32768:8:1${'salt' * 4}${'0' * 128}"
WRONG_OF_A_USER = {
    "no name": ("name", ""),
    "a name with a blank": ("name", "an na"),
    "a name that begins with a sign": ("name", "-anna"),
    "a long name": ("name", "a" * 65),
    "markup": ("name", "<b>"),
    "another role": ("role", "admin"),
    "the password": ("password_hash", "correct horse battery"),
    "another method": ("password_hash", HASH.replace("scrypt:32768:8:1", "pbkdf2:sha256:1000000")),
    "cheaper": ("password_hash", HASH.replace("32768", "16384")),
    "dearer than memory is": ("password_hash", HASH.replace("32768", "1048576")),
    "cut": ("password_hash", HASH[:-1]),
    "a text for a switch": ("reveal", "yes"),
}


@pytest.mark.parametrize(("key", "written"), WRONG_OF_A_USER.values(), ids=WRONG_OF_A_USER)
def test_a_wrong_value_of_a_user_is_refused_and_a_hash_is_not_shown(key: str, written: object) -> None:
    said = refusal(user=[{"name": "anna", "password_hash": HASH, key: written}])
    assert f"user[0].{key}" in said
    assert key != "password_hash" or (str(written) not in said and "motion-gateway users hash" in said)


def test_a_user_looks_and_changes_nothing_where_nothing_else_is_said_and_his_hash_is_a_secret() -> None:
    found = settings(user=[{"name": "anna", "password_hash": HASH}])
    assert [(user.name, user.role, user.reveal) for user in found.users] == [("anna", "support", False)]
    assert "salt" not in config.rendered(found) + repr(found)
