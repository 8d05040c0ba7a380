-- Every statement of the SQLite engines, by name. What a colon begins is a parameter; a JSON parameter is a JSON array.
-- INDEXED BY: the plan shall not depend on statistics, and a missing index shall be an error, not a slow query.

-- name: identity
SELECT value FROM counter WHERE name = 'identity';

-- Queues

-- name: declare_queue
-- :name
INSERT OR IGNORE INTO queue (name) VALUES (?);

-- name: queue_names
SELECT name FROM queue ORDER BY name;

-- name: delete_queue
-- :name
DELETE FROM queue WHERE name = ?;

-- Messages: in

-- name: insert_message
-- :queue :urgency :not_before :envelope
INSERT INTO message (queue, urgency, not_before, envelope) VALUES (?, ?, ?, ?);

-- name: insert_message_alone
-- :urgency :not_before :envelope :queue :topic. Changes nothing if nobody has declared the queue. 'tell' gets the bells
-- of those who listen to the topic, if there are any, and returns null.
INSERT INTO message (queue, urgency, not_before, envelope)
SELECT name, ?1, ?2, ?3 FROM queue WHERE name = ?4 AND (
    NOT EXISTS (SELECT 1 FROM listener WHERE topic = ?5)
    OR tell((SELECT group_concat(bell) FROM listener WHERE topic = ?5)) IS NULL
);

-- Messages: their places

-- name: highest_place
-- Every message above it has no place yet. 0 if there is none.
SELECT coalesce(max(id), 0) FROM place;

-- name: line_up
-- :highest_place
INSERT INTO place (id, queue, urgency, not_before) SELECT id, queue, urgency, not_before FROM message WHERE id > ?;

-- name: any_without_place
-- :queues (JSON). One row if a message of theirs has no place yet.
SELECT 1 FROM message
WHERE id > (SELECT coalesce(max(id), 0) FROM place) AND queue IN (SELECT value FROM json_each(?)) LIMIT 1;

-- Messages: out

-- name: ready_queues
-- :queues (JSON) :limit. The places, in the array, of the first queues that have a ready message.
SELECT candidate.key FROM json_each(?) AS candidate
WHERE EXISTS (
    SELECT 1 FROM place INDEXED BY place_ready
    WHERE queue = candidate.value AND node IS NULL AND not_before IS NULL
) LIMIT ?;

-- name: next_due
-- When the first delayed message of the queues (JSON) is due; null if there is none.
SELECT min((
    SELECT not_before FROM place INDEXED BY place_delayed
    WHERE queue = candidate.value AND node IS NULL AND not_before IS NOT NULL
    ORDER BY not_before LIMIT 1
)) FROM json_each(?) AS candidate;

-- name: ripen
-- :queues (JSON) :now :limit. Delayed messages that are due become ready, at their place in the order of arrival.
UPDATE place SET not_before = NULL WHERE id IN (
    SELECT place.id FROM json_each(?) AS candidate
    CROSS JOIN place INDEXED BY place_delayed
    ON place.queue = candidate.value AND place.node IS NULL AND place.not_before <= ?
    LIMIT ?
);

-- name: first_ready
-- :queue :limit. The next to be delivered.
SELECT place.id, place.urgency, place.queue, message.envelope, place.deliveries
FROM place INDEXED BY place_ready CROSS JOIN message ON message.id = place.id
WHERE place.queue = ? AND place.node IS NULL AND place.not_before IS NULL
ORDER BY place.urgency, place.id LIMIT ?;

-- name: next_execution
UPDATE counter SET value = value + 1 WHERE name = 'execution';

-- name: current_execution
SELECT value FROM counter WHERE name = 'execution';

-- name: take
-- :node :execution :ids (JSON)
UPDATE place SET node = ?, execution = ?, deliveries = deliveries + 1
WHERE id IN (SELECT value FROM json_each(?));

-- Messages: the end of a delivery

-- name: executions
-- :ids (JSON). Who took them last.
SELECT id, execution FROM place WHERE id IN (SELECT value FROM json_each(?));

