-- The statements of the timetable; see queries.sql.

-- Changes

-- name: timetable_changes
SELECT value FROM counter WHERE name = 'timetable';

-- name: next_timetable_change
UPDATE counter SET value = value + 1 WHERE name = 'timetable';

-- Entries

-- name: known_entries
-- :source
SELECT name, source, digest, timing FROM schedule_entry INDEXED BY schedule_entry_source WHERE source = ?;

-- name: known_entries_of
-- :names (JSON)
SELECT name, source, digest, timing FROM schedule_entry WHERE name IN (SELECT value FROM json_each(?));

-- name: insert_entry
-- :source :definition :digest :timing :enabled :next_at :generation :name. It rests until ``look_again``.
INSERT INTO schedule_entry (source, definition, digest, timing, enabled, next_at, generation, name)
VALUES (?, ?, ?, ?, ?, ?, ?, ?);

-- name: change_entry
-- :source :definition :digest :timing :enabled :generation :name. The next moment stays.
UPDATE schedule_entry SET source = ?, definition = ?, digest = ?, timing = ?, enabled = ?, generation = ?
WHERE name = ?;

-- name: retime_entry
-- :source :definition :digest :timing :enabled :next_at :generation :name
UPDATE schedule_entry SET source = ?, definition = ?, digest = ?, timing = ?, enabled = ?, next_at = ?, generation = ?
WHERE name = ?;

-- name: pause_entry
-- :paused_until :generation :name
UPDATE schedule_entry SET paused_until = ?, generation = ? WHERE name = ?;

-- name: resume_entry
-- :next_at :generation :name
UPDATE schedule_entry SET paused_until = NULL, next_at = ?, generation = ? WHERE name = ?;

-- name: look_again
-- :name. After a change: base.moment_to_look, in SQL. 9e999 is infinity.
UPDATE schedule_entry SET look_at = CASE
    WHEN NOT enabled OR next_at IS NULL OR paused_until = 9e999 THEN NULL
    ELSE max(next_at, coalesce(paused_until, next_at))
END WHERE name = ?;

-- name: delete_entry
-- :name
DELETE FROM schedule_entry WHERE name = ?;

-- name: delete_entry_runs
-- :name
DELETE FROM schedule_run WHERE entry = ?;

-- What is due

-- name: due_entries
-- :now :limit. The columns are those of rows.to_state, and look_at.
SELECT definition, generation, next_at, last_due, last_run_id, last_published_at, lateness, runs, missed, skipped,
    paused_until, look_at
FROM schedule_entry INDEXED BY schedule_entry_look WHERE look_at <= ? ORDER BY look_at, name LIMIT ?;

-- name: next_look
-- :now. When the first of those that are not due will be.
SELECT look_at FROM schedule_entry INDEXED BY schedule_entry_look WHERE look_at > ? ORDER BY look_at LIMIT 1;

-- name: claim_moment
-- :next_at :look_at :missed :skipped :name :generation :due :now. Changes one row if the claim is had.
UPDATE schedule_entry
SET next_at = ?1, look_at = ?2, paused_until = CASE next_at WHEN ?1 THEN paused_until END,
    missed = missed + ?3, skipped = skipped + ?4
WHERE name = ?5 AND generation = ?6 AND next_at = ?7 AND enabled AND (paused_until IS NULL OR paused_until <= ?8);

-- name: count_entry_runs
-- :name
SELECT runs FROM schedule_entry WHERE name = ?;

-- name: note_runs
-- :runs :last_run_id :last_published_at :last_due (null: as before) :lateness (null: as before) :name
UPDATE schedule_entry SET runs = ?, last_run_id = ?, last_published_at = ?,
    last_due = coalesce(?, last_due), lateness = coalesce(?, lateness)
WHERE name = ?;

-- Runs

-- name: insert_run
-- :entry :number :id :due :published_at :lateness :reason
INSERT OR REPLACE INTO schedule_run (entry, number, id, due, published_at, lateness, reason)
VALUES (?, ?, ?, ?, ?, ?, ?);

-- name: delete_old_runs
-- :entry :number
DELETE FROM schedule_run WHERE entry = ? AND number <= ?;

-- name: history
-- :entry :limit
SELECT id, due, published_at, lateness, reason FROM schedule_run WHERE entry = ? ORDER BY number DESC LIMIT ?;

-- name: insert_pending
-- :run_id :entry :number :due :reason :claimed_at :envelope
INSERT OR REPLACE INTO schedule_pending (run_id, entry, number, due, reason, claimed_at, envelope)
VALUES (?, ?, ?, ?, ?, ?, ?);

-- name: pending_runs
-- :before :limit
SELECT run_id, due, reason, envelope FROM schedule_pending INDEXED BY schedule_pending_age
WHERE claimed_at <= ? ORDER BY claimed_at, position LIMIT ?;

-- name: pending_runs_of
-- :run_ids (JSON)
SELECT run_id, entry, number FROM schedule_pending WHERE run_id IN (SELECT value FROM json_each(?));

-- name: delete_pending
-- :run_ids (JSON)
DELETE FROM schedule_pending WHERE run_id IN (SELECT value FROM json_each(?));

-- name: mark_run_published
-- :published_at :entry :number :id
UPDATE schedule_run SET published_at = ? WHERE entry = ? AND number = ? AND id = ?;

-- name: mark_entry_published
-- :published_at :name :run_id
UPDATE schedule_entry SET last_published_at = ? WHERE name = ? AND last_run_id = ?;

-- Looking

-- name: entry
-- :name
SELECT definition, generation, next_at, last_due, last_run_id, last_published_at, lateness, runs, missed, skipped,
    paused_until
FROM schedule_entry WHERE name = ?;

-- name: entries_of
-- :names (JSON)
SELECT definition, generation, next_at, last_due, last_run_id, last_published_at, lateness, runs, missed, skipped,
    paused_until
FROM schedule_entry WHERE name IN (SELECT value FROM json_each(?));

-- name: entries_by_name
-- :limit :offset
SELECT definition, generation, next_at, last_due, last_run_id, last_published_at, lateness, runs, missed, skipped,
    paused_until
FROM schedule_entry ORDER BY name LIMIT ? OFFSET ?;

-- name: entries_by_moment
-- :limit :offset. Those that nobody looks at come last.
SELECT definition, generation, next_at, last_due, last_run_id, last_published_at, lateness, runs, missed, skipped,
    paused_until
FROM schedule_entry ORDER BY look_at IS NULL, look_at, name LIMIT ? OFFSET ?;

-- name: count_entries
SELECT count(*) FROM schedule_entry;

-- Who leads

-- name: leader
SELECT name, since, until FROM schedule_leader;

-- name: set_leader
-- :name :since :until
INSERT OR REPLACE INTO schedule_leader (id, name, since, until) VALUES (1, ?, ?, ?);

-- name: delete_leader
-- :name
DELETE FROM schedule_leader WHERE name = ?;
