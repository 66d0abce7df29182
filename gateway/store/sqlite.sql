-- What every event and every message runs: named, each with its why. Both engines are told this; where PostgreSQL needs
-- other words for the same, `postgres.sql` has them by the same name. SQLite is told `max` for `greatest`.
--
-- A statement begins with its name and ends where the next one begins; `:word` is a value that its caller gives.
-- Conditions of partial indexes stand in the very words of the index: SQLite does not see that others mean the same,
-- and would read the whole table.


-- Taking a callback in: gateway/ingress/intake.py

-- name: seen_before
-- A nonce is the sender's promise that it signs with it once. And Sinch repeats a callback whose answer it did not get:
-- the event that told the same first. One question for both: asking costs more than looking.
SELECT 'nonce', event_id, body_digest FROM nonce WHERE connector_id = :connector_id AND nonce = :nonce
UNION ALL
SELECT 'event', id, body_digest FROM event WHERE connector_id = :connector_id AND key = :key AND original

-- name: kept_event
-- Whether these bytes are kept already as what will not be delivered: strangers shall not fill the disk with repeats.
SELECT id FROM event
WHERE connector_id = :connector_id AND key = :key AND body_digest = :body_digest AND state = :state AND NOT original

-- name: insert_event
-- Whatever was signed is kept, understood or not. The id is the order of acceptance, in which its lane is delivered.
INSERT INTO event (
    connector_id, state, kind, key, original, lane, contact_id, identity, request_id, address, headers, query, body,
    body_digest, accepted_at, repeats, tries, failures, deaths, outcome, settled_at, findings, media
) VALUES (
    :connector_id, :state, :kind, :key, :original, :lane, :contact_id, :identity, :request_id, :address, :headers,
    :query, :body, :body_digest, :accepted_at, 0, 0, 0, 0, :outcome, :settled_at, :findings, :media
) RETURNING id

-- name: insert_nonce
-- For as long as a signature is believed: the same nonce with other bytes is somebody else's doing.
INSERT INTO nonce (connector_id, nonce, body_digest, event_id, seen_at)
VALUES (:connector_id, :nonce, :body_digest, :event_id, :seen_at)

-- name: line_up
-- A lane that waits already keeps its time and its place; but where its first one has had its tries, what is new may
-- tell why (`delivery.schedule.MOST_REFUSALS`). Due before any clock's now: the courier's may not be ours.
INSERT INTO lane (lane, first_event, due_at) VALUES (:lane, :event_id, 0.0)
ON CONFLICT (lane) DO UPDATE SET due_at = 0.0
WHERE due_at > 0.0 AND claimed_event IS NULL AND (SELECT failures FROM event WHERE id = first_event) >= 5

-- name: file_events
-- All of the above, for several that are new, where each statement takes a journey: what is known already is left out.


-- name: hear
-- Of what a customer says on WhatsApp: from now on there are 24 hours for an answer. A row for each customer, however many
-- events are kept; an index on events would cost each of them more.
INSERT INTO heard (contact_id, identity, connector_id, at) VALUES (:contact_id, :identity, :connector_id, :now)
ON CONFLICT (contact_id, identity, connector_id) DO UPDATE SET at = excluded.at WHERE excluded.at > heard.at

-- name: count_repeat
-- Nothing else is kept of a callback that came again.
UPDATE event SET repeats = repeats + 1 WHERE id = :event_id

-- name: insert_report
-- In the transaction of its callback, whether its message is known or not: Sinch's answer may name that later.
INSERT INTO report (
    event_id, connector_id, message_id, correlation_id, status, code, sub_code, channel_code, channel, description,
    reported_at
) VALUES (
    :event_id, :connector_id, :message_id, :correlation_id, :status, :code, :sub_code, :channel_code, :channel,
    :description, :reported_at
)


-- Delivering: gateway/delivery/claims.py. A lane is free while no courier has it in hand; who has it names its claim, and
-- changes nothing where the lane's is another by now. Lanes go by their first event: a lane that has gone on is another.

-- name: what_waits
-- Asked of a reader, several times a second, so that a courier with nothing to do keeps nobody from writing: whether
-- anything is due, whether what a courier died with is to be tried alone, and whether a lease has ended.
SELECT
    EXISTS (SELECT 1 FROM lane WHERE due_at <= :due_by AND claimed_event IS NULL AND NOT suspect),
    EXISTS (SELECT 1 FROM lane WHERE suspect AND claimed_event IS NULL),
    EXISTS (SELECT 1 FROM lane WHERE leased_until < :now)

-- name: due_lanes
-- In the order of acceptance: the next message of one who waits comes before the first of one who came later. But for
-- those with whom Motion is in trouble. Lanes without an event are taken, and dropped.
SELECT first_event, event.connector_id, event.kind FROM lane LEFT JOIN event ON event.id = lane.first_event
WHERE due_at <= :due_by AND claimed_event IS NULL AND NOT suspect AND NOT EXISTS (
    SELECT 1 FROM json_each(:excepted) AS scope
    WHERE json_extract(scope.value, '$[0]') = event.connector_id
        AND json_extract(scope.value, '$[1]') IN ('', event.kind)
)
ORDER BY first_event LIMIT :most

-- name: due_lanes_of
-- Of those with whom Motion is in trouble: the one first that was left alone the longest.
SELECT first_event FROM lane LEFT JOIN event ON event.id = lane.first_event
WHERE due_at <= :due_by AND claimed_event IS NULL
    AND (CAST(:connector_id AS bigint) IS NULL OR event.connector_id = :connector_id)
    AND (CAST(:kind AS text) = '' OR event.kind = :kind)
ORDER BY due_at LIMIT :most

-- name: suspect_lanes
-- Whose first event was in the hand of a courier that died, whenever they are due.
SELECT first_event FROM lane WHERE suspect AND claimed_event IS NULL ORDER BY first_event LIMIT :most

-- name: take_lanes
-- Those that nobody has taken meanwhile. While one has a claim nobody else gets anything of it.
UPDATE lane
SET claimed_event = first_event, courier = :courier, claim = :claim, leased_until = :leased_until
WHERE first_event IN (SELECT value FROM json_each(:firsts)) AND claimed_event IS NULL AND due_at <= :due_by
RETURNING lane, first_event

-- name: claim_firsts
-- Of the lanes that were taken. A try is counted when it begins: a courier that dies of it leaves a trace.
UPDATE event SET tries = tries + 1
WHERE id IN (
    SELECT (SELECT id FROM event WHERE event.lane = lane.lane AND state = 'pending' ORDER BY id LIMIT 1)
    FROM lane WHERE first_event IN (SELECT value FROM json_each(:firsts)) AND claim = :claim
)
RETURNING
    headers, id, lane, connector_id, kind, request_id, address, query, body, accepted_at, tries, failures, failing_since

-- name: claim_behind
-- Evidence against the one ahead of it, or for it.
UPDATE event SET tries = tries + 1
WHERE id = (SELECT id FROM event WHERE lane = :lane AND state = 'pending' AND id > :event_id ORDER BY id LIMIT 1)
    AND EXISTS (SELECT 1 FROM lane WHERE lane = :lane AND claim = :claim)
