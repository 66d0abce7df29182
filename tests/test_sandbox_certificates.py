"""The certificates of the sandbox: who believes them, and who can read their keys."""

from __future__ import annotations

import contextlib
import datetime
import socket
import ssl
import threading
from pathlib import Path

import pytest

from sandbox import certificates
from sandbox.certificates import Files

LONG_AGO = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)


def refusal(files: Files, host: str, *, context: ssl.SSLContext | None = None) -> str:
    """Why a client that trusts the CA does not believe the server, empty where it does."""
    ours, theirs = socket.socketpair()

    def serve() -> None:
        with contextlib.suppress(OSError), theirs:
            (context or files.context()).wrap_socket(theirs, server_side=True).close()

    serving = threading.Thread(target=serve)
    serving.start()
    strict = ssl.create_default_context(cafile=files.ca)
    strict.verify_flags |= ssl.VERIFY_X509_STRICT  # as Python 3.13 is by default
    try:
        with ours:
            strict.wrap_socket(ours, server_hostname=host).close()
    except ssl.SSLCertVerificationError as error:
        return error.verify_message
    finally:
        serving.join()
    return ""


@pytest.mark.parametrize("host", ["gateway.example.test", "127.0.0.1"])
def test_who_trusts_the_authority_believes_the_server_by_each_of_its_names(tmp_path: Path, host: str) -> None:
    files = certificates.issue(tmp_path, "gateway.example.test", "127.0.0.1")
    assert refusal(files, host) == ""
    assert "mismatch" in refusal(files, "other.example.test")


def test_a_certificate_that_has_ended_is_not_believed(tmp_path: Path) -> None:
    files = certificates.issue(tmp_path, "localhost", begins=LONG_AGO, ends=LONG_AGO + datetime.timedelta(days=1))
    assert refusal(files, "localhost") == "certificate has expired"


def test_an_authority_of_the_same_name_is_another_one(tmp_path: Path) -> None:
    files = certificates.issue(tmp_path, "localhost")
    namesake = certificates.authority("Motion Gateway sandbox CA", path_length=0)
    assert refusal(files, "localhost", context=certificates.made("x", namesake, names=["localhost"]).context())


def test_a_key_is_for_its_owner_alone_and_never_replaced(tmp_path: Path) -> None:
    files = certificates.issue(tmp_path, "localhost")
    assert files.private_key.stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError):
        certificates.write_secret(files.private_key, b"")
