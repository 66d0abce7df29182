"""The settings: one frozen model per table of `gateway.toml`, named as the keys there.

A field's kind says how it is read and written; defaults are spelled as in the file, and remedies show the examples.
"""

from __future__ import annotations

from pydantic import Field

from gateway.config import addresses, authority, kinds, media, table
from gateway.config.table import Table as Table  # it is asked for here

_required, _default = table.required, table.default
AttachmentsSettings = media.AttachmentsSettings


class ServerSettings(Table):
    public_url: kinds.PublicUrl = _required("https://gateway.example.com")
    public_address: kinds.IpAddress = _default("[::]")
    public_port: kinds.Port = _default(443)
    http_port: kinds.PortOrOff = _default(80)
    outbound_address: kinds.IpAddress = _default("127.0.0.1")
    outbound_port: kinds.Port = _default(8444)
    outbound_clients: kinds.Networks = _default(())
    outbound_names: kinds.HostNames = _default(())
    outbound_certificate: kinds.FileOrNone = _default(None)
    outbound_private_key: kinds.FileOrNone = _default(None)
    sinch_names: kinds.Switch = _default(written=False)
    ops_address: kinds.IpAddress = _default("127.0.0.1")
    ops_port: kinds.Port = _default(9443)
    trusted_proxies: kinds.Networks = _default(())
    proxy_protocol: kinds.Switch = _default(written=False)
    state_dir: kinds.StateDir = _default("/var/lib/motion-gateway")
    certificate: kinds.File = _default("/etc/motion-gateway/tls/fullchain.pem")
    private_key: kinds.File = _default("/etc/motion-gateway/tls/privkey.pem")
    acme_webroot: kinds.File = _default("/var/www/acme")
    min_free: kinds.SizeOrNone = _default("2GB")
    node: kinds.Node = _default("")
    drain: kinds.Drain = _default("0s")
    health_path: kinds.HealthPath = _default(None)

    @property
    def has_outbound(self) -> bool:
        """Whether there is a door for Motion's calls to Sinch."""
        return bool(self.outbound_clients)

    @property
    def outbound_origin(self) -> str:
        """The URL under which Motion reaches that door: by its first name, or by its address where it has none."""
        host = (*self.outbound_names, self.outbound_address)[0]
        return f"https://{host}" if self.outbound_port == 443 else f"https://{host}:{self.outbound_port}"

    @property
    def public_host(self) -> str:
        """The only host name the public door answers to, in lower case; IPv6 in brackets."""
        return addresses.host(self.public_url)

    @property
    def public_authority(self) -> str:
        """The public host, with its port where that is not 443."""
        port = addresses.port(self.public_url)
        return self.public_host if port == 443 else f"{self.public_host}:{port}"

    @property
    def public_origin(self) -> str:
        """The public URL in its one canonical spelling."""
        return f"https://{self.public_authority}"


class WorkersSettings(Table):
    ingress: kinds.Workers = _default(1)
    attachments: kinds.Workers = _default(1)
    outbound: kinds.Workers = _default(1)


class IngressSettings(Table):
    signature_max_age: kinds.Duration = _default("25h")
    max_body: kinds.Size = _default("1MiB")


class SpoolSettings(Table):
    url: kinds.SpoolUrl = _default("sqlite")
    password: kinds.Secret = _default(None)
    deliveries: kinds.Deliveries = _default(16)
    deadline: kinds.Deadline = _default("30s")
    retry_for: kinds.Duration = _default("3d")
    lifeboat: kinds.OnOff = _default(written=False)
    keep_delivered: kinds.Duration = _default("7d")
    keep_rejected: kinds.Duration = _default("7d")
    keep_parked: kinds.DurationOrForever = _default("forever")


class LimitsSettings(Table):
    storage: kinds.Storage = Field(default="memory://", repr=False)  # a Redis address may hold a password
    webhooks_per_account: kinds.Rate = _default("200/second")
    failed_signatures_per_address: kinds.Rate = _default("30/minute")
    fetches_per_attachment: kinds.Rate = _default("120/minute")
    downloads_per_address: kinds.Rate = _default("300/minute")
    unknown_tokens_per_address: kinds.Rate = _default("30/minute")
    sends_per_app: kinds.Rate = _default("off")
    calls_per_project: kinds.Rate = _default("800/second")
    failed_sign_ins_per_address: kinds.Rate = _default("20/minute")
    failed_sign_ins_per_name: kinds.Rate = _default("10/minute")


class MotionSettings(Table):
    url: kinds.MotionUrl = _required("https://motion.internal")
    ca_file: kinds.FileOrNone = _default(None)
    username: kinds.User = _default(None)
    password: kinds.Secret = _default(None)
    api_key: kinds.Secret = _default(None)
    timeout: kinds.Duration = _default("20s")
    attachment_path: kinds.LinkPath = _default("/api/attachments/{id}/download")
    max_attachment: kinds.Size = _default("25MB")
    proxy: kinds.ProxyUrl = _default(None)
    proxy_username: kinds.User = _default(None)
    proxy_password: kinds.Secret = _default(None)
    sign: media.Sign = _default("as-sent")


