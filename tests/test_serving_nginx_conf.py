"""The nginx configuration: what may be written into it, and that nginx takes it."""

from __future__ import annotations

import datetime
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from gateway import certs, config, errors, paths
from gateway.cli import group
from gateway.config import Settings
from gateway.diagnosis import exposure
from gateway.errors import CommandError
from gateway.serving import nginx_conf
from tests.examples import some
from tests.together import together

File = Callable[..., Path]


@pytest.fixture
def understood(settings_file: File) -> Callable[..., Settings]:
    """Settings whose certificate is there."""

    def load(attachments: dict[str, Any] | None = None, **server: Any) -> Settings:
        found = config.load(settings_file(server=server, attachments=attachments or {}), {})
        pair = certs.self_signed([found.server.public_host], now=datetime.datetime.now(datetime.UTC))
        certs.store(pair, certificate=found.server.certificate, private_key=found.server.private_key)
        return found

    return load


QUOTED = {
    "a word": ("word", '"word"'),
    "blanks": ("a b", '"a b"'),
    "signs of the language": ("a;{}#'", '"a;{}#\'"'),
    "beyond ASCII": ("zürich", '"zürich"'),
    "a path": (Path("/etc/tls"), '"/etc/tls"'),
    "nothing": ("", '""'),
}
UNQUOTABLE = {"a quote": '"', "a backslash": "\\", "a variable": "$host", "a line break": "a\nb", "a zero": "\0"}


@pytest.mark.parametrize(("value", "written"), QUOTED.values(), ids=QUOTED)
def test_quoted_is(value: object, written: str) -> None:
    assert nginx_conf.quoted(value) == written


@together("value", UNQUOTABLE.values(), ids=UNQUOTABLE)
@together("frame", ["{}", "a{}", "{}b", "a{}b"])
def test_refused_is(value: str, frame: str) -> None:
    with pytest.raises(CommandError, match="cannot be written into an nginx configuration"):
        nginx_conf.quoted(frame.format(value))


@given(st.text())
def test_any_text_is_one_word_or_refused(text: str) -> None:
    try:
        written = nginx_conf.quoted(text)
    except CommandError:
        return
    assert written[0] == written[-1] == '"'
    assert written[1:-1] == text
    assert not set('"\\$\n') & set(text)


SERVERS: dict[str, dict[str, Any]] = {
    "the defaults": {},
    "IPv4 alone": {"public_address": "0.0.0.0", "ops_address": "127.0.0.1"},
    "IPv6 alone": {"public_address": "[2001:db8::1]", "ops_address": "[::1]"},
    "other ports": {"public_url": "https://gateway.example.com:8443", "public_port": 8443, "http_port": 8080},
    "no plain HTTP": {"http_port": 0},
    "balancers in front": {"trusted_proxies": ["10.0.0.0/8", "2001:db8::/32", "192.0.2.7"]},
    "an address for a name": {"public_url": "https://192.0.2.1"},
    "an IPv6 address for a name": {"public_url": "https://[2001:db8::1]"},
    "a name in capitals": {"public_url": "https://Gateway.Example.COM"},
    "the longest name": {"public_url": "https://" + ".".join(["a" * 61] * 4) + ".abc"},
}


def nginx_says(configuration: Path) -> str:
    command = ("nginx", "-t", "-q", "-e", "stderr", "-p", str(configuration.parent), "-c", str(configuration))
    return subprocess.run(command, capture_output=True, text=True).stderr


@pytest.mark.parametrize("server", SERVERS.values(), ids=SERVERS)
def test_nginx_accepts(understood: Callable[..., Settings], server: dict[str, Any]) -> None:
    settings = understood(**server)
    said = nginx_says(nginx_conf.write(settings))
    # -t opens the ports too: what another program or a missing address keeps from us is not the configuration's fault.
    assert [line for line in said.splitlines() if "bind() to" not in line and "test failed" not in line] == []


OTHERS = {
    "that ask for what nobody tells": "{{ of_the_next_release }}",
    "that call for a filter nobody has": "{{ server | of_the_next_release }}",
    "that cannot be read": "{% of_the_next_release %}",
}


