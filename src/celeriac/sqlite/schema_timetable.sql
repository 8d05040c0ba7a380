-- Step 2: the timetable. Times are unix times in seconds.

-- Grows with every change of an entry; its value then is that entry's generation, which so is never the same again.
INSERT INTO counter (name, value) VALUES ('timetable', 0);

CREATE TABLE schedule_entry (
    name TEXT PRIMARY KEY,
    source TEXT NOT NULL,
    definition BLOB NOT NULL,               -- what the user says (ScheduleEntry.encode)
    digest TEXT NOT NULL,                   -- of all of it, and of when it runs
    timing TEXT NOT NULL,
    enabled INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    next_at REAL,                           -- the next due moment; null: there is none
    look_at REAL,                           -- from when on it is due; null: not before somebody changes it
    paused_until REAL,                      -- infinity: until it is resumed
    last_due REAL,
    last_run_id TEXT,
    last_published_at REAL,
    lateness REAL,
    runs INTEGER NOT NULL DEFAULT 0,
    missed INTEGER NOT NULL DEFAULT 0,
    skipped INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX schedule_entry_look ON schedule_entry (look_at, name) WHERE look_at IS NOT NULL;
CREATE INDEX schedule_entry_source ON schedule_entry (source);

-- The history of entries. 'number' counts an entry's runs.
CREATE TABLE schedule_run (
    entry TEXT NOT NULL,
    number INTEGER NOT NULL,
    id TEXT NOT NULL,
    due REAL NOT NULL,
    published_at REAL,                      -- null: it is pending
    lateness REAL NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (entry, number)
) WITHOUT ROWID;

-- Runs that are claimed, and published by other means than this file.
CREATE TABLE schedule_pending (
    position INTEGER PRIMARY KEY,           -- the order of the claims
    run_id TEXT NOT NULL UNIQUE,
    entry TEXT NOT NULL,
    number INTEGER NOT NULL,
    due REAL NOT NULL,
    reason TEXT NOT NULL,
    claimed_at REAL NOT NULL,
    envelope BLOB NOT NULL
);
CREATE INDEX schedule_pending_age ON schedule_pending (claimed_at, position);

-- One row at the most.
CREATE TABLE schedule_leader (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    name TEXT NOT NULL,
    since REAL NOT NULL,
    until REAL NOT NULL
);