class OutboundSettings(Table):
    vault_credentials: kinds.Switch = _default(written=False)
    gateway_key: kinds.Key = _default(None)
    foreign_media: kinds.ForeignMedia = _default("pass")
    window: kinds.Window = _default("tell")
    allow_templates: kinds.Switch = _default(written=False)
    allow_management: kinds.Switch = _default(written=False)


class OpsSettings(Table):
    username: kinds.User = _default(None)
    password: kinds.Secret = _default(None)
    names: kinds.HostNames = _default(())
    session_idle: kinds.Duration = _default("1h")
    session_ttl: kinds.Duration = _default("12h")


class SinchSettings(Table):
    eu: kinds.SinchUrl = _default("https://eu.conversation.api.sinch.com")
    us: kinds.SinchUrl = _default("https://us.conversation.api.sinch.com")
    auth: kinds.SinchUrl = _default("https://auth.sinch.com")
    ca_file: kinds.FileOrNone = _default(None)
    proxy: kinds.ProxyUrl = _default(None)
    proxy_username: kinds.User = _default(None)
    proxy_password: kinds.Secret = _default(None)


class NotifySettings(Table):
    command: kinds.Command = _default("")
    url: kinds.Hook = _default(None)
    ping_url: kinds.Hook = _default(None)


class Account(Table):
    connector_id: kinds.ConnectorId = _required(7)
    name: kinds.Name = _required("Support")
    region: kinds.Region = _required("eu")
    project_id: kinds.PlainId = _required("01234567-89ab-cdef-0123-456789abcdef")
    app_id: kinds.PlainId = _required("01ABCDEFGHJKMNPQRSTVWXYZ01")
    key_id: kinds.PlainIdOrNone = _default(None)
    key_secret: kinds.Secret = _default(None)
    webhook_secrets: kinds.Secrets = _default(())
    unsigned: kinds.Unsigned = _default("refuse")
    receive_token: kinds.Key = _default(None)
    phone: kinds.Phone = Field(None, repr=False)
    channels: kinds.Channels = _default(("WHATSAPP",))
    inbound_media: media.OwnMedia = _default("")


class User(Table):
    name: kinds.UserName = _required("anna")
    role: kinds.Role = _default("support")
    password_hash: kinds.PasswordHash = _default(None)
    reveal: kinds.Switch = _default(written=False)


class Settings(Table):
    """Everything the gateway was told, proved by `load`; `warnings` are sentences for the operator."""

    server: ServerSettings
    motion: MotionSettings
    accounts: tuple[Account, ...]
    workers: WorkersSettings = WorkersSettings()
    ingress: IngressSettings = IngressSettings()
    spool: SpoolSettings = SpoolSettings()
    limits: LimitsSettings = LimitsSettings()
    attachments: AttachmentsSettings = AttachmentsSettings()
    inbound: media.InboundSettings = media.InboundSettings()
    outbound: OutboundSettings = OutboundSettings()
    ops: OpsSettings = OpsSettings()
    sinch: SinchSettings = SinchSettings()
    notify: NotifySettings = NotifySettings()
    acme: authority.AcmeSettings = authority.AcmeSettings()
    users: tuple[User, ...] = ()
    warnings: tuple[str, ...] = ()
    file: str = ""  # that holds it; "" where none does

    def media_of(self, account: Account) -> media.Media:
        """Say what becomes of the files that its customers send in: its own word, or that of all."""
        return account.inbound_media or self.inbound.media

    @property
    def signs_anew(self) -> bool:
        """Whether some of what Motion gets is signed by the gateway."""
        return self.motion.sign != "as-sent" or self.brings_through

    @property
    def brings_through(self) -> bool:
        """Whether Motion gets links of ours to files that customers send in, for some account."""
        return any(self.media_of(account) == "through" for account in self.accounts)

    @property
    def has_vault(self) -> bool:
        """Whether files are kept: those that links lead to, or that customers send in."""
        return self.attachments.has_links or self.fetches

    @property
    def fetches(self) -> bool:
        """Whether files that customers send in are fetched for some account."""
        return any(self.media_of(account) != "pass" for account in self.accounts)


MANY = {"account": "accounts", "user": "users"}  # that come once for each, and the fields that hold them all
TABLES: dict[str, type[Table]] = {
    "server": ServerSettings,
    "motion": MotionSettings,
    **{name: type(field.default) for name, field in Settings.model_fields.items() if isinstance(field.default, Table)},
    "account": Account,
    "user": User,
}


def hidden(table: type[Table]) -> dict[str, kinds.Hidden]:
    """List the secrets of a table, by key."""
    marks = ((name, mark) for name, field in table.model_fields.items() for mark in field.metadata)
    return {name: mark for name, mark in marks if isinstance(mark, kinds.Hidden)}


def keys(table: type[Table]) -> tuple[str, ...]:
    """List every key a table takes, `<secret>_file` included, in the order of the contract."""
    return tuple(
        key for name in table.model_fields for key in ((name, f"{name}_file") if name in hidden(table) else (name,))
    )


def examples(table: type[Table]) -> dict[str, str | int]:
    """Show one valid value for each required key of a table."""
    return {name: field.examples[0] for name, field in table.model_fields.items() if field.examples}
