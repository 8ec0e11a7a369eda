-- The station's record: entries and claims are added, never changed and never taken away.
CREATE TABLE IF NOT EXISTS entry (
  number   INTEGER PRIMARY KEY CHECK (number > 0),
  at       TEXT NOT NULL,                 -- UTC, ISO 8601
  kind     TEXT NOT NULL,                 -- write, claim, provision, test, label, export
  unit     TEXT NOT NULL,                 -- hardware id: chip or medium serial
  body     TEXT NOT NULL,                 -- canonical JSON; null means unknown, never "no"
  previous BLOB NOT NULL,
  digest   BLOB NOT NULL UNIQUE
) STRICT;
CREATE TABLE IF NOT EXISTS claim (
  serial TEXT PRIMARY KEY,
  unit   TEXT NOT NULL UNIQUE,            -- a unit has one number for ever
  mac    TEXT UNIQUE,
  at     TEXT NOT NULL
) STRICT;
CREATE TRIGGER IF NOT EXISTS entry_kept  BEFORE UPDATE ON entry BEGIN SELECT RAISE(ABORT, 'entries are never changed'); END;
CREATE TRIGGER IF NOT EXISTS entry_stays BEFORE DELETE ON entry BEGIN SELECT RAISE(ABORT, 'entries are never taken away'); END;
CREATE TRIGGER IF NOT EXISTS claim_kept  BEFORE UPDATE ON claim BEGIN SELECT RAISE(ABORT, 'numbers are never changed'); END;
CREATE TRIGGER IF NOT EXISTS claim_stays BEFORE DELETE ON claim BEGIN SELECT RAISE(ABORT, 'numbers are never used again'); END;