RETURNING
    headers, id, lane, connector_id, kind, request_id, address, query, body, accepted_at, tries, failures, failing_since

-- name: lease_lane
-- For what is in hand of it now; a lease that ends frees what a courier was stuck with.
UPDATE lane SET claimed_event = :event_id, leased_until = :leased_until WHERE lane = :lane AND claim = :claim
RETURNING 1

-- name: drop_lane
-- There are rows for who waits alone, so that looking for them costs the same however much is kept.
DELETE FROM lane WHERE lane = :lane AND claim = :claim RETURNING 1

-- name: settle_at_once
-- `settle_event` and what goes on then in one, for a server to which each is a journey: whether the lane was ours.

-- name: settle_event
-- Not where it was settled already, or its lane was taken by another after a lease. The courier's clock may be slow.
-- Without a claim: by hand, while another event of the lane is being delivered.
UPDATE event SET state = :state, outcome = :outcome, settled_at = greatest(:now, accepted_at)
WHERE id = :event_id AND state = 'pending'
    AND (CAST(:claim AS bigint) IS NULL OR EXISTS (SELECT 1 FROM lane WHERE lane = :lane AND claim = :claim))

-- name: following_event
-- Whether the lane goes on, and with what.
SELECT id FROM event WHERE lane = :lane AND state = 'pending' ORDER BY id LIMIT 1

-- name: advance_lane
-- Its place among the others is that of its first message.
UPDATE lane
SET first_event = :following, due_at = :due_at, claimed_event = NULL, courier = NULL, claim = NULL, leased_until = NULL,
    suspect = FALSE
WHERE lane = :lane AND claim = :claim RETURNING 1

-- name: free_lane
-- It waits with the same first event.
UPDATE lane
SET due_at = :due_at, claimed_event = NULL, courier = NULL, claim = NULL, leased_until = NULL, suspect = FALSE
WHERE lane = :lane AND claim = :claim RETURNING 1

-- name: postpone_event
-- The courier lives to tell: this event has killed nobody. Of its tries the newest are kept.
UPDATE event
SET outcome = :outcome, failures = :failures, failing_since = :failing_since, deaths = 0,
    history = substr(history || :told, -:most_told)
WHERE id = :event_id AND state = 'pending' AND EXISTS (SELECT 1 FROM lane WHERE lane = :lane AND claim = :claim)

-- name: hurry_lanes
-- Motion is back: whoever was put off is tried at once.
UPDATE lane SET due_at = :now WHERE due_at > :now AND claimed_event IS NULL

-- name: lanes_put_off
-- Whoever still waits.
SELECT lane FROM lane WHERE due_at > :now AND claimed_event IS NULL LIMIT :most

-- name: parked_of_kind
-- Motion takes this kind again: a part of what was parked for that.
SELECT id, lane FROM event
WHERE state = 'parked' AND state != 'pending' AND connector_id = :connector_id AND kind = :kind
    AND outcome LIKE :outcome
LIMIT :most

-- name: parked_at
-- Of these: it is not parked any more after that.
SELECT state, settled_at FROM event WHERE id IN (SELECT value FROM json_each(:ids)) AND state = 'parked'

-- name: revive_events
-- Of these what is parked still.
UPDATE event
SET state = 'pending', failures = 0, failing_since = NULL, deaths = 0, settled_at = NULL,
    history = substr(history || printf('%.3f %s', settled_at, outcome) || char(10), -:most_told)
WHERE id IN (SELECT value FROM json_each(:ids)) AND state = 'parked'
RETURNING id, lane

-- name: troubles
-- What the office says of Motion, and every courier knows of it.
SELECT finding, about, reason, since FROM trouble ORDER BY since

-- name: keep_trouble
-- As it is now.
INSERT INTO trouble (finding, about, reason, since) VALUES (:finding, :about, :reason, :since)
ON CONFLICT (finding, about) DO UPDATE SET reason = excluded.reason, since = excluded.since

-- name: absences
-- Where Motion is away: when it may be asked again, by one courier of all, and how often it was in vain.
SELECT about, probe_at, probes FROM trouble WHERE finding = :finding

-- name: leave_alone
-- It has just gone. But a probe that is under way already is waited for.
UPDATE trouble SET probe_at = :probe_at WHERE finding = :finding AND about = :about AND probe_at < :probe_at

-- name: begin_probe
-- One at a time, whichever courier asks first: the others leave Motion alone until then.
UPDATE trouble SET probe_at = :until WHERE finding = :finding AND about = :about AND probe_at <= :now RETURNING 1

-- name: put_off_probe
-- It was in vain.
UPDATE trouble SET probe_at = :probe_at, probes = :probes WHERE finding = :finding AND about = :about

-- name: end_trouble
-- It is over.
DELETE FROM trouble WHERE finding = :finding AND about = :about

-- name: seize_own
-- Of a courier that died under the name of the one that starts; one without a name is alone, and all is its own.
UPDATE lane SET claim = :claim WHERE leased_until IS NOT NULL AND (courier = :courier OR CAST(:courier AS text) = '')
RETURNING courier

-- name: seize_ended
-- Of a courier that died, or was stopped beyond its lease: whatever it says later changes nothing.
UPDATE lane SET claim = :claim WHERE leased_until < :now RETURNING courier

-- name: seize_event
-- By hand, from whoever has that event of the lane, or another claim, in hand. Not where that is another event.
UPDATE lane SET claimed_event = :event_id, claim = :claim
WHERE lane = :lane AND (claimed_event IS NULL OR claimed_event = :event_id) RETURNING 1

-- name: count_deaths
-- Of all that such a courier had in hand.
UPDATE event SET deaths = deaths + 1 WHERE id IN (
    SELECT claimed_event FROM lane WHERE leased_until IS NOT NULL AND claim = :claim
)
RETURNING id, lane, deaths

-- name: suspect_lanes_of
-- Free, but to be tried alone, whoever takes them and whenever they were due.
UPDATE lane
SET due_at = 0.0, claimed_event = NULL, courier = NULL, claim = NULL, leased_until = NULL, suspect = TRUE
WHERE leased_until IS NOT NULL AND claim = :claim RETURNING lane

-- name: ground_lanes
-- A wait that is longer than any is of a clock that was wrong.
UPDATE lane SET due_at = :now WHERE due_at > :latest


-- Delivering once more: gateway/delivery/records.py

-- name: connectors
-- All that have an event: from one to the next by the indexes of keys, however many each has.
WITH RECURSIVE known(connector_id, first) AS (
    SELECT min(connector_id), TRUE FROM event WHERE original
    UNION ALL
    SELECT min(connector_id), FALSE FROM event WHERE NOT original
    UNION ALL
    SELECT CASE
        WHEN first THEN (SELECT min(e.connector_id) FROM event AS e WHERE e.connector_id > known.connector_id AND original)
        ELSE (SELECT min(e.connector_id) FROM event AS e WHERE e.connector_id > known.connector_id AND NOT original)
    END, first
    FROM known WHERE connector_id IS NOT NULL
)
SELECT DISTINCT connector_id FROM known WHERE connector_id IS NOT NULL

-- name: event_state
-- What is pending is not delivered once more.
SELECT lane, state, settled_at FROM event WHERE id = :event_id