@pytest.mark.parametrize("text", OTHERS.values(), ids=OTHERS)
def test_templates_of_another_release_are_refused_in_words(understood: Callable[..., Settings], text: str) -> None:
    with pytest.raises(CommandError, match="of another release than this process: restart the gateway"):
        nginx_conf.configuration(understood(), template=lambda _name: text)


LINKS: dict[str, dict[str, Any]] = {
    "Motion's": {"proxy_token": "a proxy token of tests"},
    "minted": {"token_keys": ["a key of some length"]},
    "both": {"proxy_token": "a proxy token of tests", "token_keys": ["a key of some length"]},
    "under another path": {"proxy_token": "a proxy token of tests", "public_path": "/a.b~c-d_e/f{id}.g"},
    "under another name": {"proxy_token": "a proxy token of tests", "token_parameter": "Key_2"},
}


@pytest.mark.parametrize("links", LINKS.values(), ids=LINKS)
@pytest.mark.parametrize("state", ["state", "s-1.2~3"])
def test_nginx_accepts_links(
    understood: Callable[..., Settings], tmp_path: Path, links: dict[str, Any], state: str
) -> None:
    settings = understood(links, state_dir=str(tmp_path / state))
    said = nginx_says(nginx_conf.write(settings))
    assert [line for line in said.splitlines() if "bind() to" not in line and "test failed" not in line] == []


PRIVATE: dict[str, Any] = {
    "public_address": "192.0.2.1",
    "outbound_clients": ["10.0.0.9", "10.1.0.0/16", "fd00::/8"],
    "outbound_names": ["gateway.internal", "gateway.internal", "gw_1.lan"],
}
DOORS: dict[str, dict[str, Any]] = {
    "a name": PRIVATE,
    "the address alone": PRIVATE | {"outbound_names": []},
    "an IPv6 address": PRIVATE | {"outbound_address": "[fd00::5]"},
    "every client, and one of them twice": PRIVATE
    | {"outbound_clients": ["0.0.0.0/0", "::/0", "10.0.0.9", "10.0.0.9"]},
    "the longest name": PRIVATE | {"outbound_names": [".".join(["a" * 61] * 4) + ".abc"]},
}


@pytest.fixture
def private(understood: Callable[..., Settings], settings_file: File) -> Callable[..., Settings]:
    """Settings of a private door; its certificate is there, and has to be its own for Sinch's names."""
    public = understood().server
    pair = {"outbound_certificate": str(public.certificate), "outbound_private_key": str(public.private_key)}

    def load(**server: Any) -> Settings:
        return config.load(settings_file(server=pair | server, attachments=LINKS["minted"]), {})

    return load


