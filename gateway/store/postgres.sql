-- What is said otherwise to PostgreSQL than to SQLite: by the name that it has in `sqlite.sql`, for the same values, and
-- with the same rows back. Why it is there stands in that file; here, if need be, why it is another one.
--
-- A value is of the type that its place asks for: one that has no such place, or may be NULL there, is CAST.


-- Before a transaction, and at its end: gateway/store/remote.py

-- name: hold_lanes
-- Whoever else changes one of these waits until we are done, and sees then what we did: ids of its events come in the
-- order in which they are committed, and none is overlooked by who takes the lane away. In one order, whoever asks: two
-- who wait for each other would wait for ever. A row that is there is locked, and stays the row that it is; those that
-- were made to be held are told.
INSERT INTO lane (lane, first_event, due_at)
SELECT wanted, 0, 0.0 FROM unnest(CAST(:lanes AS text[])) AS wanted ORDER BY wanted COLLATE "C"
ON CONFLICT (lane) DO UPDATE SET first_event = lane.first_event WHERE FALSE
RETURNING lane

-- name: let_go_lanes
-- Of those that were made to be held, who waits for nothing.
DELETE FROM lane WHERE lane = ANY(CAST(:lanes AS text[])) AND first_event = 0


-- Taking a callback in: gateway/ingress/intake.py

-- name: line_up
-- A lane that was made to be held, with no event yet, is its first one's.
INSERT INTO lane (lane, first_event, due_at) VALUES (:lane, :event_id, 0.0)
ON CONFLICT (lane) DO UPDATE
SET due_at = 0.0, first_event = CASE lane.first_event WHEN 0 THEN excluded.first_event ELSE lane.first_event END
WHERE lane.first_event = 0 OR (
    lane.due_at > 0.0 AND lane.claimed_event IS NULL
    AND (SELECT failures FROM event WHERE id = lane.first_event) >= 5
)

-- name: file_events
-- Of all that it reads it sees one instant, which is after their lanes were held: so whoever files the same in the same
-- lane has done so, or waits. Who files it in another makes this fail, as a unique key has it.
WITH given AS MATERIALIZED (
    SELECT nextval('event_id_seq') AS id, told.* FROM unnest(
        CAST(:connector_id AS bigint[]), CAST(:kind AS text[]), CAST(:key AS bytea[]), CAST(:lane AS text[]),
        CAST(:contact_id AS text[]), CAST(:identity AS text[]), CAST(:request_id AS text[]), CAST(:address AS text[]),
        CAST(:headers AS text[]), CAST(:query AS text[]), CAST(:body AS bytea[]), CAST(:body_digest AS bytea[]),
        CAST(:findings AS text[]), CAST(:nonce AS text[]), CAST(:accepted_at AS double precision[]),
        CAST(:opens_window AS boolean[]), CAST(:message_id AS text[]), CAST(:correlation_id AS text[]),
        CAST(:status AS text[]), CAST(:code AS text[]), CAST(:sub_code AS text[]), CAST(:channel_code AS text[]),
        CAST(:channel AS text[]), CAST(:description AS text[]), CAST(:media AS bigint[])
    ) WITH ORDINALITY AS told (
        connector_id, kind, key, lane, contact_id, identity, request_id, address, headers, query, body, body_digest,
        findings, nonce, accepted_at, opens_window, message_id, correlation_id, status, code, sub_code, channel_code,
        channel, description, media, place
    )
    WHERE (SELECT 1 FROM nonce WHERE nonce.connector_id = told.connector_id AND nonce.nonce = told.nonce) IS NULL
        AND (
            SELECT 1 FROM event WHERE event.connector_id = told.connector_id AND event.key = told.key AND original
        ) IS NULL
), filed AS (
    INSERT INTO event (
        id, connector_id, state, kind, key, original, lane, contact_id, identity, request_id, address, headers, query,
        body, body_digest, accepted_at, repeats, tries, failures, deaths, outcome, findings, media
    )
    SELECT id, connector_id, 'pending', kind, key, TRUE, lane, contact_id, identity, request_id, address, headers,
        query, body, body_digest, accepted_at, 0, 0, 0, 0, '', findings, media
    FROM given
), noted AS (
    INSERT INTO nonce (connector_id, nonce, body_digest, event_id, seen_at)
    SELECT connector_id, nonce, body_digest, id, accepted_at FROM given WHERE nonce IS NOT NULL
), lined_up AS (
    UPDATE lane
    SET due_at = 0.0, first_event = CASE lane.first_event WHEN 0 THEN first.id ELSE lane.first_event END
    FROM (SELECT lane, min(id) AS id FROM given GROUP BY lane) AS first
    WHERE lane.lane = first.lane AND (
        lane.first_event = 0 OR (
            lane.due_at > 0.0 AND lane.claimed_event IS NULL
            AND (SELECT failures FROM event WHERE event.id = lane.first_event) >= 5
        )
    )
), heard_of AS (
    INSERT INTO heard (contact_id, identity, connector_id, at)
    SELECT contact_id, identity, connector_id, max(accepted_at) FROM given WHERE opens_window
    GROUP BY contact_id, identity, connector_id
    ON CONFLICT (contact_id, identity, connector_id) DO UPDATE SET at = excluded.at WHERE excluded.at > heard.at
), reported AS (
    INSERT INTO report (
        event_id, connector_id, message_id, correlation_id, status, code, sub_code, channel_code, channel, description,
        reported_at
    )
    SELECT id, connector_id, message_id, correlation_id, status, code, sub_code, channel_code, channel, description,
        accepted_at
    FROM given WHERE message_id IS NOT NULL
)
SELECT place, id FROM given