-- name: revive_event
-- As if it had just come: what failed before says nothing of now. But how it ended before is kept.
UPDATE event
SET state = 'pending', failures = 0, failing_since = NULL, deaths = 0, settled_at = NULL,
    history = substr(history || printf('%.3f %s', settled_at, outcome) || char(10), -:most_told)
WHERE id = :event_id

-- name: move_lane_up
-- It comes before what its contact has sent since.
UPDATE lane SET first_event = :event_id WHERE lane = :lane AND first_event > :event_id

-- name: wake_lane
-- At once, whatever its lane was waiting for; not where another of it is on its way right now.
UPDATE lane SET due_at = 0.0 WHERE lane = :lane AND claimed_event IS NULL


-- Looking whether all is well: the ops door, several times a minute

-- name: count_events
-- For `events list`: what was settled before a moment is kept as a number, and what was since is counted by an index.
SELECT state, number
FROM (
    SELECT known.state AS state, coalesce(census.count, 0) + (
        SELECT count(*) FROM event WHERE event.state = known.state AND event.state != 'pending' AND settled_at >= coalesce(census.until, 0.0)
    ) AS number
    FROM (
        SELECT 'delivered' AS state UNION ALL SELECT 'parked' UNION ALL SELECT 'rejected' UNION ALL SELECT 'duplicate'
    ) AS known LEFT JOIN census ON census.state = known.state
    UNION ALL
    SELECT 'pending', count(*) FROM event WHERE state = 'pending'
) AS counted
WHERE number > 0

-- name: hold_census
-- Whoever changes what is counted comes one after another.
SELECT state, until FROM census ORDER BY state

-- name: begin_census
-- Anew: whatever went wrong with it, or with a clock, is over.
INSERT INTO census (state, until, count) VALUES (:state, 0.0, 0)
ON CONFLICT (state) DO UPDATE SET until = 0.0, count = 0

-- name: census_goes_to
-- Past so many rows, if there are as many before that moment.
SELECT settled_at FROM event
WHERE state = :state AND state != 'pending' AND settled_at >= :since AND settled_at < :before
ORDER BY settled_at LIMIT 1 OFFSET :most

-- name: raise_census
-- By what was settled between two moments.
UPDATE census
SET until = :until,
    count = count + (
        SELECT count(*) FROM event
        WHERE event.state = :state AND event.state != 'pending' AND settled_at >= :since AND settled_at < :until
    )
WHERE state = :state

-- name: lower_census
-- By what goes, or is delivered once more.
UPDATE census SET count = count - :gone WHERE state = :state

-- name: count_waiting
-- What waits for Motion, and what for an operator: indexes have them together, and all else apart.
SELECT 'pending', count(*) FROM event WHERE state = 'pending'
UNION ALL SELECT 'parked', count(*) FROM event WHERE state = 'parked' AND state != 'pending'

-- name: oldest_pending
-- How far Motion is behind: the first of the first of each lane, which an index has in their order.
SELECT accepted_at FROM lane JOIN event ON event.id = lane.first_event ORDER BY first_event LIMIT 1

-- name: database_time
-- For who shares it with other machines: their clocks agree on nothing.
SELECT (julianday('now') - 2440587.5) * 86400.0

-- name: prove_writable
-- Goes to the disk as any write does, and changes nothing.
PRAGMA user_version = 0

-- name: database_bytes
-- On the disk, with what is free in it.
SELECT page_count * page_size FROM pragma_page_count, pragma_page_size

-- name: waits_for_no_standby
-- What is here is on one disk, and nobody thinks otherwise.

-- name: hold_lanes
-- Writers come one at a time here: nobody else is at them.

-- name: let_go_lanes
-- As above.

-- name: aboard
-- Of a lifeboat, in the order in which it came: gateway/ingress/lifeboat.py
SELECT id, connector_id, body, headers, query, request_id, address, outcome, findings, media, accepted_at
FROM event ORDER BY id LIMIT :most

-- name: let_ashore
-- The spool has it, and what came before.
DELETE FROM event WHERE id <= :event_id

-- name: forget_all_nonces
-- The spool has all of what was aboard, and of this, too.
DELETE FROM nonce

-- name: forget_all_reports
-- As above.
DELETE FROM report

-- name: forget_all_lanes
-- As above.
DELETE FROM lane

-- name: forget_all_heard
-- As above.
DELETE FROM heard

-- name: has_revisions
-- A file without that table is empty, or was never a spool.
SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'

-- name: has_nodes
-- As above: of an older release there is no such table.
SELECT 1 FROM sqlite_master WHERE name = 'node'

-- name: is_foreign
-- Tables of somebody else's: a spool has that table first of all.
SELECT 1 FROM sqlite_master WHERE name NOT LIKE 'sqlite%'
AND NOT EXISTS (SELECT 1 FROM sqlite_master WHERE name = 'alembic_version') LIMIT 1

-- name: revision
-- Alembic writes it; reading it takes no Alembic.
SELECT version_num FROM alembic_version

-- name: bears
-- Of a schema that is newer than ours: the oldest revision whose release may go on working with it.
SELECT bears FROM alembic_version


-- Looking why something does not arrive: gateway/diagnosis/experience.py. What costs the same however much is kept.

-- name: lately
-- What came last, without what it weighs.
SELECT connector_id, kind, state, accepted_at, findings FROM event ORDER BY id DESC LIMIT :most

-- name: last_accepted
-- Of each account of which there is one among the latest.
SELECT connector_id, max(accepted_at)
FROM (SELECT connector_id, accepted_at, state FROM event ORDER BY id DESC LIMIT :most) AS latest
WHERE state != 'rejected' GROUP BY connector_id

-- name: last_delivered
-- As above.
SELECT connector_id, max(settled_at)
FROM (
    SELECT connector_id, settled_at FROM event
    WHERE state = 'delivered' AND state != 'pending' ORDER BY settled_at DESC LIMIT :most
) AS latest
GROUP BY connector_id

-- name: waiting_of_accounts
-- What waits for Motion and what for an operator: of so many of each, in the order of an index, without which PostgreSQL
-- would look for those that are pending from the table's beginning.
SELECT 'pending', connector_id, count(*)
FROM (SELECT connector_id FROM event WHERE state = 'pending' ORDER BY lane, id LIMIT :most) AS pending
GROUP BY connector_id
UNION ALL
SELECT 'parked', connector_id, count(*)
FROM (
    SELECT connector_id FROM event
    WHERE state = 'parked' AND state != 'pending' ORDER BY settled_at DESC LIMIT :most
) AS parked
GROUP BY connector_id

-- name: heads_in_wait
-- Those that have been tried in vain, one of each contact, the oldest first: which connector, what Motion said, and since when.
-- CROSS, as SQLite goes from left to right then, whatever its release: not through all that waits, looking for heads.
SELECT event.connector_id, event.outcome, count(*), min(event.failing_since)
FROM (SELECT first_event FROM lane ORDER BY first_event LIMIT :most) AS head CROSS JOIN event
WHERE event.id = head.first_event AND event.state = 'pending' AND event.outcome != '' GROUP BY event.connector_id, event.outcome

