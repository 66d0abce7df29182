"""Secrets: typed or in files, and never shown; and the environment on top of the file."""

from __future__ import annotations

import os
import re
import traceback
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gateway import config
from gateway.config import secrets
from gateway.config.problems import name as cut
from gateway.errors import SettingsError, Unauthorized
from tests.config_samples import ABSENT, account, document, problems, refusal, settings
from tests.together import together

KEY = "0123456789abcdef"
PLANTED = "pl4nted-Secret-0123456789"

# Every secret: its table and key, and whether it is a list.
SECRETS = [
    ("account", "key_secret", False),
    ("account", "webhook_secrets", True),
    ("account", "receive_token", False),
    ("motion", "password", False),
    ("motion", "api_key", False),
    ("attachments", "proxy_token", False),
    ("attachments", "token_keys", True),
    ("attachments", "store_key_secret", False),
    ("outbound", "gateway_key", False),
    ("ops", "password", False),
    ("spool", "password", False),
    ("sinch", "proxy_password", False),
    ("motion", "proxy_password", False),
    ("acme", "proxy_password", False),
]
PROXY = {"proxy": "http://127.0.0.1:3128", "proxy_username": "gateway"}
PARTNERS: dict[tuple[str, str], dict[str, Any]] = {
    ("account", "key_secret"): {"key_id": "key-1"},
    ("motion", "password"): {"username": "gateway"},
    ("ops", "password"): {"username": "operator"},
    ("attachments", "store_key_secret"): {
        "store": "s3://motion",
        "store_key_id": "gateway",
        "proxy_token": KEY,
    },
    ("spool", "password"): {"url": "postgresql:///gateway"},
    ("sinch", "proxy_password"): PROXY,
    ("motion", "proxy_password"): PROXY,
    ("acme", "proxy_password"): PROXY,
}
CHOSEN_BY_US = [
    ("account", "receive_token"),
    ("attachments", "proxy_token"),
    ("attachments", "token_keys"),
    ("outbound", "gateway_key"),
]


def tables(table: str, **keys: Any) -> dict[str, Any]:
    """`keys` in `table`, of one account where that is the table; ABSENT keys are left out."""
    return {"account": [account(**keys)]} if table == "account" else {table: keys}


def held(found: config.Settings, table: str, key: str) -> list[str]:
    secret = getattr(found.accounts[0] if table == "account" else getattr(found, table), key)
    return [one.get_secret_value() for one in (secret if isinstance(secret, tuple) else (secret,))]


def label(table: str, key: str) -> str:
    return f"account[0].{key}" if table == "account" else f"{table}.{key}"


