-- What a new spool on PostgreSQL begins with: the tables as revision 0011 has them on SQLite. There was no spool here before
-- that; from 0012 on revisions are made for both.
--
-- It is released, and frozen, as each revision is: what shall be otherwise is another one.

CREATE TABLE attachment (
    attachment_id TEXT COLLATE "C" NOT NULL,
    digest BYTEA,
    size_bytes BIGINT NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    inspection TEXT COLLATE "C",
    inspected_by TEXT COLLATE "C" NOT NULL,
    acquired_at FLOAT,
    stored BOOLEAN NOT NULL,
    live_until FLOAT NOT NULL,
    first_fetched_at FLOAT,
    last_fetched_at FLOAT,
    fetches BIGINT NOT NULL,
    revoked_before BIGINT,
    failure TEXT COLLATE "C" NOT NULL,
    failure_status BIGINT NOT NULL,
    failure_digest BYTEA,
    failed_at FLOAT,
    PRIMARY KEY (attachment_id)
);

CREATE INDEX attachment_stored ON attachment (digest) WHERE stored;

CREATE TABLE audit (
    id BIGSERIAL NOT NULL,
    at FLOAT NOT NULL,
    action TEXT COLLATE "C" NOT NULL,
    who TEXT COLLATE "C" NOT NULL,
    login TEXT COLLATE "C" NOT NULL,
    account TEXT COLLATE "C" NOT NULL,
    about TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (id)
);

CREATE INDEX audit_at ON audit (at);

CREATE TABLE event (
    id BIGSERIAL NOT NULL,
    connector_id BIGINT NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    key BYTEA NOT NULL,
    original BOOLEAN NOT NULL,
    lane TEXT COLLATE "C" NOT NULL,
    contact_id TEXT COLLATE "C" NOT NULL,
    identity TEXT COLLATE "C" NOT NULL,
    request_id TEXT COLLATE "C" NOT NULL,
    address TEXT COLLATE "C" NOT NULL,
    headers TEXT COLLATE "C" NOT NULL,
    query TEXT COLLATE "C" NOT NULL,
    body BYTEA NOT NULL,
    body_digest BYTEA NOT NULL,
    accepted_at FLOAT NOT NULL,
    repeats BIGINT NOT NULL,
    tries BIGINT NOT NULL,
    failures BIGINT NOT NULL,
    failing_since FLOAT,
    deaths BIGINT NOT NULL,
    outcome TEXT COLLATE "C" NOT NULL,
    settled_at FLOAT,
    findings TEXT COLLATE "C" DEFAULT '' NOT NULL,
    history TEXT COLLATE "C" DEFAULT '' NOT NULL,
    PRIMARY KEY (id)
);

CREATE UNIQUE INDEX event_original ON event (connector_id, key) WHERE original;
CREATE INDEX event_pending ON event (lane, id) WHERE state = 'pending';
CREATE INDEX event_settled ON event (state, settled_at);

CREATE TABLE heard (
    contact_id TEXT COLLATE "C" NOT NULL,
    identity TEXT COLLATE "C" NOT NULL,
    connector_id BIGINT NOT NULL,
    at FLOAT NOT NULL,
    PRIMARY KEY (contact_id, identity, connector_id)
);

CREATE INDEX heard_identity ON heard (identity);

CREATE TABLE history (
    id BIGSERIAL NOT NULL,
    at FLOAT NOT NULL,
    oldest_seconds FLOAT,
    counts TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (id)
);

CREATE TABLE lane (
    lane TEXT COLLATE "C" NOT NULL,
    first_event BIGINT NOT NULL,
    due_at FLOAT NOT NULL,
    claimed_event BIGINT,
    leased_until FLOAT,
    PRIMARY KEY (lane)
)
 WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);

CREATE INDEX lane_due ON lane (due_at);
CREATE INDEX lane_first ON lane (first_event);

CREATE TABLE nonce (
    connector_id BIGINT NOT NULL,
    nonce TEXT COLLATE "C" NOT NULL,
    body_digest BYTEA NOT NULL,
    event_id BIGINT NOT NULL,
    seen_at FLOAT NOT NULL,
    PRIMARY KEY (connector_id, nonce)
);

CREATE INDEX nonce_seen ON nonce (seen_at);

CREATE TABLE report (
    event_id BIGINT NOT NULL,
    connector_id BIGINT NOT NULL,
    message_id TEXT COLLATE "C" NOT NULL,
    correlation_id TEXT COLLATE "C" NOT NULL,
    status TEXT COLLATE "C" NOT NULL,
    code TEXT COLLATE "C" NOT NULL,
    sub_code TEXT COLLATE "C" NOT NULL,
    channel_code TEXT COLLATE "C" NOT NULL,
    channel TEXT COLLATE "C" NOT NULL,
    reported_at FLOAT NOT NULL,
    description TEXT COLLATE "C" DEFAULT '' NOT NULL,
    PRIMARY KEY (event_id)
);

CREATE INDEX report_correlation ON report (correlation_id, connector_id) WHERE correlation_id != '';
CREATE INDEX report_message ON report (message_id, connector_id);
CREATE INDEX report_reported ON report (reported_at);

CREATE TABLE send (
    id BIGSERIAL NOT NULL,
    reference TEXT COLLATE "C" NOT NULL,
    connector_id BIGINT NOT NULL,
    app_id TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    contact_id TEXT COLLATE "C" NOT NULL,
    identity TEXT COLLATE "C" NOT NULL,
    correlation_id TEXT COLLATE "C" NOT NULL,
    request_id TEXT COLLATE "C" NOT NULL,
    attachments TEXT COLLATE "C" NOT NULL,
    outcome TEXT COLLATE "C" NOT NULL,
    status BIGINT,
    code TEXT COLLATE "C" NOT NULL,
    message_id TEXT COLLATE "C" NOT NULL,
    tries BIGINT NOT NULL,
    started_at FLOAT NOT NULL,
    ended_at FLOAT,
    words TEXT COLLATE "C" DEFAULT '' NOT NULL,
    "window" TEXT COLLATE "C" DEFAULT '' NOT NULL,
    heard_at FLOAT,
    PRIMARY KEY (id)
);

CREATE INDEX send_message ON send (message_id, connector_id) WHERE message_id != '';
CREATE UNIQUE INDEX send_reference ON send (reference);
CREATE INDEX send_started ON send (started_at);
CREATE INDEX send_unanswered ON send (connector_id, correlation_id) WHERE outcome IN ('sending', 'unknown');

CREATE TABLE session (
    digest BYTEA NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    proof BYTEA NOT NULL,
    began_at FLOAT NOT NULL,
    seen_at FLOAT NOT NULL,
    PRIMARY KEY (digest)
);

CREATE TABLE trouble (
    finding TEXT COLLATE "C" NOT NULL,
    about TEXT COLLATE "C" NOT NULL,
    reason TEXT COLLATE "C" NOT NULL,
    since FLOAT NOT NULL,
    PRIMARY KEY (finding, about)
);

CREATE TABLE turned_away (
    door TEXT COLLATE "C" NOT NULL,
    reason TEXT COLLATE "C" NOT NULL,
    about TEXT COLLATE "C" NOT NULL,
    address TEXT COLLATE "C" NOT NULL,
    count BIGINT NOT NULL,
    first_at FLOAT NOT NULL,
    last_at FLOAT NOT NULL,
    PRIMARY KEY (door, reason, about)
);

CREATE TABLE alembic_version (
    version_num VARCHAR(32) NOT NULL,
    CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);

INSERT INTO alembic_version (version_num) VALUES ('0011');