-- name: parked_lately
-- Why they are, and how many.
SELECT connector_id, outcome, count(*)
FROM (
    SELECT connector_id, outcome FROM event
    WHERE state = 'parked' AND state != 'pending' ORDER BY settled_at DESC LIMIT :most
) AS latest
GROUP BY connector_id, outcome

-- name: motions_links_since
-- How many files have begun to be fetched by the links that Motion makes.
SELECT count(*) FROM attachment WHERE first_fetched_at >= :since

-- name: any_fetched_since
-- Whether a file was fetched by any link.
SELECT 1 FROM attachment WHERE last_fetched_at >= :since LIMIT 1


-- What Motion sends: gateway/outbound/record.py and window.py

-- name: last_heard
-- Of a customer, by either of the names; a name that is not given is NULL. Whoever has the same number is the same to
-- WhatsApp, whichever contact Sinch makes of it.
SELECT max(at) FROM heard WHERE connector_id = :connector_id AND (
    contact_id = :contact_id OR identity = :identity
    OR identity IN (SELECT identity FROM heard WHERE contact_id = :contact_id AND identity != '')
)

-- name: insert_send
-- Before the message goes out: nothing is sent that is not known here.
INSERT INTO send (
    reference, connector_id, app_id, kind, contact_id, identity, correlation_id, request_id, attachments, outcome,
    status, code, words, message_id, tries, started_at, ended_at, "window", heard_at
) VALUES (
    :reference, :connector_id, :app_id, :kind, :contact_id, :identity, :correlation_id, :request_id, :attachments,
    :outcome, :status, :code, :words, '', 0, :started_at, :ended_at, :window, :heard_at
) RETURNING id

-- name: settle_send
-- Nothing, where it was erased meanwhile.
UPDATE send
SET outcome = :outcome, status = :status, code = :code, words = :words, message_id = :message_id, tries = :tries,
    ended_at = :now
WHERE id = :send_id


-- What is known of attachments: gateway/attachments/register.py and eviction.py

-- name: attachment
-- All that a fetch reads, and whether the vault of that place has its file.
SELECT attachment_id, digest, size_bytes, name, inspection, inspected_by, acquired_at,
    EXISTS (SELECT 1 FROM stored_file WHERE place = :place AND stored_file.digest = attachment.digest), live_until,
    first_fetched_at, last_fetched_at, fetches, revoked_before, failure, failure_status, failure_digest, failed_at
FROM attachment WHERE attachment_id = :attachment_id

-- name: latest_attachments
-- Of Motion's those that something happened to last, or since then; of these alone where `among` is a list of ids in JSON; of a
-- list in parts those behind the one with that `id` and that last use `at`, downwards or, where `way` is -1, upwards.
SELECT attachment_id, digest, size_bytes, name, inspection, inspected_by, acquired_at, here, live_until,
    first_fetched_at, last_fetched_at, fetches, revoked_before, failure, failure_status, failure_digest, failed_at
FROM (
    SELECT *, EXISTS (SELECT 1 FROM stored_file WHERE place = :place AND stored_file.digest = attachment.digest) AS here,
        :way * greatest(coalesce(acquired_at, 0.0), coalesce(last_fetched_at, 0.0), coalesce(failed_at, 0.0)) AS used,
        :way * CAST(attachment_id AS bigint) AS number
    FROM attachment
)
WHERE attachment_id NOT LIKE 'in%'
    AND (:among IS NULL OR attachment_id IN (SELECT value FROM json_each(:among))) AND :way * used >= :since
    AND (:id IS NULL OR (used, number) < (:way * :at, :way * :id))
    AND (:only = '' OR (:only = 'stored' AND here) OR (:only = 'failed' AND failure != ''))
ORDER BY used DESC, number DESC
LIMIT :most

-- name: know_attachment
-- Before anything is changed of one that nobody may have asked for yet.
INSERT INTO attachment (
    attachment_id, size_bytes, name, inspected_by, stored, live_until, fetches, failure, failure_status
) VALUES (:attachment_id, 0, '', '', FALSE, 0.0, 0, '', 0) ON CONFLICT DO NOTHING

-- name: acquire_attachment
-- What has been written is handed back: nobody reads it again.
UPDATE attachment
SET digest = :digest, size_bytes = :size_bytes, name = :name, inspection = :inspection, inspected_by = :inspected_by,
    acquired_at = :now, live_until = greatest(live_until, :live_until),
    failure = '', failure_status = 0, failure_digest = NULL, failed_at = NULL
WHERE attachment_id = :attachment_id
RETURNING attachment_id, digest, size_bytes, name, inspection, inspected_by, acquired_at, TRUE, live_until,
    first_fetched_at, last_fetched_at, fetches, revoked_before, failure, failure_status, failure_digest, failed_at

-- name: inspect_attachment
-- By another release than the one that did before; unless there are other bytes by now.
UPDATE attachment SET inspection = :inspection, inspected_by = :inspected_by
WHERE attachment_id = :attachment_id AND digest = :digest

-- name: fail_attachment
-- The last try to acquire it.
UPDATE attachment SET failure = :failure, failure_status = :status, failure_digest = :digest, failed_at = :now
WHERE attachment_id = :attachment_id

-- name: count_fetches
-- Of which the last was a moment ago. A life that has begun does not begin again; and what was revoked since does not
-- come back to life.
UPDATE attachment
SET fetches = fetches + :fetches, last_fetched_at = greatest(coalesce(last_fetched_at, 0.0), :last),
    first_fetched_at = coalesce(first_fetched_at, :first),
    live_until = CASE
        WHEN revoked_before IS NOT DISTINCT FROM :revoked_before THEN greatest(live_until, :until) ELSE live_until
    END
WHERE attachment_id = :attachment_id

-- name: live_other_bytes
-- Whether links live to others than these.
SELECT 1 FROM attachment WHERE attachment_id = :attachment_id AND digest != :digest AND live_until > :now

-- name: forget_other_bytes
-- To which no link lives: they would come back to life with the next one.
UPDATE attachment SET digest = NULL, size_bytes = 0, name = '', inspection = NULL, inspected_by = ''
WHERE attachment_id = :attachment_id AND digest != :digest

-- name: hold_attachment
-- For as long as a link lives that is made now.
UPDATE attachment SET live_until = greatest(live_until, :until) WHERE attachment_id = :attachment_id

-- name: name_bytes
-- Of one that nobody has got yet.
UPDATE attachment SET digest = :digest WHERE attachment_id = :attachment_id AND digest IS NULL

-- name: sharing_attachment
-- Another one of the same bytes.
SELECT 1 FROM attachment WHERE digest = :digest AND attachment_id != :attachment_id LIMIT 1

-- name: revoke_attachment
-- A later revocation is never taken back by an earlier one, and no link lives that is known of.
UPDATE attachment SET revoked_before = greatest(coalesce(revoked_before, 0), :before), live_until = 0.0
WHERE attachment_id = :attachment_id

-- name: strip_attachments
-- What is long over, but for when it ended.
UPDATE attachment
SET digest = NULL, size_bytes = 0, name = '', inspection = NULL, inspected_by = '',
    failure = '', failure_status = 0, failure_digest = NULL, failed_at = NULL