def private(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    path.chmod(0o600)
    return path


NOTIFY = {("notify", "url"), ("notify", "ping_url")}


def test_the_table_of_secrets_is_whole() -> None:
    known = {
        (name, key.removesuffix("_file"))
        for name, model in config.TABLES.items()
        for key in config.keys(model)
        if key.endswith("_file") and not key.endswith("ca_file")
    }
    assert known == {(table, key) for table, key, _ in SECRETS} | {
        *NOTIFY,
        ("user", "password_hash"),
        ("acme", "eab_key"),
    }


@pytest.mark.parametrize("key", ["url", "ping_url"])
def test_a_url_that_somebody_waits_at_is_a_secret(tmp_path: Path, key: str) -> None:
    file = private(tmp_path / "url", f"https://hooks.example.com/{PLANTED}?x=1\n".encode())
    found = settings(notify={f"{key}_file": str(file)})
    assert held(found, "notify", key) == [f"https://hooks.example.com/{PLANTED}?x=1"]
    assert PLANTED not in config.rendered(found) + repr(found) + refusal(notify={key: f"{PLANTED}.example.com"})


@pytest.mark.parametrize(("table", "key", "many"), SECRETS)
def test_a_secret_comes_from_its_file_without_the_last_newline(
    tmp_path: Path, table: str, key: str, *, many: bool
) -> None:
    content, expected = (f"{PLANTED}\n{KEY}\n", [PLANTED, KEY]) if many else (f"{PLANTED}\n", [PLANTED])
    path = private(tmp_path / "secret", content.encode())
    keys = {f"{key}_file": str(path), **({"webhook_secrets": ABSENT} if key == "webhook_secrets" else {})}
    found = settings(**tables(table, **keys, **PARTNERS.get((table, key), {})))
    assert held(found, table, key) == expected
    assert found.warnings == ()


@pytest.mark.parametrize(("table", "key", "many"), SECRETS)
def test_a_secret_and_its_file_at_once_are_refused(tmp_path: Path, table: str, key: str, *, many: bool) -> None:
    path = private(tmp_path / "secret", KEY.encode())
    said = refusal(**tables(table, **{key: [PLANTED] if many else PLANTED, f"{key}_file": str(path)}))
    assert f"stands beside {label(table, key)} → write one of the two" in problems(said)[label(table, key) + "_file"]
    assert PLANTED not in said


@pytest.mark.parametrize(("table", "key", "many"), SECRETS)
@pytest.mark.parametrize("empty", ["the secret", "its file"])
def test_an_empty_text_is_no_secret_and_no_file(
    tmp_path: Path, table: str, key: str, *, many: bool, empty: str
) -> None:
    path = private(tmp_path / "secret", KEY.encode())
    typed = [KEY] if many else KEY
    nothing: Any = [] if many else ""
    keys = {key: nothing, f"{key}_file": str(path)} if empty == "the secret" else {key: typed, f"{key}_file": ""}
    assert held(settings(**tables(table, **keys, **PARTNERS.get((table, key), {}))), table, key) == [KEY]


@together(("table", "key", "many"), SECRETS)
@together(
    "wrong", [f"{PLANTED}\x00", f" {PLANTED}", f"{PLANTED}\n", f"\ufeff{PLANTED}", 7, {"x": PLANTED}, [[PLANTED]]]
)
def test_a_malformed_secret_is_refused_and_not_shown(table: str, key: str, wrong: Any, *, many: bool) -> None:
    said = refusal(**tables(table, **{key: [KEY, wrong] if many else wrong}))
    assert next(iter(problems(said))) == label(table, key) + ("[1]" if many else "")
    assert PLANTED not in said


@pytest.mark.parametrize(("table", "key"), CHOSEN_BY_US)
@pytest.mark.parametrize(("length", "fine"), [(15, False), (16, True)])
def test_what_is_chosen_for_us_has_16_characters(table: str, key: str, length: int, *, fine: bool) -> None:
    value: Any = [KEY[:length]] if key == "token_keys" else KEY[:length]
    if fine:
        assert held(settings(**tables(table, **{key: value})), table, key) == [KEY]
    else:
        assert "at least 16 characters" in refusal(**tables(table, **{key: value}))


@pytest.mark.parametrize(("length", "warned"), [(15, True), (16, False)])
def test_a_short_webhook_secret_is_a_warning(length: int, *, warned: bool) -> None:
    found = settings(account=[account(webhook_secrets=[KEY[:length]])])
    assert [KEY[:15] in warning for warning in found.warnings] == [False] * warned


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(None, "does not exist", id="missing"),
        pytest.param(b"", "empty", id="empty"),
        pytest.param(b"\n", "empty", id="a newline alone"),
        pytest.param(b"\xff\xfe" + PLANTED.encode(), "not UTF-8", id="not UTF-8"),
        pytest.param(PLANTED.encode() + b"\n\n", "control characters", id="two newlines"),
        pytest.param(PLANTED.encode() + b"\r\n", "control characters", id="a carriage return"),
        pytest.param(PLANTED.encode() + b" \n", "blank", id="a blank at its end"),
        pytest.param(PLANTED.encode() * 4000, "too large", id="too large"),
    ],
)
def test_a_file_that_holds_no_secret_is_named(tmp_path: Path, content: bytes | None, said: str) -> None:
    path = tmp_path / "secret"
    if content is not None:
        private(path, content)
    found = problems(refusal(ops={"username": "operator", "password_file": str(path)}))
    assert list(found) == ["ops.password_file"]
    assert said in found["ops.password_file"]
    assert cut(str(path)) in found["ops.password_file"]
    assert PLANTED not in found["ops.password_file"]


def test_a_directory_is_no_secret_file(tmp_path: Path) -> None:
    assert "other than a file" in refusal(ops={"username": "operator", "password_file": str(tmp_path)})


def test_an_empty_line_in_a_list_of_secrets_is_refused(tmp_path: Path) -> None:
    path = private(tmp_path / "keys", f"{KEY}\n\n{KEY}x\n".encode())
    assert (
        "must not be empty"
        in problems(refusal(attachments={"token_keys_file": str(path)}))["attachments.token_keys_file[1]"]
    )


def test_a_secret_typed_where_its_file_belongs_is_not_shown() -> None:
    said = refusal(ops={"username": "operator", "password_file": PLANTED})
    assert "must be an absolute path" in said
    assert PLANTED not in said


