-- Schema 2: what is settled moves into an archive beside the journal, oldest first.

-- How far: the last entry that moved, its code, and a digest over the entries up to there that
-- stayed (records that slices fold). The newest entry "archive/moved" seals the same facts.
CREATE TABLE archived (
  one     INTEGER PRIMARY KEY CHECK (one = 1),
  step    INTEGER NOT NULL,
  through INTEGER NOT NULL,
  head    BLOB NOT NULL,
  kept    BLOB NOT NULL
) STRICT;
INSERT INTO archived VALUES (1, 0, 0, zeroblob(32), zeroblob(32));

DROP TRIGGER entry_never_goes;
CREATE TRIGGER entry_never_goes BEFORE DELETE ON entry
WHEN OLD.number > (SELECT through FROM archived) OR OLD.topic NOT IN ('money', 'print', 'archive')
BEGIN SELECT RAISE(ABORT, 'journal entries are never deleted'); END;