-- Delivering: gateway/delivery/claims.py. Whoever changes a lane holds its row first; whoever looks at its events does so
-- in a statement after that, which sees what was committed before the row was his. Who takes any lane that is free passes
-- by those that somebody is at, and so never waits: what he holds already nobody waits for in turn.

-- name: due_lanes
-- In the order of an index, and each event looked up by itself, until there are enough: whatever is known, or not, of how
-- many rows there are.
SELECT first_event, head.connector_id, head.kind
FROM lane LEFT JOIN LATERAL (SELECT connector_id, kind FROM event WHERE id = lane.first_event LIMIT 1) AS head ON TRUE
WHERE due_at <= :due_by AND claimed_event IS NULL AND NOT suspect
    AND coalesce((
        SELECT bool_or(CAST(scope ->> 0 AS bigint) = head.connector_id AND scope ->> 1 IN ('', head.kind))
        FROM json_array_elements(CAST(:excepted AS json)) AS scope
    ), FALSE) = FALSE
ORDER BY first_event LIMIT :most

-- name: due_lanes_of
-- As above.
SELECT first_event
FROM lane LEFT JOIN LATERAL (SELECT connector_id, kind FROM event WHERE id = lane.first_event LIMIT 1) AS head ON TRUE
WHERE due_at <= :due_by AND claimed_event IS NULL
    AND (CAST(:connector_id AS bigint) IS NULL OR head.connector_id = :connector_id)
    AND (CAST(:kind AS text) = '' OR head.kind = :kind)
ORDER BY due_at LIMIT :most

-- name: take_lanes
WITH free AS (
    SELECT lane FROM lane
    WHERE first_event = ANY (ARRAY(SELECT CAST(json_array_elements_text(CAST(:firsts AS json)) AS bigint)))
        AND claimed_event IS NULL AND due_at <= :due_by
    FOR UPDATE SKIP LOCKED
)
UPDATE lane
SET claimed_event = first_event, courier = :courier, claim = :claim, leased_until = :leased_until
FROM free WHERE lane.lane = free.lane
RETURNING lane.lane, first_event

-- name: claim_firsts
UPDATE event SET tries = tries + 1
WHERE id IN (
    SELECT (SELECT id FROM event WHERE event.lane = lane.lane AND state = 'pending' ORDER BY id LIMIT 1)
    FROM lane
    WHERE first_event = ANY (ARRAY(SELECT CAST(json_array_elements_text(CAST(:firsts AS json)) AS bigint))) AND claim = :claim
)
RETURNING
    headers, id, lane, connector_id, kind, request_id, address, query, body, accepted_at, tries, failures, failing_since

-- name: settle_at_once
-- What it sees was committed before the lane was held.
WITH settled AS (
    UPDATE event SET state = :state, outcome = :outcome, settled_at = greatest(:now, accepted_at)
    WHERE id = :event_id AND state = 'pending' AND EXISTS (SELECT 1 FROM lane WHERE lane = :lane AND claim = :claim)
),
following AS (
    SELECT id FROM event WHERE lane = :lane AND state = 'pending' AND id != :event_id ORDER BY id LIMIT 1
),
advanced AS (
    UPDATE lane
    SET first_event = following.id, due_at = :now, claimed_event = NULL, courier = NULL, claim = NULL,
        leased_until = NULL, suspect = FALSE
    FROM following WHERE lane.lane = :lane AND claim = :claim RETURNING 1
),
dropped AS (
    DELETE FROM lane WHERE lane = :lane AND claim = :claim AND NOT EXISTS (SELECT 1 FROM following) RETURNING 1
)
SELECT EXISTS (SELECT 1 FROM advanced) OR EXISTS (SELECT 1 FROM dropped)

