-- Step 3: who holds which runs. Times are unix times in seconds.
CREATE TABLE run_holding (
    task_id TEXT PRIMARY KEY,
    holder TEXT,                            -- null: the run has ended
    until REAL NOT NULL                     -- from then on the row counts as absent
) WITHOUT ROWID;
CREATE INDEX run_holding_until ON run_holding (until);
