-- What one county sent. One file for each county: its writer waits for no other's.
CREATE TABLE IF NOT EXISTS fact (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT;

-- Objects of its catalogue. `words` is JSON by the words of the catalogue; a withdrawn one keeps
-- its upper id, so that registering it again gives the same.
CREATE TABLE IF NOT EXISTS object (
    kind     TEXT NOT NULL,
    id       TEXT NOT NULL,
    upper_id TEXT NOT NULL UNIQUE,
    state    TEXT NOT NULL,
    words    TEXT NOT NULL,
    taken_us INTEGER NOT NULL,
    PRIMARY KEY (kind, id)
) STRICT;

-- What came under a batch's name and what was answered. `verdicts` is sealed: it names keys.
CREATE TABLE IF NOT EXISTS batch (
    id        TEXT PRIMARY KEY,
    operation TEXT NOT NULL,
    digest    BLOB NOT NULL,
    receipt   TEXT NOT NULL,
    rows      INTEGER NOT NULL,
    failed    INTEGER NOT NULL,
    upper_id  TEXT,
    verdicts  BLOB,
    taken_us  INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS batch_by_time ON batch (taken_us);

-- The rows as they stand: the county's table, as far as it was sent. `key` and `hash` are keyed
-- digests, `content` is sealed. `taken_us` is unique and only grows: it is the sequence in which the
-- city reads.
CREATE TABLE IF NOT EXISTS row (
    dataset  TEXT NOT NULL,
    key      BLOB NOT NULL,
    hash     INTEGER NOT NULL,
    taken_us INTEGER NOT NULL,
    content  BLOB NOT NULL,
    PRIMARY KEY (dataset, key)
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS row_by_time ON row (dataset, taken_us);