FORMS: dict[str, dict[str, Any]] = {
    "an address of ours": {},
    "Sinch's names": {"sinch_names": True},
    "both on one port": {"sinch_names": True, "outbound_port": 443},
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("server", some(DOORS.values(), 2), ids=some(DOORS, 2))
def test_nginx_accepts_a_private_door(
    private: Callable[..., Settings], server: dict[str, Any], form: dict[str, Any]
) -> None:
    said = nginx_says(nginx_conf.write(private(**server, **form)))
    assert [line for line in said.splitlines() if "bind() to" not in line and "test failed" not in line] == []


def served(settings: Settings) -> dict[tuple[str, tuple[str, ...]], list[str]]:
    """Where the private door's servers lead, by where they listen and by their names."""
    [http] = exposure.directives(nginx_conf.configuration(settings)).all("http")
    ours = [server for server in http.all("server") if server.all("set_real_ip_from")]
    return {
        (server.all("listen")[0].arguments[0], server.all("server_name")[0].arguments): [
            passed.arguments[0] for location in server.all("location") for passed in location.all("proxy_pass")
        ]
        for server in ours
    }


BASE = ("127.0.0.1", "gateway.internal", "gw_1.lan")
SINCH = {
    ("eu.conversation.api.sinch.com",): ["http://motion_gateway_outbound/eu$request_uri"],
    ("us.conversation.api.sinch.com",): ["http://motion_gateway_outbound/us$request_uri"],
    ("auth.sinch.com",): ["http://motion_gateway_outbound$request_uri"],
}
WHERE: dict[str, tuple[dict[str, Any], dict[tuple[str, tuple[str, ...]], list[str]]]] = {
    "nobody may come": ({"outbound_clients": []}, {}),
    "an address of ours": (
        {},
        {("127.0.0.1:8444", BASE): ["http://motion_gateway_outbound$request_uri"], ("127.0.0.1:8444", ("_",)): []},
    ),
    "Sinch's names too": (
        {"sinch_names": True},
        {
            ("127.0.0.1:8444", BASE): ["http://motion_gateway_outbound$request_uri"],
            ("127.0.0.1:8444", ("_",)): [],
            ("127.0.0.1:443", ("_",)): [],
            **{("127.0.0.1:443", names): led for names, led in SINCH.items()},
        },
    ),
    "both on one port": (
        {"sinch_names": True, "outbound_port": 443},
        {
            ("127.0.0.1:443", BASE): ["http://motion_gateway_outbound$request_uri"],
            ("127.0.0.1:443", ("_",)): [],
            **{("127.0.0.1:443", names): led for names, led in SINCH.items()},
        },
    ),
}


@pytest.mark.parametrize(("server", "led"), WHERE.values(), ids=WHERE)
def test_the_private_door_is_where_and_by_the_names_that_the_settings_say(
    private: Callable[..., Settings], server: dict[str, Any], led: dict[tuple[str, tuple[str, ...]], list[str]]
) -> None:
    assert served(private(**PRIVATE | server)) == led


def test_the_private_door_shows_its_own_certificate_or_the_public_one(settings_file: File) -> None:
    links = LINKS["minted"]
    pair = {"outbound_certificate": "/tls/private.pem", "outbound_private_key": "/tls/private-key.pem"}
    for own, count in (({}, 0), (pair, 2)):
        text = nginx_conf.configuration(config.load(settings_file(server=PRIVATE | own, attachments=links), {}))
        assert text.count('ssl_certificate "/tls/private.pem";') == count
        assert text.count('ssl_certificate_key "/tls/private-key.pem";') == count


def test_connections_rest_with_the_first_door_and_there_alone_a_request_is_passed_to_another(
    settings_file: File,
) -> None:
    text = nginx_conf.configuration(config.load(settings_file(server=PRIVATE, attachments=LINKS["both"]), {}))
    [http] = exposure.directives(text).all("http")
    assert [each.arguments for each in http.all("upstream") if each.has("keepalive")] == [("motion_gateway_ingress",)]
    passed = re.findall(r"proxy_pass http://motion_gateway_(\w+).*?proxy_next_upstream ([a-z_ ]+);", text, re.DOTALL)
    others = {(door, "off") for door in ("attachments", "outbound", "ops")}
    assert {*passed} == {("ingress", "error non_idempotent"), *others}


def test_the_private_door_is_waited_for_longer_than_for_motion_and_sinch_together(settings_file: File) -> None:
    settings = config.load(settings_file(server=PRIVATE, attachments=LINKS["minted"], motion={"timeout": "45s"}), {})
    assert nginx_conf.configuration(settings).count("proxy_read_timeout 120s;") == 1


def test_what_nginx_refuses_at_the_private_door_are_words_of_the_door_itself(settings_file: File) -> None:
    text = nginx_conf.configuration(config.load(settings_file(server=PRIVATE, attachments=LINKS["minted"]), {}))
    for refused in nginx_conf.refusals():
        written = refused.body.decode().replace("'", "\\'")
        assert text.count(f"return {refused.status} '{written}';") == 2
    assert str(2**20) in text


def test_without_a_private_door_nothing_of_it_is_written(settings_file: File) -> None:
    text = nginx_conf.configuration(config.load(settings_file(server={"outbound_names": ["gateway.internal"]}), {}))
    for word in ("gateway.internal", "/refused/HOST_NOT_ALLOWED {", "8444", "sinch.com", "messages:send"):
        assert word not in text


LITERALS = {"plain": ("a b", "'a b'"), "quotes": ('it\'s "so"', "'it\\'s \"so\"'"), "backslash": ("a\\", "'a\\\\'")}


@pytest.mark.parametrize(("text", "written"), LITERALS.values(), ids=LITERALS)
def test_a_literal_is(text: str, written: str) -> None:
    assert nginx_conf.literal(text) == written


@pytest.mark.parametrize("text", ["$host", "a\nb", "\0"])
def test_a_literal_that_would_be_more_than_itself_is_refused(text: str) -> None:
    with pytest.raises(CommandError):
        nginx_conf.literal(text)


def locations(settings: Settings) -> list[str]:
    main = exposure.directives(nginx_conf.configuration(settings))
    [http] = main.all("http")
    return [location.arguments[-1] for server in http.all("server") for location in server.all("location")]


@pytest.mark.parametrize(
    ("links", "there"),
    [
        ({}, (False, False, False)),
        (LINKS["Motion's"], (True, False, True)),
        (LINKS["minted"], (False, True, True)),
        (LINKS["both"], (True, True, True)),
    ],
    ids=["none", "Motion's", "minted", "both"],
)
def test_only_links_that_are_there_lead_anywhere(
    settings_file: File, links: dict[str, Any], there: tuple[bool, bool, bool]
) -> None:
    settings = config.load(settings_file(attachments=links), {})
    places = locations(settings)
    assert (
        "^/api/attachments/[1-9][0-9]{0,11}/download$" in places,
        any(place.startswith("^/media/[") for place in places),
        "/media/vault/" in places,
    ) == there
    assert ("/media/***" in nginx_conf.configuration(settings)) is there[1]
    assert not [word for word in links.get("token_keys", [links.get("proxy_token", "?")]) if word in places]


PLACES = {
    "the default": ("/api/attachments/{id}/download", "/api/attachments/7/download"),
    "with dots": ("/a.b/{id}", "/a.b/7"),
    "with all signs": ("/A.~_-/x{id}.bin", "/A.~_-/x7.bin"),
}


@pytest.mark.parametrize(("path", "example"), PLACES.values(), ids=PLACES)
def test_the_path_of_links_stands_for_itself_alone(settings_file: File, path: str, example: str) -> None:
    links = {**LINKS["Motion's"], "public_path": path}
    settings = config.load(settings_file(attachments=links), {})
    [pattern] = [place for place in locations(settings) if place.startswith(("^/a", "^/A")) and "whatsapp" not in place]
    assert re.search(pattern, example)
    others = [
        example.replace(".", "x", 1),
        example.upper(),
        example.lower(),
        f"/{example}",
        f"{example}/",
        f"x{example}",
        example.replace("7", "07"),
        example.replace("7", ""),
        example.replace("7", "7" * 13),
        example.replace("7", "x"),
    ]
    assert [other for other in others if other != example and re.search(pattern, other)] == []


@given(st.from_regex(r"(/[0-9A-Za-z._~-]{1,9}){1,3}", fullmatch=True))
def test_any_path_of_links_is_one_pattern_that_fits_it(path: str) -> None:
    written = nginx_conf.quoted_pattern("^" + path.replace(".", "[.]") + "$")
    assert re.fullmatch(written[1:-1], path)


@pytest.mark.parametrize("pattern", ["^a$b$", 'a"', "a\\b", "$host"])
def test_a_pattern_with_signs_of_the_language_is_refused(pattern: str) -> None:
    with pytest.raises(CommandError):
        nginx_conf.quoted_pattern(pattern)


def test_the_door_is_waited_for_longer_than_it_waits_for_motion(settings_file: File) -> None:
    text = nginx_conf.configuration(
        config.load(settings_file(attachments=LINKS["both"], motion={"timeout": "45s"}), {})
    )
    assert text.count("proxy_read_timeout 75s;") == 2


def test_a_door_hears_of_a_link_and_of_nothing_else_that_came_with_it(settings_file: File) -> None:
    text = nginx_conf.configuration(config.load(settings_file(attachments=LINKS["both"]), {}))
    for said in ("proxy_pass_request_headers off;", "proxy_pass_request_body off;", "client_max_body_size 1;"):
        assert text.count(said) == 2


def test_nginx_would_say_what_is_wrong(understood: Callable[..., Settings]) -> None:
    path = nginx_conf.write(understood())
    path.write_text(path.read_text().replace("server_tokens off", "server_tokens perhaps"))
    assert "perhaps" in nginx_says(path)


def test_only_proxies_that_are_trusted_may_name_the_client(understood: Callable[..., Settings]) -> None:
    text = nginx_conf.configuration(understood(trusted_proxies=["10.0.0.0/8", "192.0.2.7"]))
    assert "set_real_ip_from 10.0.0.0/8;" in text
    assert "set_real_ip_from 192.0.2.7" in text
    assert text.count("real_ip_header X-Forwarded-For;") == 2  # our name, and every other


def test_a_balancer_that_speaks_the_proxy_protocol_is_asked_for_the_client(understood: Callable[..., Settings]) -> None:
    text = nginx_conf.configuration(understood(trusted_proxies=["10.0.0.0/8"], proxy_protocol=True))
    assert text.count("real_ip_header proxy_protocol;") == 2
    assert text.count(" ssl http2 proxy_protocol") + text.count(" ssl proxy_protocol") == 4


def test_without_balancers_nobody_may_name_the_client(settings_file: File) -> None:
    text = nginx_conf.configuration(config.load(settings_file(), {}))
    assert "real_ip" not in text


@pytest.mark.parametrize(("port", "count"), [(0, 0), (80, 4)], ids=["off", "on"])
def test_plain_http_is_there_only_where_it_is_wanted(settings_file: File, port: int, count: int) -> None:
    text = nginx_conf.configuration(config.load(settings_file(server={"http_port": port}), {}))
    plain = [line for line in text.splitlines() if line.strip().startswith("listen") and "ssl" not in line]
    assert len(plain) == count
    assert ("acme-challenge" in text) is bool(count)


def test_every_listener_has_one_server_for_every_other_name(settings_file: File) -> None:
    text = nginx_conf.configuration(config.load(settings_file(), {}))
    lines = [line.split() for line in text.splitlines() if line.strip().startswith("listen")]
    places = {line[1].rstrip(";") for line in lines}
    assert {
        place: sum(line[1].rstrip(";") == place and "default_server;" in line for line in lines) for place in places
    } == dict.fromkeys(places, 1)


def test_refusals_of_nginx_are_those_of_the_doors(settings_file: File) -> None:
    text = nginx_conf.configuration(config.load(settings_file(), {}))
    for status in (404, 413, 415, 416, 429, 503):
        assert f"return {status} '{errors.body(status).decode()}';" in text


def test_what_cannot_be_written_is_refused_before_anything_is(settings_file: File) -> None:
    settings = config.load(settings_file(), {})
    server = settings.server.model_copy(update={"acme_webroot": Path('/var/"; include /etc/passwd;')})
    with pytest.raises(CommandError):
        nginx_conf.write(settings.model_copy(update={"server": server}))
    assert not (paths.run(settings) / "nginx.conf").exists()


def test_the_command_writes_what_was_rendered(settings_file: File, tmp_path: Path) -> None:
    path = settings_file()
    result = CliRunner().invoke(
        group, ["--config", str(path), "nginx", "render", "--to", str(tmp_path / "out" / "deep")]
    )
    written = tmp_path / "out" / "deep" / "nginx.conf"
    assert (result.exit_code, result.stdout) == (0, f"Wrote {written}.\n")
    assert written.read_text() == nginx_conf.configuration(config.load(path, {}))


def test_the_command_says_where_it_cannot_write(settings_file: File, tmp_path: Path) -> None:
    (tmp_path / "nginx.conf").mkdir()
    result = CliRunner().invoke(group, ["--config", str(settings_file()), "nginx", "render", "--to", str(tmp_path)])
    assert isinstance(result.exception, CommandError)
    assert str(result.exception) == f"{tmp_path / 'nginx.conf'} cannot be written: Is a directory"


def test_people_are_told_by_a_page_at_the_ops_listener_alone(settings_file: File) -> None:
    text = nginx_conf.configuration(config.load(settings_file(attachments=LINKS["both"], server={"http_port": 80}), {}))
    before, _, ops = text.partition("# The office.")
    assert "<!doctype html>" not in before
    for status in (404, 413, 429, 503):
        assert ops.count(f"return {status} '{errors.page(status)}';") == 1
        assert ops.count(f"return {status} '{errors.body(status).decode()}';") == 1
