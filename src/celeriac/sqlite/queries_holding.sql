-- Runs that are held

-- name: hold_run
-- :task_id :holder :until :now
-- Changes one row, or none when another one holds the run or it has ended. The states are states.READY_STATES.
INSERT INTO run_holding (task_id, holder, until)
SELECT ?1, ?2, ?3 WHERE NOT EXISTS (
    SELECT 1 FROM result
    WHERE task_id = ?1 AND state IN ('SUCCESS', 'FAILURE', 'REVOKED') AND (expires_at IS NULL OR expires_at > ?4)
)
ON CONFLICT (task_id) DO UPDATE SET holder = excluded.holder, until = excluded.until
WHERE until <= ?4 OR holder = excluded.holder;

-- name: run_has_ended
-- :task_id :now
SELECT 1 FROM run_holding WHERE task_id = ?1 AND holder IS NULL AND until > ?2
UNION ALL
SELECT 1 FROM result
WHERE task_id = ?1 AND state IN ('SUCCESS', 'FAILURE', 'REVOKED') AND (expires_at IS NULL OR expires_at > ?2);

-- name: end_run
-- :task_id :until
INSERT OR REPLACE INTO run_holding (task_id, holder, until) VALUES (?, NULL, ?);

-- name: let_go_of_runs
-- :holder :task_ids (JSON)
DELETE FROM run_holding WHERE holder = ? AND task_id IN (SELECT value FROM json_each(?));

-- name: prune_holdings
-- :now :limit
DELETE FROM run_holding WHERE task_id IN (
    SELECT task_id FROM run_holding INDEXED BY run_holding_until WHERE until <= ? ORDER BY until LIMIT ?
);
