-- One side of a ferry. Whatever of a row stands in here is sealed as it is carried.

-- Who we are: numbers are dense within one incarnation. The last begun is the one that counts.
CREATE TABLE IF NOT EXISTS own (
    place       INTEGER PRIMARY KEY,
    incarnation TEXT NOT NULL UNIQUE,
    -- The history of our ledger that it was begun in.
    origin      TEXT NOT NULL,
    begun_us    INTEGER NOT NULL,
    -- The last number that was given.
    last        INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Whose journal this is: an installation, and the side of the gap that it is on.
CREATE TABLE IF NOT EXISTS owner (
    place INTEGER PRIMARY KEY CHECK (place = 1),
    name  TEXT NOT NULL
) STRICT;

-- What we sent.
CREATE TABLE IF NOT EXISTS sent (
    place          INTEGER PRIMARY KEY,
    incarnation    TEXT NOT NULL,
    number         INTEGER NOT NULL,
    -- What it is about, without content.
    subject        TEXT NOT NULL,
    -- The standard's operation.
    operation      TEXT NOT NULL,
    made_us        INTEGER NOT NULL,
    -- The file, byte for byte; empty once nobody can need it.
    sealed         BLOB NOT NULL,
    is_put         INTEGER NOT NULL DEFAULT 0,
    -- What an answer is to.
    to_incarnation TEXT,
    to_number      INTEGER,
    -- The answer as it came, when, and whether it was told on.
    answer         BLOB,
    heard_us       INTEGER,
    is_told        INTEGER NOT NULL DEFAULT 0,
    -- Nobody waits for its answer any more.
    is_over        INTEGER NOT NULL DEFAULT 0,
    UNIQUE (incarnation, number)
) STRICT;
CREATE INDEX IF NOT EXISTS sent_subject ON sent (subject, place);
CREATE INDEX IF NOT EXISTS sent_unput ON sent (is_put) WHERE is_put = 0;
CREATE INDEX IF NOT EXISTS sent_to ON sent (to_incarnation, to_number);

-- Who sends to us: one is `current`, those before it are `over`, a further one is `offered` until
-- somebody says that it is right.
CREATE TABLE IF NOT EXISTS peer (
    incarnation TEXT PRIMARY KEY,
    state       TEXT NOT NULL CHECK (state IN ('current', 'over', 'offered')),
    since_us    INTEGER NOT NULL,
    -- The first number that was neither acted on nor passed over.
    next        INTEGER NOT NULL DEFAULT 1
) STRICT;

-- What came.
CREATE TABLE IF NOT EXISTS came (
    incarnation TEXT NOT NULL,
    number      INTEGER NOT NULL,
    digest      BLOB,
    at_us       INTEGER NOT NULL,
    state       TEXT NOT NULL CHECK (state IN ('waiting', 'acted', 'skipped')),
    -- The file while it waits.
    sealed      BLOB,
    PRIMARY KEY (incarnation, number)
) STRICT;
CREATE INDEX IF NOT EXISTS came_waiting ON came (state) WHERE state = 'waiting';

-- What was set aside.
CREATE TABLE IF NOT EXISTS aside (
    place  INTEGER PRIMARY KEY,
    name   TEXT NOT NULL,
    reason TEXT NOT NULL,
    at_us  INTEGER NOT NULL
) STRICT;
