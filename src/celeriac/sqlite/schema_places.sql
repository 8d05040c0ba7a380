-- Step 4: where a message stands is in a narrow table of its own. So a publish appends to one table and touches no index,
-- and a message is written once, however large it is.

-- A message from publish to settlement. It is ready (node and not_before are null), delayed (node is null) or in flight.
-- Who publishes one message by one statement writes no place. It gets one when somebody takes ('line_up'), in the order
-- of the ids. A new message's id is above that of every message, so above that of every place: those that have no place
-- yet are the ones above the highest. That holds as long as message and place are deleted together.
CREATE TABLE place (
    id INTEGER PRIMARY KEY,                 -- the message's: the order of arrival
    queue TEXT NOT NULL,
    urgency INTEGER NOT NULL,               -- minus the priority, so that the index runs in the order of delivery
    not_before REAL,                        -- null once it is due
    node INTEGER,                           -- who has it in flight
    execution INTEGER NOT NULL DEFAULT 0,   -- the number of the take that it was last part of; 0: its end is settled
    deliveries INTEGER NOT NULL DEFAULT 0   -- how often it was taken
);
INSERT INTO place (id, queue, urgency, not_before, node, execution, deliveries)
SELECT id, queue, urgency, not_before, node, execution, deliveries FROM message;
CREATE INDEX place_ready ON place (queue, urgency) WHERE node IS NULL AND not_before IS NULL;
CREATE INDEX place_delayed ON place (queue, not_before) WHERE node IS NULL AND not_before IS NOT NULL;
CREATE INDEX place_in_flight ON place (node) WHERE node IS NOT NULL;

-- From here on a message's row says how it was published, and only its envelope changes. Of processes of an older version
-- that have the file open, those that publish go on; those that take find no index, which is an error; and what they
-- have in flight they cannot settle, as if others had taken it: it goes back to its queue when they are gone.
DROP INDEX message_ready;
DROP INDEX message_delayed;
DROP INDEX message_in_flight;
UPDATE message SET execution = -1 WHERE execution > 0;