@pytest.mark.parametrize(("mode", "warned"), [(0o600, 0), (0o640, 1), (0o604, 1), (0o400, 0)])
def test_a_secret_file_that_others_may_read_is_a_warning(tmp_path: Path, mode: int, warned: int) -> None:
    path = private(tmp_path / "secret", PLANTED.encode())
    path.chmod(mode)
    found = settings(ops={"username": "operator", "password_file": str(path)})
    assert len(found.warnings) == warned
    assert all(cut(str(path)) in warning and PLANTED not in warning for warning in found.warnings)


def test_a_secret_that_cannot_be_read_raises_no_contradiction_on_top() -> None:
    found = problems(refusal(ops={"username": "operator", "password_file": "/nowhere/secret"}))
    assert list(found) == ["ops.password_file"]


def everything_with_a_secret() -> dict[str, Any]:
    return document(
        limits={"storage": f"redis://user:{PLANTED}@cache/0?password={PLANTED}"},
        motion={"username": "gateway", "password": PLANTED},
        attachments={"proxy_token": PLANTED, "token_keys": [PLANTED, PLANTED + "2"]},
        outbound={"gateway_key": PLANTED},
        ops={"username": "operator", "password": PLANTED},
        account=[account(key_id="k", key_secret=PLANTED, webhook_secrets=[PLANTED], receive_token=PLANTED)],
    )


def test_no_listing_of_the_settings_holds_a_secret() -> None:
    found = config.understand(everything_with_a_secret(), {})
    shown = [repr(found), str(found), str(config.masked(found)), config.rendered(found), found.model_dump_json()]
    shown += [repr(part) for part in (found.accounts[0], found.limits, found.motion, *found.warnings)]
    assert [text for text in shown if PLANTED in text] == []
    assert 'storage = "redis://***@cache/0"' in config.rendered(found)


@together(
    "spoiled",
    [
        pytest.param({"motion": {"url": f"https://user:{PLANTED}@motion"}}, id="a password in a URL"),
        pytest.param({"motion": {"url": f"https://motion?key={PLANTED}"}}, id="a query in a URL"),
        pytest.param({"motion": {"url": f"https://user:{PLANTED}"}}, id="a password in a URL without its host"),
        pytest.param({"motion": {"url": f"user:{PLANTED}@motion"}}, id="a password in a URL without its scheme"),
        pytest.param({"limits": {"storage": f"memcached://:{PLANTED}@cache"}}, id="a password in a storage"),
        pytest.param({"server": {"private_key": f"-----BEGIN KEY-----\n{PLANTED}"}}, id="the key for its file"),
        pytest.param({"server": {"public_port": {"password": PLANTED}}}, id="a table for a number"),
        pytest.param({"server": {"public_port": [PLANTED]}}, id="a list for a number"),
        pytest.param({"server": {"passwort": PLANTED}}, id="an unknown key"),
        pytest.param({"serverr": {"password": PLANTED}}, id="an unknown table"),
        pytest.param({"ops": PLANTED}, id="a text for a table"),
        pytest.param({"account": [account(webhook_secrets=PLANTED)]}, id="a text for a list"),
        pytest.param({"account": [PLANTED]}, id="a text for an account"),
        pytest.param({"attachments": {"token_parameter": f"={PLANTED}"}}, id="the token for its parameter"),
        pytest.param(
            {"account": [account(webhook_secrets=[PLANTED]), account(webhook_secrets=[PLANTED])]}, id="a secret twice"
        ),
    ],
)
def test_no_refusal_holds_a_secret(spoiled: dict[str, Any]) -> None:
    with pytest.raises(SettingsError) as caught:
        config.understand(everything_with_a_secret() | document(**spoiled), {})
    assert PLANTED not in "".join(traceback.format_exception(caught.value))


def test_a_model_filled_by_hand_tells_no_secret_either() -> None:
    with pytest.raises(ValidationError) as caught:
        config.Account.model_validate(account(webhook_secrets=f" {PLANTED}"))
    assert PLANTED not in "".join(traceback.format_exception(caught.value))


def test_a_static_secret_that_is_right_is_let_through() -> None:
    for secret in ("s", "ünïcode 👋", "x" * 10_000):
        secrets.require_equal(secret, expected=secret, reason="wrong")


@pytest.mark.parametrize("given_", ["", "s", "secret ", "Secret", "secret\n", "ünïcode", "\udc80", "secretsecret"])
def test_a_static_secret_that_is_wrong_is_refused_with_its_reason(given_: str) -> None:
    with pytest.raises(Unauthorized) as caught:
        secrets.require_equal(given_, expected="secret", reason="token wrong")
    assert caught.value.reason == "token wrong"