-- name: delete_messages
-- :ids (JSON). Their places go in the same transaction.
DELETE FROM message WHERE id IN (SELECT value FROM json_each(?));

-- name: delete_places
-- :ids (JSON)
DELETE FROM place WHERE id IN (SELECT value FROM json_each(?));

-- name: delete_taken_places
-- :ids (JSON) :execution. Those of them whose last take had this number.
DELETE FROM place WHERE id IN (SELECT value FROM json_each(?)) AND execution = ?;

-- name: requeue
-- :ids (JSON). Ready again at their old place, which is the head; execution 0 because this delivery has ended.
UPDATE place SET node = NULL, execution = 0, not_before = NULL WHERE id IN (SELECT value FROM json_each(?));

-- name: replace_envelope
-- :envelope :id
UPDATE message SET envelope = ? WHERE id = ?;

-- name: replace_place
-- :queue :urgency :not_before :id
UPDATE place
SET queue = ?, urgency = ?, not_before = ?, node = NULL, execution = 0, deliveries = 0
WHERE id = ?;

-- name: give_back
-- :node. Ready again, but with their execution: until somebody takes one, its old delivery may still be settled.
UPDATE place SET node = NULL WHERE node = ?;

-- name: queues_in_flight
-- :node
SELECT DISTINCT queue FROM place INDEXED BY place_in_flight WHERE node = ?;

-- Messages: looking

-- name: count_ready
-- :queue
SELECT count(*) FROM place INDEXED BY place_ready WHERE queue = ? AND node IS NULL AND not_before IS NULL;

-- name: count_delayed
-- :now :queue. All, and those of them that are due.
SELECT count(*), count(CASE WHEN not_before <= ? THEN 1 END) FROM place INDEXED BY place_delayed
WHERE queue = ? AND node IS NULL AND not_before IS NOT NULL;

-- name: count_in_flight
-- :queue
SELECT count(*) FROM place INDEXED BY place_in_flight WHERE queue = ? AND node IS NOT NULL;

-- name: count_without_place
-- :now :queue. Those without a place: all, those of them that are delayed, and those of these that are not due.
SELECT count(*), count(not_before), count(CASE WHEN not_before > ? THEN 1 END) FROM message
WHERE id > (SELECT coalesce(max(id), 0) FROM place) AND queue = ?;

-- name: peek_ready
-- :queue :limit :offset. Also those without a place, which are few.
SELECT message.envelope FROM (
    SELECT id, urgency FROM place INDEXED BY place_ready
    WHERE queue = ?1 AND node IS NULL AND not_before IS NULL
    UNION ALL
    SELECT id, urgency FROM message
    WHERE id > (SELECT coalesce(max(id), 0) FROM place) AND queue = ?1 AND not_before IS NULL
    ORDER BY urgency, id LIMIT ?2 OFFSET ?3
) AS found CROSS JOIN message ON message.id = found.id ORDER BY found.urgency, found.id;

-- name: peek_delayed
-- :queue :limit :offset. Also those without a place.
SELECT message.envelope FROM (
    SELECT id, not_before FROM place INDEXED BY place_delayed
    WHERE queue = ?1 AND node IS NULL AND not_before IS NOT NULL
    UNION ALL
    SELECT id, not_before FROM message
    WHERE id > (SELECT coalesce(max(id), 0) FROM place) AND queue = ?1 AND not_before IS NOT NULL
    ORDER BY not_before, id LIMIT ?2 OFFSET ?3
) AS found CROSS JOIN message ON message.id = found.id ORDER BY found.not_before, found.id;

-- name: first_ready_ids
-- :queue :limit
SELECT id FROM place INDEXED BY place_ready WHERE queue = ? AND node IS NULL AND not_before IS NULL LIMIT ?;

-- name: first_delayed_ids
-- :queue :limit
SELECT id FROM place INDEXED BY place_delayed WHERE queue = ? AND node IS NULL AND not_before IS NOT NULL LIMIT ?;

-- Dead letters