WHERE NOT EXISTS (SELECT 1 FROM stored_file WHERE stored_file.digest = attachment.digest)
    AND live_until <= :now AND (digest IS NOT NULL OR failure != '')
    AND greatest(coalesce(acquired_at, 0.0), coalesce(last_fetched_at, 0.0), coalesce(failed_at, 0.0)) < :since
    AND (first_fetched_at IS NOT NULL OR revoked_before IS NOT NULL)
RETURNING 1

-- name: purge_attachments
-- What is long over and never ended.
DELETE FROM attachment
WHERE NOT EXISTS (SELECT 1 FROM stored_file WHERE stored_file.digest = attachment.digest)
    AND live_until <= :now AND first_fetched_at IS NULL AND revoked_before IS NULL
    AND greatest(coalesce(acquired_at, 0.0), coalesce(last_fetched_at, 0.0), coalesce(failed_at, 0.0)) < :since
RETURNING 1

-- name: stored_files
-- Those of one vault, whichever attachments have them.
SELECT digest, size_bytes FROM stored_file WHERE place = :place

-- name: stored_bytes
-- Of all files of one vault.
SELECT coalesce(sum(size_bytes), 0) FROM stored_file WHERE place = :place

-- name: evictable_files
-- In the order in which they go: without a live link, the longest unused first; then those that only Motion's link keeps
-- alive, since it brought them; then those with another one. What a customer sent nobody could fetch anew.
SELECT digest, size_bytes
FROM (
    SELECT stored_file.digest, max(stored_file.size_bytes) AS size_bytes, coalesce(max(live_until), 0.0) AS alive_until,
        max(greatest(acquired_at, coalesce(last_fetched_at, 0.0))) AS used_at,
        min(CAST(coalesce(
            first_fetched_at <= acquired_at + :brought AND live_until <= first_fetched_at + :link_ttl, FALSE
        ) AS integer)) AS is_motions,
        coalesce(max(CASE WHEN attachment_id LIKE 'in%' THEN live_until ELSE 0.0 END), 0.0) AS customers_until
    FROM stored_file LEFT JOIN attachment ON attachment.digest = stored_file.digest
    WHERE place = :place GROUP BY stored_file.digest
) AS file
WHERE customers_until <= :now
    AND (alive_until <= :now OR used_at < :unused_since OR (is_motions = 1 AND used_at < :idle_since))
ORDER BY alive_until > :now, is_motions DESC, used_at

-- name: motions_files
-- Those that Motion's links brought, and no minted link keeps alive: fetched by one right after they came, or by nobody.
-- Of each when it was used last, the longest unused first.
SELECT stored_file.digest, max(stored_file.size_bytes),
    max(greatest(acquired_at, coalesce(last_fetched_at, 0.0))) AS used_at
FROM stored_file JOIN attachment ON attachment.digest = stored_file.digest
WHERE place = :place GROUP BY stored_file.digest
HAVING min(CAST(coalesce(
    first_fetched_at <= acquired_at + :brought AND live_until <= first_fetched_at + :link_ttl,
    live_until <= acquired_at + :grace
) AS integer)) = 1
ORDER BY used_at

-- name: unused_files
-- Without a live link.
SELECT stored_file.digest, max(stored_file.size_bytes)
FROM stored_file LEFT JOIN attachment ON attachment.digest = stored_file.digest
WHERE place = :place GROUP BY stored_file.digest
HAVING coalesce(max(live_until), 0.0) <= :now
    AND coalesce(max(greatest(acquired_at, coalesce(last_fetched_at, 0.0))), 0.0) < :since

-- name: nobodys_files
-- Those of one vault that no attachment has any more.
SELECT digest, size_bytes FROM stored_file
WHERE place = :place AND NOT EXISTS (SELECT 1 FROM attachment WHERE attachment.digest = stored_file.digest)

-- name: store_file
-- It is there, whole and right.
INSERT INTO stored_file (place, digest, size_bytes, since) VALUES (:place, :digest, :size_bytes, :now)
ON CONFLICT (place, digest) DO UPDATE
SET size_bytes = excluded.size_bytes, since = excluded.since, leaving_until = NULL, doubted = FALSE

-- name: lose_file
-- It is not there any more.
DELETE FROM stored_file WHERE place = :place AND digest = :digest

-- name: forget_places
-- That of the only vault there was, or those of all nodes, once the spool has moved.
DELETE FROM stored_file WHERE place NOT IN (:place, :other) AND (place = '' OR CAST(:place AS text) = '')

-- name: forget_vault
-- Of a node that is gone.
DELETE FROM stored_file WHERE place = :place

-- name: doubt_file
-- There it has other bytes: it is to be put anew.
INSERT INTO stored_file (place, digest, size_bytes, since, doubted) VALUES (:place, :digest, 0, :now, TRUE)
ON CONFLICT (place, digest) DO UPDATE SET doubted = TRUE

-- name: size_of_file
-- As far as anything is known of it.
SELECT max(size_bytes) FROM attachment WHERE digest = :digest

-- name: file_at
-- Whether it is there, and what is the matter with it.
SELECT doubted, leaving_until FROM stored_file WHERE place = :place AND digest = :digest

-- name: places_of_file
-- For whoever asks where it is.
SELECT place FROM stored_file WHERE digest = :digest AND NOT doubted ORDER BY place

-- name: ungiven_files
-- Of this vault, to which links live, and the other place has not; what is leaving there is waited for. The smallest
-- first: none waits behind one that cannot be put.
SELECT mine.digest, mine.size_bytes FROM stored_file AS mine
WHERE mine.place = :place
    AND EXISTS (SELECT 1 FROM attachment WHERE attachment.digest = mine.digest AND live_until > :now)
    AND NOT EXISTS (
        SELECT 1 FROM stored_file AS theirs
        WHERE theirs.place = :other AND theirs.digest = mine.digest AND NOT theirs.doubted
            AND (theirs.leaving_until IS NULL OR theirs.leaving_until > :now)
    )
ORDER BY mine.size_bytes
LIMIT :most

-- name: leave_files
-- To which no link lives: whoever gets them back deletes them there until then, and nobody puts them meanwhile.
UPDATE stored_file SET leaving_until = :until
WHERE place = :place AND digest IN (
    SELECT dead.digest FROM stored_file AS dead
    WHERE dead.place = :place AND (dead.leaving_until IS NULL OR dead.leaving_until <= :now)
        AND NOT EXISTS (SELECT 1 FROM attachment WHERE attachment.digest = dead.digest AND live_until > :now)
    LIMIT :most
)
RETURNING digest

-- name: leave_orphan
-- Of which nothing is known still: nobody puts it until then.
INSERT INTO stored_file (place, digest, size_bytes, since, leaving_until)
VALUES (:place, :digest, 0, :now, :until) ON CONFLICT DO NOTHING
RETURNING 1

-- name: begin_bringing
-- One node at a time downloads it; which dies, its time ends. What it has begun before, it knows to be over.
UPDATE attachment SET bringer = :node, bringing_until = :until
WHERE attachment_id = :attachment_id AND (bringing_until IS NULL OR bringing_until <= :now OR bringer = :node)
RETURNING 1

-- name: end_bringing
-- Whatever came of it.
UPDATE attachment SET bringer = NULL, bringing_until = NULL WHERE attachment_id = :attachment_id AND bringer = :node

