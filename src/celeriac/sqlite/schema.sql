-- Step 1: messages and results. PRAGMA user_version says how many steps a file has taken (queries.SCHEMA_STEPS).
-- Times are unix times in seconds.

CREATE TABLE queue (
    name TEXT PRIMARY KEY
) WITHOUT ROWID;

-- A message from publish to settlement. It is ready (node and not_before are null), delayed (node is null) or in flight.
CREATE TABLE message (
    id INTEGER PRIMARY KEY,                 -- the order of arrival
    queue TEXT NOT NULL,
    urgency INTEGER NOT NULL,               -- minus the priority, so that the index runs in the order of delivery
    not_before REAL,                        -- null once it is due
    node INTEGER,                           -- who has it in flight
    execution INTEGER NOT NULL DEFAULT 0,   -- the number of the take that it was last part of; 0: its end is settled
    deliveries INTEGER NOT NULL DEFAULT 0,  -- how often it was taken
    envelope BLOB NOT NULL
);
CREATE INDEX message_ready ON message (queue, urgency) WHERE node IS NULL AND not_before IS NULL;
CREATE INDEX message_delayed ON message (queue, not_before) WHERE node IS NULL AND not_before IS NOT NULL;
CREATE INDEX message_in_flight ON message (node) WHERE node IS NOT NULL;

-- 'execution': the number of the last take. It never falls, so it fences results.
-- 'identity': tells this file from another one of the same name that took its place.
CREATE TABLE counter (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO counter (name, value) VALUES ('execution', 0), ('identity', random());

CREATE TABLE dead_letter (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    task_id TEXT NOT NULL,
    queue TEXT NOT NULL,
    task TEXT NOT NULL,
    reason TEXT NOT NULL,
    died_at REAL NOT NULL,
    envelope BLOB NOT NULL
);
CREATE INDEX dead_letter_task_id ON dead_letter (task_id);

-- One consumer. Ids are never used twice: rows of message refer to them.
CREATE TABLE node (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    session TEXT NOT NULL UNIQUE,           -- names its lock file
    name TEXT NOT NULL,
    lease_until REAL NOT NULL,
    status BLOB NOT NULL
);

-- Who is to be rung when something is published to a queue ('queue:NAME') or broadcast on a channel ('channel:NAME').
CREATE TABLE listener (
    topic TEXT NOT NULL,
    bell TEXT NOT NULL,
    PRIMARY KEY (topic, bell)
) WITHOUT ROWID;

-- Who is to be rung, once, when a task is ready.
CREATE TABLE result_waiter (
    task_id TEXT NOT NULL,
    bell TEXT NOT NULL,
    PRIMARY KEY (task_id, bell)
) WITHOUT ROWID;

CREATE TABLE broadcast (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    channel TEXT NOT NULL,
    payload BLOB NOT NULL,
    sent_at REAL NOT NULL
);

-- A rowid table: documents are appended, and only the small index is written at random places.
CREATE TABLE result (
    task_id TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL,
    document BLOB NOT NULL,
    content_type TEXT NOT NULL,
    content_encoding TEXT NOT NULL,
    execution INTEGER NOT NULL,
    expires_at REAL                         -- null: never
);
CREATE INDEX result_expiry ON result (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE result_group (
    group_id TEXT PRIMARY KEY,
    document BLOB NOT NULL,
    expires_at REAL
);

CREATE TABLE chord (
    group_id TEXT PRIMARY KEY,
    completed_by INTEGER,                   -- the part that came in last, and gets the documents
    expires_at REAL
);
CREATE TABLE chord_part (
    group_id TEXT NOT NULL,
    position INTEGER NOT NULL,
    document BLOB NOT NULL,
    PRIMARY KEY (group_id, position)
) WITHOUT ROWID;