-- name: insert_dead_letter
-- :task_id :queue :task :reason :died_at :envelope
INSERT INTO dead_letter (task_id, queue, task, reason, died_at, envelope) VALUES (?, ?, ?, ?, ?, ?);

-- name: dead_letters
-- :limit :offset
SELECT task_id, queue, task, reason, died_at, envelope FROM dead_letter ORDER BY id DESC LIMIT ? OFFSET ?;

-- name: dead_letters_of
-- :task_id
SELECT task_id, queue, task, reason, died_at, envelope FROM dead_letter WHERE task_id = ? ORDER BY id DESC;

-- name: dead_letters_to_retry
-- :limit
SELECT id, queue, envelope FROM dead_letter ORDER BY id LIMIT ?;

-- name: dead_letters_to_retry_of
-- :task_ids (JSON)
SELECT id, queue, envelope FROM dead_letter
WHERE task_id IN (SELECT value FROM json_each(?)) ORDER BY id;

-- name: delete_dead_letters
-- :ids (JSON)
DELETE FROM dead_letter WHERE id IN (SELECT value FROM json_each(?));

-- name: delete_dead_letters_of
-- :task_ids (JSON)
DELETE FROM dead_letter WHERE task_id IN (SELECT value FROM json_each(?));

-- name: delete_all_dead_letters
DELETE FROM dead_letter;

-- Nodes

-- name: insert_node
-- :session :name :lease_until
INSERT INTO node (session, name, lease_until, status) VALUES (?, ?, ?, x'');

-- name: renew_node
-- :lease_until :status (null: as before) :id
UPDATE node SET lease_until = ?, status = coalesce(?, status) WHERE id = ?;

-- name: nodes
SELECT id, session, name, lease_until, status FROM node ORDER BY name, id;

-- name: node_with_deliveries
-- :id. One row if a message is in flight there.
SELECT 1 FROM place INDEXED BY place_in_flight WHERE node = ? LIMIT 1;

-- name: orphans
-- Ids that messages are in flight with and that no node has: a row was removed by hand.
SELECT DISTINCT node FROM place INDEXED BY place_in_flight
WHERE node IS NOT NULL AND node NOT IN (SELECT id FROM node);

-- name: delete_node
-- :id
DELETE FROM node WHERE id = ?;

-- Bells

-- name: insert_listener
-- :topic :bell
INSERT OR IGNORE INTO listener (topic, bell) VALUES (?, ?);

-- name: delete_listener
-- :topic :bell
DELETE FROM listener WHERE topic = ? AND bell = ?;

-- name: listening_or_undeclared
-- :topic :queue. Bells; and null if nobody has declared the queue.
SELECT bell FROM listener WHERE topic = ? UNION ALL SELECT NULL WHERE NOT EXISTS (SELECT 1 FROM queue WHERE name = ?);

-- name: listening
-- :topic
SELECT bell FROM listener WHERE topic = ?;

-- name: known_bells
SELECT DISTINCT bell FROM listener UNION SELECT DISTINCT bell FROM result_waiter;

-- name: forget_bell_of_listener
-- :bell
DELETE FROM listener WHERE bell = ?;

-- name: forget_bell_of_result_waiter
-- :bell
DELETE FROM result_waiter WHERE bell = ?;

-- name: insert_result_waiter
-- :task_id :bell
INSERT OR IGNORE INTO result_waiter (task_id, bell) VALUES (?, ?);

-- name: delete_result_waiter
-- :task_id :bell
DELETE FROM result_waiter WHERE task_id = ? AND bell = ?;

-- name: any_result_waiter
SELECT 1 FROM result_waiter LIMIT 1;

-- name: result_waiters
-- :task_ids (JSON)
SELECT task_id, bell FROM result_waiter WHERE task_id IN (SELECT value FROM json_each(?));

-- name: delete_result_waiters
-- :task_ids (JSON)
DELETE FROM result_waiter WHERE task_id IN (SELECT value FROM json_each(?));

-- Broadcasts

-- name: insert_broadcast
-- :channel :payload :sent_at
INSERT INTO broadcast (channel, payload, sent_at) VALUES (?, ?, ?);