-- Who was turned away: gateway/store/turned_away.py. Some dozens of rows of each kind.

-- name: turned_away
-- For the operator's list.
SELECT door, reason, about, address, count, first_at, last_at FROM turned_away WHERE last_at >= :since
ORDER BY last_at DESC, door, reason, about

-- name: turned_away_of
-- To which counts are added.
SELECT door, reason, about, address, count, first_at, last_at FROM turned_away
WHERE door = :door AND reason = :reason

-- name: put_turned_away
-- New, or with a higher count.
INSERT INTO turned_away (door, reason, about, address, count, first_at, last_at)
VALUES (:door, :reason, :about, :address, :count, :first_at, :last_at)
ON CONFLICT (door, reason, about) DO UPDATE
SET address = excluded.address, count = excluded.count, first_at = excluded.first_at, last_at = excluded.last_at

-- name: drop_turned_away
-- In whose place another one comes.
DELETE FROM turned_away WHERE door = :door AND reason = :reason AND about = :about

-- name: purge_turned_away
-- As old as what is rejected.
DELETE FROM turned_away WHERE last_at < :before


-- How it went lately: gateway/diagnosis/history.py

-- name: keep_sample
-- One a minute of each node, however many processes try, and however often they are started anew.
INSERT INTO history (at, oldest_seconds, counts, node)
SELECT CAST(:at AS double precision), CAST(:oldest_seconds AS double precision), CAST(:counts AS text),
    CAST(:node AS text)
WHERE NOT EXISTS (
    SELECT 1 FROM history
    WHERE id = (SELECT max(id) FROM history WHERE node = :node) AND at > :at - :apart AND at <= :at
)

-- name: forget_samples
-- By their number: a clock that jumps takes none away.
DELETE FROM history
WHERE node = :node AND id <= (SELECT id FROM history WHERE node = :node ORDER BY id DESC LIMIT 1 OFFSET :most)

-- name: samples
-- In the order in which they were taken.
SELECT at, oldest_seconds, counts FROM history WHERE node = :node ORDER BY id


-- Who did what: gateway/store/audit.py

-- name: insert_deed
-- In the transaction of what is done, where that is one.
INSERT INTO audit (at, action, who, login, account, about) VALUES (:at, :action, :who, :login, :account, :about)

-- name: amend_deed
-- Of what is done in pieces: the same deed, of which more is done by now.
UPDATE audit SET about = :about WHERE id = (SELECT max(id) FROM audit WHERE at = :at AND action = :action)

-- name: deeds
-- The newest first, whatever the clock said. Somebody goes by any of his names. Of a list in parts those behind `id`,
-- downwards or, where `way` is -1, upwards.
SELECT at, action, who, login, account, about, id FROM audit
WHERE (CAST(:action AS text) IS NULL OR action = :action)
    AND (CAST(:who AS text) IS NULL OR CAST(:who AS text) IN (who, login, account)) AND at >= :since
    AND (CAST(:id AS bigint) IS NULL OR :way * id < :way * CAST(:id AS bigint))
ORDER BY :way * id DESC LIMIT :most

-- name: purge_deeds
-- Nothing but time takes one away.
DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE at < :before LIMIT :most) RETURNING 1


-- Who has signed in to the operations page: gateway/page/sessions.py

-- name: insert_session
-- By the digest of its token; `proof` changes with the user's password.
INSERT INTO session (digest, name, proof, began_at, seen_at) VALUES (:digest, :name, :proof, :now, :now)

-- name: session
-- At each visit.
SELECT name, proof, began_at, seen_at FROM session WHERE digest = :digest

-- name: sessions_of
-- For who has signed in, and wonders where else he has: the newest first.
SELECT began_at, seen_at FROM session WHERE name = :name ORDER BY began_at DESC LIMIT 100

-- name: drop_sessions_of
-- Signed out wherever he had signed in.
DELETE FROM session WHERE name = :name RETURNING 1

-- name: drop_sessions_but
-- Of users as the settings have them now, each by name and proof.
DELETE FROM session WHERE name || ' ' || lower(hex(proof)) NOT IN (SELECT value FROM json_each(:users)) RETURNING 1

-- name: see_session
-- Once a minute at most: a visit shall not be a commit.
UPDATE session SET seen_at = :now WHERE digest = :digest

-- name: drop_session
-- Signed out: whoever has the token has nothing any more.
DELETE FROM session WHERE digest = :digest RETURNING 1

-- name: purge_sessions
-- Ended long since, whatever their last visit was.
DELETE FROM session WHERE began_at < :before


-- What goes: gateway/store/retention.py. A chunk at a time where many may go: callbacks wait behind it.

-- name: newest_signed
-- Of what was taken in lately: the time that Sinch has signed, which owes nothing to a clock of ours.
SELECT max(CAST(json_extract(header.value, '$[1]') AS REAL))
FROM (SELECT event_id FROM nonce ORDER BY seen_at DESC LIMIT 100) AS taken
    JOIN event ON event.id = taken.event_id, json_each(event.headers) AS header
WHERE json_extract(header.value, '$[0]') = :header

-- name: signed_ago
-- How long ago, by our clock, Sinch had signed what was taken in lately: the least, for what it repeats it signed before.
SELECT min(taken.seen_at - CAST(json_extract(header.value, '$[1]') AS REAL))
FROM (SELECT event_id, seen_at FROM nonce WHERE seen_at >= :since ORDER BY seen_at DESC LIMIT 20) AS taken
    JOIN event ON event.id = taken.event_id, json_each(event.headers) AS header
WHERE json_extract(header.value, '$[0]') = :header

-- name: newest_accepted
-- Where nothing is signed.
SELECT accepted_at FROM event WHERE id = (SELECT max(id) FROM event)

-- name: newest_sent
-- Of what Motion asked to send.
SELECT started_at FROM send WHERE id = (SELECT max(id) FROM send)

-- name: came_in
-- Of an account, in a time: as many as matter. Nonces are the only thing that is there by the time at which it came.
SELECT count(*) FROM (
    SELECT 1 FROM nonce INDEXED BY nonce_seen
    WHERE seen_at >= :since AND seen_at < :until AND connector_id = :connector_id
    LIMIT :most
)

-- name: sent_since
-- Whether Motion has sent anything for an account by way of the gateway.
SELECT 1 FROM send WHERE started_at >= :since AND connector_id = :connector_id LIMIT 1

-- name: sent_between
-- As many as matter of those that ended so.
SELECT count(*) FROM (
    SELECT 1 FROM send
    WHERE started_at >= :since AND started_at < :until AND connector_id = :connector_id AND outcome = :outcome
    LIMIT :most
) AS ended

-- name: reports_on_others
-- Messages that were reported on and did not go through the gateway.
SELECT count(*) FROM (
    SELECT DISTINCT message_id FROM report INDEXED BY report_reported
    WHERE
        reported_at >= :since AND connector_id = :connector_id AND message_id != ''
        AND NOT EXISTS (
            SELECT 1 FROM send
            WHERE
                send.message_id = report.message_id AND send.message_id != ''
                AND send.connector_id = report.connector_id
        )
    LIMIT :most
)

