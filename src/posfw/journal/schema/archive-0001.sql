-- The archive: entries that left the journal, and the rows derived from them. `step` says with which
-- move a row came; a row that was changed since (a refund of an old sale) came again with a later one.

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
CREATE INDEX entry_key ON entry (batch, stan) WHERE stan > 0;

CREATE TABLE step (
  number  INTEGER PRIMARY KEY,
  through INTEGER NOT NULL,
  head    BLOB NOT NULL
) STRICT;

-- Up to here the journal has let go of its own rows: nothing may be taken away any more.
CREATE TABLE confirmed (
  one     INTEGER PRIMARY KEY CHECK (one = 1),
  through INTEGER NOT NULL
) STRICT;
INSERT INTO confirmed VALUES (1, 0);

CREATE TRIGGER entry_never_changes BEFORE UPDATE ON entry
BEGIN SELECT RAISE(ABORT, 'journal entries are never changed'); END;
CREATE TRIGGER entry_never_goes BEFORE DELETE ON entry
WHEN OLD.number <= (SELECT through FROM confirmed)
BEGIN SELECT RAISE(ABORT, 'journal entries are never deleted'); END;
CREATE TRIGGER entry_only_appended BEFORE INSERT ON entry
WHEN NEW.number <> (SELECT coalesce(max(number), 0) + 1 FROM entry)
BEGIN SELECT RAISE(ABORT, 'journal entries are only appended'); END;

CREATE TABLE batch (
  number    INTEGER PRIMARY KEY,
  sequence  INTEGER NOT NULL UNIQUE,
  opened_at TEXT NOT NULL,
  closed_at TEXT,
  result    BLOB,
  step      INTEGER NOT NULL
) STRICT;
CREATE INDEX batch_step ON batch (step);

CREATE TABLE txn (
  batch        INTEGER NOT NULL,
  stan         INTEGER NOT NULL,
  state        TEXT NOT NULL,
  ksn          INTEGER NOT NULL,
  kind         TEXT NOT NULL,
  amount       INTEGER NOT NULL,
  intent       BLOB NOT NULL,
  offline      INTEGER NOT NULL,
  answer       BLOB,
  concluded_at TEXT,
  refunded     INTEGER NOT NULL,
  voided       INTEGER NOT NULL,
  open_owed    INTEGER NOT NULL,
  reason       TEXT NOT NULL,
  step         INTEGER NOT NULL,
  PRIMARY KEY (batch, stan)
) STRICT, WITHOUT ROWID;
CREATE INDEX txn_step ON txn (step);

CREATE TABLE job (
  number    INTEGER PRIMARY KEY,
  rank      INTEGER NOT NULL,
  kind      TEXT NOT NULL,
  subject   TEXT NOT NULL,
  copy      TEXT NOT NULL,
  duplicate INTEGER NOT NULL,
  state     TEXT NOT NULL,
  band      INTEGER NOT NULL,
  reason    TEXT NOT NULL,
  step      INTEGER NOT NULL
) STRICT;
CREATE INDEX job_subject ON job (kind, subject, copy);
CREATE INDEX job_step ON job (step);