@pytest.mark.parametrize("expected", [["b", "a"], ["a", "b"], ["a"]], ids=["last", "first", "alone"])
def test_one_of_several_secrets_is_enough(expected: list[str]) -> None:
    secrets.require_one_of("a", expected=expected, reason="wrong")


@pytest.mark.parametrize("expected", [[], ["b"], ["b", "aa", ""]])
def test_none_of_several_secrets_is_refused_with_its_reason(expected: list[str]) -> None:
    with pytest.raises(Unauthorized, match="wrong"):
        secrets.require_one_of("a", expected=expected, reason="wrong")


def test_the_environment_is_judged_even_where_the_file_has_no_table() -> None:
    found = problems(refusal({"MOTION_GATEWAY_SERVER__PUBLIC_PORT": "0"}, server=3))
    assert list(found) == ["server", "MOTION_GATEWAY_SERVER__PUBLIC_PORT"]


@pytest.mark.parametrize(
    ("name", "value", "table", "key", "understood"),
    [
        ("SERVER__PUBLIC_PORT", "8443", "server", "public_port", 8443),
        ("SERVER__PUBLIC_URL", "https://other.example", "server", "public_url", "https://other.example"),
        ("SERVER__SINCH_NAMES", "No", "server", "sinch_names", False),
        ("OUTBOUND__ALLOW_TEMPLATES", "yes", "outbound", "allow_templates", True),
        ("OUTBOUND__ALLOW_TEMPLATES", "1", "outbound", "allow_templates", True),
        ("OUTBOUND__ALLOW_TEMPLATES", "FALSE", "outbound", "allow_templates", False),
        ("SPOOL__RETRY_FOR", "2d", "spool", "retry_for", 172800),
        ("SPOOL__KEEP_PARKED", "forever", "spool", "keep_parked", None),
        ("INGRESS__MAX_BODY", "2MiB", "ingress", "max_body", 2_097_152),
        ("LIMITS__SENDS_PER_APP", "off", "limits", "sends_per_app", None),
        ("MOTION__USERNAME", "", "motion", "username", None),
    ],
)
def test_the_environment_overrides_a_scalar(name: str, value: str, table: str, key: str, understood: object) -> None:
    found = settings({f"MOTION_GATEWAY_{name}": value}, server={"public_port": 1443})
    assert getattr(getattr(found, table), key) == understood


@together(
    ("name", "value", "said"),
    [
        ("SERVER__PUBLIC_PORT", "0", "between 1 and 65535"),
        ("SERVER__PUBLIC_PORT", "443.0", "whole number"),
        ("SERVER__PUBLIC_PORT", "", "whole number"),
        ("SERVER__PUBLIC_PORT", "٤٤٣", "whole number"),
        ("SERVER__PUBLIC_PORT", "9" * 5000, "whole number"),
        ("SERVER__PUBLIC_PORT", "\udcff", "whole number"),
        ("SERVER__PUBLIC_URL", "\udcff", "printable"),
        ("SERVER__SINCH_NAMES", "perhaps", "true or false"),
        ("SERVER__TRUSTED_PROXIES", "192.0.2.1", "lists come from the file alone"),
        ("ATTACHMENTS__TOKEN_KEYS", PLANTED, "lists come from the file alone"),
        ("SERVER__PUBLIC_PROT", "1", "did you mean MOTION_GATEWAY_SERVER__PUBLIC_PORT?"),
        ("SERVER_PUBLIC_PORT", "1", "did you mean MOTION_GATEWAY_SERVER__PUBLIC_PORT?"),
        ("server__public_port", "1", "did you mean MOTION_GATEWAY_SERVER__PUBLIC_PORT?"),
        ("NONSENSE", PLANTED, "names no setting"),
        ("SERVER__\x1b[2J", "1", "names no setting"),
        ("ACCOUNT__NAME", PLANTED, "write accounts into the settings file"),
        ("OPS__PASSWORD", f" {PLANTED}", "blank"),
        ("SPOOL__KEEP_DELIVERED", "1h", "must be longer than"),
    ],
)
def test_what_the_environment_gets_wrong_names_the_variable(name: str, value: str, said: str) -> None:
    message = refusal({f"MOTION_GATEWAY_{name}": value})
    message.encode()
    found = problems(message)
    assert list(found) == [f"MOTION_GATEWAY_{name}".replace("\x1b", "\ufffd")]
    assert said in message
    assert PLANTED not in message


def test_names_that_are_no_settings_are_passed_over() -> None:
    environ = {"MOTION_GATEWAY_CONFIG": "x", "MOTION_GATEWAY_DOOR": "ingress", "PATH": "/bin", "MOTION_GATEWAYS": "x"}
    assert settings(environ) == settings()