-- name: take_turn
-- At what one process of all does, whoever comes first. A turn that is later than any can be is of a clock that was wrong.
INSERT INTO chore (name, due_at) VALUES (:name, :until)
ON CONFLICT (name) DO UPDATE SET due_at = excluded.due_at
WHERE chore.due_at <= :now OR chore.due_at > excluded.due_at RETURNING 1

-- name: purge_events
-- By the time at which they were settled: what is pending never goes.
DELETE FROM event WHERE id IN (
    SELECT id FROM event WHERE state = :state AND state != 'pending' AND settled_at < :before LIMIT :most
)
RETURNING state, settled_at

-- name: purge_reports
-- As old as the events that brought them.
DELETE FROM report WHERE event_id IN (SELECT event_id FROM report WHERE reported_at < :before LIMIT :most) RETURNING 1

-- name: purge_files
-- Of events that are gone.
DELETE FROM inbound_file WHERE (event_id, number) IN (
    SELECT event_id, number FROM inbound_file
    WHERE at < :before AND NOT EXISTS (SELECT 1 FROM event WHERE event.id = event_id) LIMIT :most
) RETURNING 1

-- name: purge_sends
-- Of which nobody knows when they ended: those that began before.
DELETE FROM send WHERE id IN (
    SELECT id FROM send WHERE started_at < :before AND coalesce(ended_at, started_at) < :before LIMIT :most
) RETURNING 1

-- name: old_heard
-- Looked for by who only reads: nobody waits while the customers are gone through.
SELECT contact_id, identity, connector_id FROM heard WHERE at < :before LIMIT :most

-- name: drop_heard
-- Unless they have written meanwhile.
DELETE FROM heard
WHERE contact_id = :contact_id AND identity = :identity AND connector_id = :connector_id AND at < :before

-- name: erase_heard
-- That they wrote is theirs, too.
DELETE FROM heard WHERE contact_id = :contact OR identity = :identity

-- name: purge_nonces
-- As long as a signature could still be believed.
DELETE FROM nonce WHERE rowid IN (SELECT rowid FROM nonce WHERE seen_at < :before LIMIT :most) RETURNING 1

-- name: their_events
-- A contact is named by its id or by its channel identity, and may be known by either.
SELECT id FROM event WHERE (contact_id = :contact OR identity = :identity) AND (:pending_too OR state != 'pending')

-- name: their_sends
-- As above.
SELECT id FROM send WHERE contact_id = :contact OR identity = :identity

-- name: their_files
-- That they sent with these.
SELECT DISTINCT inbound_file.digest FROM inbound_file JOIN event ON event.id = inbound_file.event_id
WHERE (contact_id = :contact OR identity = :identity) AND (:pending_too OR event.state != 'pending')
    AND inbound_file.digest IS NOT NULL

-- name: erase_reports_of_events
-- Before the events: these say which. Those that somebody replays meanwhile are pending again.
DELETE FROM report WHERE event_id IN (
    SELECT id FROM event WHERE id IN (SELECT value FROM json_each(:ids)) AND (:pending_too OR state != 'pending')
)

-- name: erase_files_of_attachments
-- What the register knows of files that came with these events: the vault then has them for nobody, and lets go of them.
DELETE FROM attachment WHERE attachment_id IN (
    SELECT 'in' || event_id || '.' || number FROM inbound_file WHERE event_id IN (
        SELECT id FROM event WHERE id IN (SELECT value FROM json_each(:ids)) AND (:pending_too OR state != 'pending')
    )
)

-- name: erase_files
-- As above.
DELETE FROM inbound_file WHERE event_id IN (
    SELECT id FROM event WHERE id IN (SELECT value FROM json_each(:ids)) AND (:pending_too OR state != 'pending')
)

-- name: erase_events
-- As above.
DELETE FROM event WHERE id IN (SELECT value FROM json_each(:ids)) AND (:pending_too OR state != 'pending') RETURNING state, settled_at

-- name: count_theirs
-- Said before it is erased.
SELECT state, count(*) FROM event WHERE contact_id = :contact OR identity = :identity GROUP BY state

-- name: count_sends
-- As above.
SELECT count(*) FROM send WHERE contact_id = :contact OR identity = :identity

-- name: count_left
-- What is not delivered yet, and stays.
SELECT count(*) FROM event WHERE contact_id = :contact OR identity = :identity

-- name: empty_lanes
-- A lane is named after its contact. One that is being delivered goes when that ends.
SELECT lane, first_event FROM lane
WHERE claimed_event IS NULL AND NOT EXISTS (SELECT 1 FROM event WHERE event.lane = lane.lane AND state = 'pending')

-- name: drop_empty_lanes
-- Of these; but for those to which something has come meanwhile.
DELETE FROM lane
WHERE first_event IN (SELECT value FROM json_each(:firsts)) AND claimed_event IS NULL
    AND NOT EXISTS (SELECT 1 FROM event WHERE event.lane = lane.lane AND state = 'pending')

-- name: erase_reports_of_sends
-- Those on the messages that were sent to them, and those that carry our reference where Sinch's answer never came.
DELETE FROM report
WHERE (message_id, connector_id) IN (
        SELECT message_id, connector_id FROM send WHERE id IN (SELECT value FROM json_each(:ids))
    )
    OR correlation_id IN (SELECT reference FROM send WHERE id IN (SELECT value FROM json_each(:ids)))

-- name: erase_sends
-- After the reports on them: these say which.
DELETE FROM send WHERE id IN (SELECT value FROM json_each(:ids)) RETURNING 1

-- Nodes that share the spool: gateway/store/nodes.py. Of a file there is one.

-- name: beat
-- A node is there. Who finds another process in its row, where it has been itself before, is not alone with its name.
INSERT INTO node (name, instance, host, release, build, revision, draining, seen_at)
VALUES (:name, :instance, :host, :release, :build, :revision, :draining, :seen_at)
ON CONFLICT (name) DO UPDATE SET
    rival_host = CASE WHEN node.instance != excluded.instance AND :again THEN node.host ELSE node.rival_host END,
    rival_at = CASE WHEN node.instance != excluded.instance AND :again THEN excluded.seen_at ELSE node.rival_at END,
    instance = excluded.instance, host = excluded.host, release = excluded.release, build = excluded.build,
    revision = excluded.revision, draining = excluded.draining, seen_at = excluded.seen_at, left_at = NULL
RETURNING rival_at

-- name: leave
-- Nobody shall miss it. Where another has its name meanwhile, that one is there.
UPDATE node SET left_at = :now WHERE name = :name AND instance = :instance

-- name: nodes
-- All that are known, gone ones too.
SELECT name, host, release, build, revision, draining, seen_at, left_at, rival_host, rival_at
FROM node ORDER BY name

-- name: nodes_there
-- Beside that one, in columns that an older schema has, too: whoever changes it asks.
SELECT name, release, revision FROM node WHERE name != :name AND left_at IS NULL AND seen_at >= :since ORDER BY name

-- name: forget_node
-- Not one that is there.
DELETE FROM node WHERE name = :name AND (left_at IS NOT NULL OR seen_at < :before) RETURNING 1

-- name: marks
-- What the doors of each node work with.
SELECT node, door, marks FROM node_door

-- name: put_marks
-- Several workers of a door say the same at once.
INSERT INTO node_door (node, door, marks) VALUES (:node, :door, :marks)
ON CONFLICT (node, door) DO UPDATE SET marks = excluded.marks