-- name: delete_old_broadcasts
-- :before
DELETE FROM broadcast WHERE sent_at < ?;

-- name: last_broadcast
-- The highest id ever given; nothing if there was none.
SELECT seq FROM sqlite_sequence WHERE name = 'broadcast';

-- name: broadcasts_after
-- :id :channel
SELECT id, payload FROM broadcast WHERE id > ? AND channel = ? ORDER BY id;

-- Results

-- name: store_result
-- :task_id :state :document :content_type :content_encoding :execution :expires_at :now
-- Changes one row, or none when what is there has not expired and stays: backends.base.may_replace says when. The
-- states in brackets are states.READY_STATES, the number is LAST_WORD.
INSERT INTO result (task_id, state, document, content_type, content_encoding, execution, expires_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
ON CONFLICT (task_id) DO UPDATE SET
    state = excluded.state,
    document = excluded.document,
    content_type = excluded.content_type,
    content_encoding = excluded.content_encoding,
    execution = max(execution, excluded.execution),
    expires_at = excluded.expires_at
WHERE expires_at <= ?8 OR (state <> 'SUCCESS' AND execution <> 9007199254740991
AND (excluded.execution <> 9007199254740991 OR state NOT IN ('SUCCESS', 'FAILURE', 'REVOKED')) AND (
    excluded.execution = 0 OR excluded.execution >= execution
    OR (state NOT IN ('SUCCESS', 'FAILURE', 'REVOKED') AND excluded.state IN ('SUCCESS', 'FAILURE', 'REVOKED'))
));

-- name: fetch_results
-- :now :task_ids (JSON)
SELECT task_id, state, document, content_type, content_encoding, execution FROM result
WHERE (expires_at IS NULL OR expires_at > ?) AND task_id IN (SELECT value FROM json_each(?));

-- name: ready_results
-- :now :task_ids (JSON). The states are states.READY_STATES.
SELECT task_id, state, document, content_type, content_encoding, execution FROM result
WHERE (expires_at IS NULL OR expires_at > ?) AND task_id IN (SELECT value FROM json_each(?))
AND state IN ('SUCCESS', 'FAILURE', 'REVOKED');

-- name: forget_results
-- :task_ids (JSON)
DELETE FROM result WHERE task_id IN (SELECT value FROM json_each(?));

-- name: prune_results
-- :now :limit
DELETE FROM result WHERE rowid IN (
    SELECT rowid FROM result INDEXED BY result_expiry WHERE expires_at <= ? ORDER BY expires_at LIMIT ?
);

-- name: save_group
-- :group_id :document :expires_at
INSERT OR REPLACE INTO result_group (group_id, document, expires_at) VALUES (?, ?, ?);

-- name: load_group
-- :group_id :now
SELECT document FROM result_group WHERE group_id = ? AND (expires_at IS NULL OR expires_at > ?);

-- name: forget_group
-- :group_id
DELETE FROM result_group WHERE group_id = ?;

-- name: prune_groups
-- :now
DELETE FROM result_group WHERE expires_at <= ?;

-- Chords

-- name: insert_chord
-- :group_id :expires_at
INSERT OR IGNORE INTO chord (group_id, expires_at) VALUES (?, ?);

-- name: insert_chord_part
-- :group_id :position :document
INSERT OR IGNORE INTO chord_part (group_id, position, document) VALUES (?, ?, ?);

-- name: count_chord_parts
-- :group_id
SELECT count(*) FROM chord_part WHERE group_id = ?;

-- name: complete_chord
-- :position :group_id :position. Changes one row for the part that completes the chord, however often it is told.
UPDATE chord SET completed_by = ? WHERE group_id = ? AND (completed_by IS NULL OR completed_by = ?);

-- name: chord_documents
-- :group_id
SELECT document FROM chord_part WHERE group_id = ? ORDER BY position;

-- name: prune_chord_parts
-- :now
DELETE FROM chord_part WHERE group_id IN (SELECT group_id FROM chord WHERE expires_at <= ?);

-- name: prune_chords
-- :now
DELETE FROM chord WHERE expires_at <= ?;