-- name: postpone_event
UPDATE event
SET outcome = :outcome, failures = :failures, failing_since = :failing_since, deaths = 0,
    history = right(history || CAST(:told AS text), CAST(:most_told AS integer))
WHERE id = :event_id AND state = 'pending' AND EXISTS (SELECT 1 FROM lane WHERE lane = :lane AND claim = :claim)

-- name: hurry_lanes
WITH waiting AS (SELECT lane FROM lane WHERE due_at > :now AND claimed_event IS NULL FOR UPDATE SKIP LOCKED)
UPDATE lane SET due_at = :now FROM waiting WHERE lane.lane = waiting.lane

-- name: parked_at
SELECT state, settled_at FROM event
WHERE id IN (SELECT CAST(json_array_elements_text(CAST(:ids AS json)) AS bigint)) AND state = 'parked'

-- name: revive_events
UPDATE event
SET state = 'pending', failures = 0, failing_since = NULL, deaths = 0, settled_at = NULL,
    history = right(
        history || CAST(settled_at AS numeric(20, 3)) || ' ' || outcome || chr(10), CAST(:most_told AS integer)
    )
WHERE id IN (SELECT CAST(json_array_elements_text(CAST(:ids AS json)) AS bigint)) AND state = 'parked'
RETURNING id, lane

-- name: seize_ended
WITH ended AS (SELECT lane FROM lane WHERE leased_until < :now FOR UPDATE SKIP LOCKED)
UPDATE lane SET claim = :claim FROM ended WHERE lane.lane = ended.lane RETURNING courier

-- name: ground_lanes
WITH waiting AS (SELECT lane FROM lane WHERE due_at > :latest FOR UPDATE SKIP LOCKED)
UPDATE lane SET due_at = :now FROM waiting WHERE lane.lane = waiting.lane


-- Delivering once more: gateway/delivery/records.py

-- name: revive_event
UPDATE event
SET state = 'pending', failures = 0, failing_since = NULL, deaths = 0, settled_at = NULL,
    history = right(
        history || CAST(settled_at AS numeric(20, 3)) || ' ' || outcome || chr(10), CAST(:most_told AS integer)
    )
WHERE id = :event_id


-- Looking whether all is well: the ops door, several times a minute

-- name: database_time
SELECT CAST(extract(epoch FROM clock_timestamp()) AS double precision)

-- name: prove_writable
-- A row of one's own would be one more thing to keep.
UPDATE alembic_version SET version_num = version_num

-- name: database_bytes
SELECT pg_database_size(current_database())

-- name: waits_for_no_standby
SELECT 1 WHERE current_setting('synchronous_standby_names') = ''

-- name: hold_census
-- What is counted after that was committed before.
SELECT state, until FROM census ORDER BY state FOR UPDATE

-- name: has_revisions
-- Others use Alembic, too.
SELECT 1 WHERE to_regclass('alembic_version') IS NOT NULL AND to_regclass('lane') IS NOT NULL

-- name: has_nodes
SELECT 1 WHERE to_regclass('node') IS NOT NULL

-- name: is_foreign
SELECT 1 FROM pg_tables
WHERE schemaname = current_schema() AND (to_regclass('alembic_version') IS NULL OR to_regclass('lane') IS NULL) LIMIT 1


-- What Motion sends: gateway/outbound/window.py

-- name: last_heard
-- The names that count are gathered first: each is found by an index then.
SELECT max(at) FROM heard WHERE connector_id = :connector_id AND (
    contact_id = :contact_id OR identity = ANY (
        array_append(
            ARRAY(SELECT identity FROM heard WHERE contact_id = :contact_id AND identity != ''),
            CAST(:identity AS text)
        )
    )
)


-- What is known of attachments: gateway/attachments/register.py

-- name: latest_attachments
SELECT attachment_id, digest, size_bytes, name, inspection, inspected_by, acquired_at, here, live_until,
    first_fetched_at, last_fetched_at, fetches, revoked_before, failure, failure_status, failure_digest, failed_at
FROM (
    SELECT *, EXISTS (SELECT 1 FROM stored_file WHERE place = :place AND stored_file.digest = attachment.digest) AS here,
        :way * greatest(coalesce(acquired_at, 0.0), coalesce(last_fetched_at, 0.0), coalesce(failed_at, 0.0)) AS used,
        :way * CASE WHEN attachment_id LIKE 'in%' THEN 0 ELSE CAST(attachment_id AS bigint) END AS number
    FROM attachment
) AS known
WHERE attachment_id NOT LIKE 'in%' AND (
        CAST(:among AS text) IS NULL
        OR attachment_id IN (SELECT json_array_elements_text(CAST(:among AS json)))
    )
    AND :way * used >= :since
    AND (
        CAST(:id AS bigint) IS NULL
        OR (used, number) < (:way * CAST(:at AS double precision), :way * CAST(:id AS bigint))
    )
    AND (
        CAST(:only AS text) = '' OR (CAST(:only AS text) = 'stored' AND here)
        OR (CAST(:only AS text) = 'failed' AND failure != '')
    )