-- name: drop_marks
-- Of a door that is no more.
DELETE FROM node_door WHERE node = :node AND door = :door

-- name: forget_marks
-- Of a node that is gone.
DELETE FROM node_door WHERE node = :node


-- What customers send in: gateway/inbound/

-- name: media_of_event
-- How many of its links are still to be seen to. Asked before its files: what is settled meanwhile is seen.
SELECT media FROM event WHERE id = :event_id

-- name: files_of_event
-- All, or that one.
SELECT event_id, number, connector_id, place, state, digest, size_bytes, name, mime, verdict, reason, at
FROM inbound_file
WHERE event_id = :event_id AND (CAST(:number AS bigint) IS NULL OR number = :number) ORDER BY number

-- name: uncount_try
-- It was claimed, and not tried.
UPDATE event SET tries = tries - 1
WHERE id = :event_id AND state = 'pending' AND EXISTS (SELECT 1 FROM lane WHERE lane = :lane AND claim = :claim)

-- name: wait_for_files
-- Unless they have come between the look and this: whoever settles them wakes free lanes alone.
UPDATE lane
SET due_at = CASE
        WHEN EXISTS (SELECT 1 FROM event WHERE id = :event_id AND media > 0) THEN CAST(:due_at AS double precision)
        ELSE 0.0
    END, claimed_event = NULL, courier = NULL, claim = NULL, leased_until = NULL, suspect = FALSE
WHERE lane = :lane AND claim = :claim RETURNING 1

-- name: note_finding
-- Something that an operator should know of an event, said once.
UPDATE event SET findings = trim(findings || ' ' || CAST(:finding AS text))
WHERE id = :event_id AND ' ' || findings || ' ' NOT LIKE :said

-- What operators release of it: gateway/inbound/held.py

-- name: count_held
-- That wait for an operator.
SELECT count(*) FROM inbound_file WHERE state = 'held'

-- name: release_file
-- Only once.
UPDATE inbound_file SET state = 'released', at = :at
WHERE event_id = :event_id AND number = :number AND state = 'held' RETURNING 1

-- What is fetched of it: gateway/inbound/errands.py

-- name: new_media
-- Events with links that nobody has looked at.
SELECT id, connector_id, body FROM event
WHERE media > 0 AND NOT EXISTS (SELECT 1 FROM inbound_file WHERE event_id = event.id)
ORDER BY id LIMIT :most

-- name: add_file
-- Another node may have done so.
INSERT INTO inbound_file (event_id, number, connector_id, place, url, state, at)
VALUES (:event_id, :number, :connector_id, :place, :url, 'waiting', :now) ON CONFLICT DO NOTHING

-- name: due_files
-- What was never tried comes first. What is held because nobody could look into it is looked at again.
SELECT event_id, number, reason, state
FROM (
    SELECT event_id, number, reason, state, due_at FROM inbound_file
    WHERE state = 'waiting' AND due_at <= :now AND (leased_until IS NULL OR leased_until <= :now)
    UNION ALL
    SELECT event_id, number, reason, state, due_at FROM inbound_file
    WHERE state = 'held' AND due_at > 0.0 AND due_at <= :now AND (leased_until IS NULL OR leased_until <= :now)
) AS due
ORDER BY due_at, event_id, number LIMIT :most

-- name: take_file
-- Unless another has it. Of what is waiting the reason is that of who dies with it, until somebody says otherwise.
UPDATE inbound_file
SET fetcher = :fetcher, leased_until = :until, tries = tries + 1,
    reason = CASE state WHEN 'waiting' THEN :reason ELSE reason END
WHERE event_id = :event_id AND number = :number AND state IN ('waiting', 'held') AND due_at <= :now
    AND (leased_until IS NULL OR leased_until <= :now)
RETURNING connector_id, url, tries

-- name: event_of_file
-- Whose turn it is part of.
SELECT lane, accepted_at FROM event WHERE id = :event_id

-- name: settle_file
-- Whatever an operator has done with it meanwhile stays.
UPDATE inbound_file
SET state = :state, reason = :reason, digest = :digest, size_bytes = :size_bytes, name = :name, mime = :mime,
    verdict = :verdict, inspection = :inspection, due_at = :due_at, fetcher = NULL, leased_until = NULL, at = :now
WHERE event_id = :event_id AND number = :number AND state IN ('waiting', 'held') AND fetcher = :fetcher

-- name: postpone_file
-- As above.
UPDATE inbound_file SET reason = :reason, due_at = :due_at, fetcher = NULL, leased_until = NULL, at = :now
WHERE event_id = :event_id AND number = :number AND state IN ('waiting', 'held') AND fetcher = :fetcher

-- name: count_media
-- How many of its links are still to be seen to.
UPDATE event
SET media = (SELECT count(*) FROM inbound_file WHERE event_id = event.id AND inbound_file.state = 'waiting')
WHERE id = :event_id RETURNING media

-- name: wake_for_files
-- Of an event that need not wait for its files any more.
UPDATE lane SET due_at = 0.0
WHERE lane = :lane AND first_event = :event_id AND claimed_event IS NULL AND due_at > 0.0

-- name: free_files
-- What a fetcher has died with.
UPDATE inbound_file SET fetcher = NULL, leased_until = NULL WHERE fetcher = :fetcher AND leased_until IS NOT NULL

-- name: let_go_files
-- What a fetcher that stops has in hand: nobody has died with it.
UPDATE inbound_file SET fetcher = NULL, leased_until = NULL, tries = tries - 1, reason = ''
WHERE fetcher = :fetcher AND leased_until IS NOT NULL AND state = 'waiting'

-- name: forget_attachment
-- Of an event that is gone: the vault then has its file for nobody.
DELETE FROM attachment WHERE attachment_id = :attachment_id

-- name: drop_files
-- Of an event that is gone.
DELETE FROM inbound_file WHERE event_id = :event_id

-- name: customers_files
-- That are kept for now: nobody could fetch them anew.
SELECT DISTINCT digest FROM attachment
WHERE attachment_id >= 'in' AND attachment_id < 'io' AND live_until > :now AND digest IS NOT NULL

-- name: past_customers_files
-- Of one vault those that nothing else has, past their time, whose events Motion has got or will never get.
SELECT stored_file.digest, max(stored_file.size_bytes)
FROM stored_file JOIN attachment ON attachment.digest = stored_file.digest
WHERE place = :place AND NOT EXISTS (
    SELECT 1 FROM inbound_file JOIN event ON event.id = inbound_file.event_id
    WHERE inbound_file.digest = stored_file.digest AND event.state = 'pending'
)
GROUP BY stored_file.digest
HAVING max(live_until) <= :now AND min(CASE WHEN attachment_id LIKE 'in%' THEN 1 ELSE 0 END) = 1

-- name: customers_bytes
-- Of the files in a vault that customers sent and that are kept for now, each counted once.
SELECT coalesce(sum(size_bytes), 0) FROM stored_file
WHERE place = :place AND digest IN (
    SELECT digest FROM attachment
    WHERE attachment_id >= 'in' AND attachment_id < 'io' AND live_until > :now AND digest IS NOT NULL
)
