-- Schema 1. `entry` is the truth and only ever grows; every other table is derived from it in the
-- same SQL transaction, so that a reader never folds years of entries.

CREATE TABLE entry (
  number  INTEGER PRIMARY KEY,
  topic   TEXT NOT NULL,
  name    TEXT NOT NULL,
  at      TEXT NOT NULL,
  operator TEXT NOT NULL,
  batch   INTEGER NOT NULL,
  stan    INTEGER NOT NULL,
  body    BLOB NOT NULL,
  mac     BLOB NOT NULL
) STRICT;
CREATE INDEX entry_topic ON entry (topic, number) WHERE topic <> 'money';
CREATE INDEX entry_key ON entry (batch, stan) WHERE stan > 0;

CREATE TRIGGER entry_never_changes BEFORE UPDATE ON entry
BEGIN SELECT RAISE(ABORT, 'journal entries are never changed'); END;
CREATE TRIGGER entry_never_goes BEFORE DELETE ON entry
BEGIN SELECT RAISE(ABORT, 'journal entries are never deleted'); END;

-- Also against REPLACE, which deletes without asking the trigger above (recursive_triggers is off).
CREATE TRIGGER entry_only_appended BEFORE INSERT ON entry
WHEN NEW.number <> (SELECT coalesce(max(number), 0) + 1 FROM entry)
BEGIN SELECT RAISE(ABORT, 'journal entries are only appended'); END;

CREATE TABLE counter (
  name  TEXT PRIMARY KEY,
  value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The chain's running key and head; sealed again with every entry.
CREATE TABLE chain (
  one  INTEGER PRIMARY KEY CHECK (one = 1),
  key  BLOB NOT NULL,
  head BLOB NOT NULL
) STRICT;

CREATE TABLE batch (
  number    INTEGER PRIMARY KEY,
  sequence  INTEGER NOT NULL UNIQUE,
  opened_at TEXT NOT NULL,
  frozen    INTEGER NOT NULL DEFAULT 0,
  closed_at TEXT,
  result    BLOB
) STRICT;

CREATE TABLE txn (
  batch        INTEGER NOT NULL,
  stan         INTEGER NOT NULL,
  state        TEXT NOT NULL,
  ksn          INTEGER NOT NULL,
  kind         TEXT NOT NULL,
  amount       INTEGER NOT NULL,
  intent       BLOB NOT NULL,
  offline      INTEGER NOT NULL DEFAULT 0,
  answer       BLOB,
  concluded_at TEXT,
  refunded     INTEGER NOT NULL DEFAULT 0,
  voided       INTEGER NOT NULL DEFAULT 0,
  open_owed    INTEGER NOT NULL DEFAULT 0,
  reason       TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (batch, stan)
) STRICT, WITHOUT ROWID;
CREATE INDEX txn_in_doubt ON txn (batch, stan) WHERE state = 'begun';

-- Numbers are never used again: an answer to an ended message must not end a later one.
CREATE TABLE owed (
  number   INTEGER PRIMARY KEY AUTOINCREMENT,
  rank     INTEGER NOT NULL,
  kind     TEXT NOT NULL,
  batch    INTEGER NOT NULL,
  stan     INTEGER NOT NULL,
  reason   TEXT NOT NULL,
  sealed   BLOB NOT NULL,
  body     BLOB NOT NULL,
  amount   INTEGER NOT NULL,
  since    TEXT NOT NULL,
  rejected TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX owed_order ON owed (rank, number) WHERE rejected = '';

CREATE TABLE job (
  number    INTEGER PRIMARY KEY,
  rank      INTEGER NOT NULL,
  kind      TEXT NOT NULL,
  subject   TEXT NOT NULL,
  copy      TEXT NOT NULL,
  duplicate INTEGER NOT NULL,
  state     TEXT NOT NULL,
  band      INTEGER NOT NULL DEFAULT 0,
  reason    TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX job_open ON job (rank, number) WHERE state NOT IN ('done', 'void');
CREATE INDEX job_subject ON job (kind, subject, copy);