ORDER BY used DESC, number DESC
LIMIT :most


-- Who has signed in to the operations page: gateway/page/sessions.py

-- name: drop_sessions_but
DELETE FROM session
WHERE name || ' ' || encode(proof, 'hex') NOT IN (SELECT json_array_elements_text(CAST(:users AS json)))
RETURNING 1


-- What goes: gateway/store/retention.py. A chunk at a time where many may go: callbacks wait behind it.

-- name: newest_signed
SELECT max(CAST(substring(header ->> 1 FROM '^[0-9]+') AS double precision))
FROM (SELECT event_id FROM nonce ORDER BY seen_at DESC LIMIT 100) AS taken
    JOIN event ON event.id = taken.event_id, json_array_elements(CAST(event.headers AS json)) AS header
WHERE header ->> 0 = :header

-- name: signed_ago
SELECT min(taken.seen_at - CAST(substring(header ->> 1 FROM '^[0-9]+') AS double precision))
FROM (SELECT event_id, seen_at FROM nonce WHERE seen_at >= :since ORDER BY seen_at DESC LIMIT 20) AS taken
    JOIN event ON event.id = taken.event_id, json_array_elements(CAST(event.headers AS json)) AS header
WHERE header ->> 0 = :header

-- name: came_in
SELECT count(*) FROM (
    SELECT 1 FROM nonce
    WHERE seen_at >= :since AND seen_at < :until AND connector_id = :connector_id
    LIMIT :most
) AS come

-- name: reports_on_others
SELECT count(*) FROM (
    SELECT DISTINCT message_id FROM report
    WHERE
        reported_at >= :since AND connector_id = :connector_id AND message_id != ''
        AND NOT EXISTS (
            SELECT 1 FROM send
            WHERE
                send.message_id = report.message_id AND send.message_id != ''
                AND send.connector_id = report.connector_id
        )
    LIMIT :most
) AS others

-- name: purge_nonces
DELETE FROM nonce WHERE ctid = ANY (ARRAY(SELECT ctid FROM nonce WHERE seen_at < :before LIMIT :most)) RETURNING 1

-- name: erase_reports_of_events
DELETE FROM report WHERE event_id IN (
    SELECT id FROM event
    WHERE id IN (SELECT CAST(json_array_elements_text(CAST(:ids AS json)) AS bigint))
        AND (:pending_too OR state != 'pending')
)

-- name: erase_files_of_attachments
DELETE FROM attachment WHERE attachment_id IN (
    SELECT 'in' || event_id || '.' || number FROM inbound_file WHERE event_id IN (
        SELECT id FROM event
        WHERE id IN (SELECT CAST(json_array_elements_text(CAST(:ids AS json)) AS bigint))
            AND (:pending_too OR state != 'pending')
    )
)

-- name: erase_files
DELETE FROM inbound_file WHERE event_id IN (
    SELECT id FROM event
    WHERE id IN (SELECT CAST(json_array_elements_text(CAST(:ids AS json)) AS bigint))
        AND (:pending_too OR state != 'pending')
)

-- name: erase_events
DELETE FROM event
WHERE id IN (SELECT CAST(json_array_elements_text(CAST(:ids AS json)) AS bigint))
    AND (:pending_too OR state != 'pending')
RETURNING state, settled_at

-- name: drop_empty_lanes
-- Held by now: it would wait for who writes to one of them, and then look with the eyes of before.
DELETE FROM lane
WHERE first_event = ANY (ARRAY(SELECT CAST(json_array_elements_text(CAST(:firsts AS json)) AS bigint)))
    AND claimed_event IS NULL
    AND NOT EXISTS (SELECT 1 FROM event WHERE event.lane = lane.lane AND state = 'pending')

-- name: erase_reports_of_sends
DELETE FROM report
WHERE (message_id, connector_id) IN (
        SELECT message_id, connector_id FROM send
        WHERE id IN (SELECT CAST(json_array_elements_text(CAST(:ids AS json)) AS bigint))
    )
    OR correlation_id IN (
        SELECT reference FROM send WHERE id IN (SELECT CAST(json_array_elements_text(CAST(:ids AS json)) AS bigint))
    )

-- name: erase_sends
DELETE FROM send WHERE id IN (SELECT CAST(json_array_elements_text(CAST(:ids AS json)) AS bigint)) RETURNING 1