@pytest.mark.parametrize("in_file", ["password", "password_file"])
def test_a_secret_in_the_environment_replaces_both_spellings_of_the_file(in_file: str) -> None:
    found = settings({"MOTION_GATEWAY_OPS__PASSWORD": PLANTED}, ops={"username": "operator", in_file: "/nowhere"})
    assert held(found, "ops", "password") == [PLANTED]


def test_a_secret_file_may_be_named_in_the_environment(tmp_path: Path) -> None:
    path = private(tmp_path / "keys", f"{KEY}\n{KEY}2\n".encode())
    found = settings({"MOTION_GATEWAY_ATTACHMENTS__TOKEN_KEYS_FILE": str(path)}, attachments={"token_keys": [PLANTED]})
    assert held(found, "attachments", "token_keys") == [KEY, f"{KEY}2"]


def test_both_spellings_in_the_environment_are_refused() -> None:
    said = refusal({"MOTION_GATEWAY_OPS__PASSWORD": PLANTED, "MOTION_GATEWAY_OPS__PASSWORD_FILE": "/nowhere"})
    assert "stands beside MOTION_GATEWAY_OPS__PASSWORD" in said


def test_the_environment_is_a_copy() -> None:
    assert config.environment() == dict(os.environ)
    assert config.environment() is not config.environment()


keys = st.sampled_from(sorted({key for model in config.TABLES.values() for key in config.keys(model)})) | st.text(
    max_size=12
)
scalars = (
    st.none().map(lambda nothing: "")
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=30)
    | st.dates()
    | st.datetimes()
    | st.times()
    | st.sampled_from(["1s", "25h", "forever", "off", "1MiB", "[::]", "0.0.0.0", "eu", "allow", "https://a.example"])
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3), max_leaves=8
)
anything = st.dictionaries(st.sampled_from(sorted(config.TABLES)) | st.text(max_size=8), values, max_size=6)
shaped = st.fixed_dictionaries(
    {},
    optional={
        name: st.lists(st.dictionaries(keys, values, max_size=6), max_size=3)
        if name == "account"
        else st.dictionaries(st.sampled_from(config.keys(model)), values, max_size=6)
        for name, model in config.TABLES.items()
    },
)
variables = st.dictionaries(
    st.tuples(st.sampled_from(sorted(config.TABLES)), keys).map(
        lambda pair: "MOTION_GATEWAY_{}__{}".format(*pair).upper()
    )
    | st.text(max_size=8).map(lambda text: f"MOTION_GATEWAY_{text}"),
    st.text(max_size=20) | st.sampled_from(["1", "true", "\udcff"]),
    max_size=4,
)


def understood(given_document: dict[str, Any], environ: dict[str, str]) -> config.Settings | SettingsError:
    try:
        return config.understand(given_document, environ)
    except SettingsError as error:
        return error


@given(anything | shaped, variables)
def test_any_document_ends_in_settings_or_in_settings_error(
    given_document: dict[str, Any], environ: dict[str, str]
) -> None:
    outcome = understood(document(**given_document), environ)
    told = str(outcome) if isinstance(outcome, SettingsError) else config.rendered(outcome)
    told.encode()


@given(
    st.lists(st.sampled_from(SECRETS), min_size=1, max_size=4),
    st.sampled_from([lambda text: text, lambda text: [text], lambda text: {"x": text}, lambda text: f"{text}\n"]),
    shaped,
)
def test_no_planted_secret_is_ever_told(places: list[tuple[str, str, bool]], wrap: Any, base: dict[str, Any]) -> None:
    planted = document(**base)
    for table, key, _ in places:
        target = planted.get(table)
        part = target[0] if table == "account" and target else target
        if isinstance(part, dict):
            part[key] = wrap(PLANTED)
    outcome = understood(planted, {})
    if isinstance(outcome, SettingsError):
        told = "".join(traceback.format_exception(outcome))
    else:
        told = repr(outcome) + str(outcome) + str(config.masked(outcome))
    assert PLANTED not in told


@given(st.binary(max_size=200))
def test_any_bytes_of_a_secret_file_end_in_settings_or_in_settings_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = private(tmp_path_factory.mktemp("secret") / "secret", content)
    try:
        found = settings(ops={"username": "operator", "password_file": str(path)})
        assert held(found, "ops", "password") == [content.decode().removesuffix("\n")]
    except SettingsError:
        assert not re.fullmatch(rb"[!-~]+\n?", content)
