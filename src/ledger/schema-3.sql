-- Schema 3: what a score needs of the facts, and the months that were closed.

-- The fact that this one sets right.
ALTER TABLE fact ADD COLUMN amends TEXT;
CREATE INDEX fact_amends ON fact (amends) WHERE amends IS NOT NULL;
-- Of these a calculation wants one of each subject, of however many there are.
CREATE INDEX fact_subject ON fact (kind, subject, occurred)
    WHERE kind IN ('confirmed', 'reconciled');

-- Facts that were brought in from tables: the same row again is the same fact.
CREATE TABLE brought (
    digest BLOB PRIMARY KEY,
    fact   INTEGER NOT NULL
) WITHOUT ROWID, STRICT;

-- A month that was closed: what it came to, by what it was judged, and the facts that it covers:
-- all up to one, with a digest over the chains' ends there. The fact of the closing holds the
-- digest of the whole row.
CREATE TABLE period (
    month     TEXT NOT NULL,
    scheme    TEXT NOT NULL,
    closed_at INTEGER NOT NULL,
    last_fact INTEGER NOT NULL,
    facts     BLOB NOT NULL,
    judged_by BLOB NOT NULL,
    body      TEXT NOT NULL,
    digest    BLOB NOT NULL,
    PRIMARY KEY (month, scheme)
) WITHOUT ROWID, STRICT;

-- What the province found and wants mended. A fault is a case: what opens and closes it stands
-- among the facts. The row as the province wrote it is sealed.
CREATE TABLE mending (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    list       TEXT NOT NULL,
    number     TEXT NOT NULL,
    owner      TEXT NOT NULL,
    object     TEXT NOT NULL,
    deadline   INTEGER NOT NULL,
    state      TEXT NOT NULL,
    proof      TEXT NOT NULL,
    brought_at INTEGER NOT NULL,
    closed_at  INTEGER,
    body       BLOB NOT NULL,
    UNIQUE (list, number)
) STRICT;

-- What lines of the inbox say of cases: under which declaration a line was judged, and what it was
-- taken for. `number` is a keyed digest; facts stand here by their names.
ALTER TABLE inbox ADD COLUMN judged BLOB;
ALTER TABLE inbox ADD COLUMN unowned INTEGER NOT NULL DEFAULT 0;
CREATE INDEX inbox_judged ON inbox (channel, source, judged);
CREATE INDEX inbox_unowned ON inbox (unowned) WHERE unowned = 1;
CREATE TABLE inbox_case (
    line      INTEGER PRIMARY KEY,
    list      TEXT NOT NULL,
    number    TEXT NOT NULL,
    operated  INTEGER NOT NULL,
    opened    TEXT,
    owner     TEXT,
    laid      INTEGER,
    deadline  INTEGER,
    closed    TEXT,
    closed_at INTEGER,
    used      TEXT
) STRICT;
CREATE INDEX inbox_case_of ON inbox_case (list, number, operated);
