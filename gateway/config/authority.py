"""The settings of the authority that certificates come from by ACME: how each is read, and what it needs."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import PlainSerializer, PlainValidator, SecretStr

from gateway.config import addresses, fields, kinds, table

_default = table.default
# Those that are called by a name; the second one is for trying things out.
DIRECTORIES = {
    "letsencrypt": "https://acme-v02.api.letsencrypt.org/directory",
    "letsencrypt-staging": "https://acme-staging-v02.api.letsencrypt.org/directory",
}
OFF = "off"
# What it needs, in the words of who misses it.
ASKS_AT_80 = "must not be 0 while acme.directory is set: the authority asks at port 80 for proof of the name"
ONE_FOLDER = "must be in one folder with server.certificate while acme.directory is set: both are exchanged at once"
NEEDS = ("acme.directory", "server.http_port", "server.certificate", "server.private_key")

_REMEDY = 'write "letsencrypt", or the URL of another authority\'s directory such as "https://ca.example.com/acme"'
_COPY = "copy it from the authority as it is"
_BASE64URL = re.compile(r"[0-9A-Za-z_-]{16,1024}={0,2}")
_blank = PlainSerializer(lambda value: value or "")


def directory(value: object) -> str:
    """Read which authority it is: none, one that has a name here, or the URL of its directory."""
    written = fields.text(value, remedy=_REMEDY)
    if written in (OFF, *DIRECTORIES):
        return written
    if not written.startswith("https://"):
        raise fields.malformed(f"must be {', '.join((OFF, *DIRECTORIES))} or an https URL", _REMEDY)
    return addresses.hook(written)


def binding_key(value: object) -> SecretStr:
    """Read the key that binds an account to one that is there already (RFC 8555, 7.3.4), as it is given."""
    key = kinds.secret()(value)
    if not _BASE64URL.fullmatch(key.get_secret_value()):
        raise fields.malformed("must be base64url: letters, digits, - and _", _COPY)
    return key


Directory = Annotated[str, PlainValidator(directory)]
Email = Annotated[
    str | None,
    PlainValidator(
        fields.optional(
            fields.matching(
                r"[0-9A-Za-z._+-]{1,64}@[0-9A-Za-z.-]{1,190}",
                "must be an e-mail address",
                'write one such as "admin@example.com", or leave the key out',
            )
        )
    ),
    _blank,
]
BindingId = Annotated[
    str | None,
    PlainValidator(fields.optional(fields.matching(r"[!-~]{1,256}", "must be the id of a key", _COPY))),
    _blank,
]
BindingKey = Annotated[
    SecretStr | None, PlainValidator(fields.optional(binding_key)), PlainSerializer(kinds.stars), kinds.Hidden()
]


class AcmeSettings(table.Table):
    directory: Directory = _default(OFF)
    terms_agreed: kinds.Switch = _default(written=False)
    email: Email = _default(None)
    names: kinds.HostNames = _default(())
    eab_key_id: BindingId = _default(None)
    eab_key: BindingKey = _default(None)
    ca_file: kinds.FileOrNone = _default(None)
    proxy: kinds.ProxyUrl = _default(None)
    proxy_username: kinds.User = _default(None)
    proxy_password: kinds.Secret = _default(None)

    @property
    def is_wanted(self) -> bool:
        """Whether the certificate of the public address comes from an authority by itself."""
        return self.directory != OFF

    @property
    def url(self) -> str:
        """The URL of the authority's directory, where one is wanted."""
        return DIRECTORIES.get(self.directory, self.directory)
