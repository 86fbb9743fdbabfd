-- Schema 1. Instants are milliseconds since 1970 in UTC; digests are blobs; words are the ones
-- of src/delivery. No row content, no key in clear: what must be kept of them is sealed.

CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) WITHOUT ROWID, STRICT;

-- The city's catalogue as last read.
CREATE TABLE object (
    kind       TEXT NOT NULL,
    id         TEXT NOT NULL,
    region     TEXT NOT NULL,
    department TEXT NOT NULL,
    title      TEXT NOT NULL,
    digest     BLOB NOT NULL,
    format     INTEGER NOT NULL,
    content    TEXT NOT NULL,
    present    INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    PRIMARY KEY (kind, id)
) WITHOUT ROWID, STRICT;

-- Values that the city adds to its objects because a standard asks for them.
CREATE TABLE supplied (
    kind        TEXT NOT NULL,
    id          TEXT NOT NULL,
    name        TEXT NOT NULL,
    value       TEXT NOT NULL,
    supplied_by TEXT NOT NULL,
    supplied_at INTEGER NOT NULL,
    PRIMARY KEY (kind, id, name)
) WITHOUT ROWID, STRICT;

-- A city object and its counterpart above, per channel.
CREATE TABLE link (
    channel      TEXT NOT NULL,
    kind         TEXT NOT NULL,
    id           TEXT NOT NULL,
    region       TEXT NOT NULL,
    department   TEXT NOT NULL,
    state        TEXT NOT NULL,
    upper_id     TEXT,
    upper_state  TEXT,
    wanted       BLOB,
    sent         BLOB,
    held         BLOB,
    reject_kind  TEXT,
    code         TEXT,
    findings     TEXT,
    since        INTEGER NOT NULL,
    deadline     INTEGER,
    checked_at   INTEGER,
    ours         INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (channel, kind, id)
) WITHOUT ROWID, STRICT;
CREATE INDEX link_state ON link (channel, state);

-- Per channel and dataset: the counts of promise 2 and the three clocks.
CREATE TABLE dataset (
    channel            TEXT NOT NULL,
    dataset            TEXT NOT NULL,
    region             TEXT NOT NULL,
    department         TEXT NOT NULL,
    zone               TEXT NOT NULL,
    due                INTEGER NOT NULL DEFAULT 0,
    queued             INTEGER NOT NULL DEFAULT 0,
    confirmed          INTEGER NOT NULL DEFAULT 0,
    placed             INTEGER NOT NULL DEFAULT 0,
    rejected_local     INTEGER NOT NULL DEFAULT 0,
    rejected_refused   INTEGER NOT NULL DEFAULT 0,
    rejected_failed    INTEGER NOT NULL DEFAULT 0,
    coalesced          INTEGER NOT NULL DEFAULT 0,
    skipped            INTEGER NOT NULL DEFAULT 0,
    mismatched         INTEGER NOT NULL DEFAULT 0,
    newest_content_at  INTEGER,
    last_change_at     INTEGER,
    last_confirmed_at  INTEGER,
    confirmed_content_at INTEGER,
    last_observed_at   INTEGER,
    last_reconciled_at INTEGER,
    trouble            TEXT,
    trouble_since      INTEGER,
    -- The deadline that passed without newer content, while none is confirmed.
    overdue_since      INTEGER,
    PRIMARY KEY (channel, dataset)
) WITHOUT ROWID, STRICT;

-- What has been looked at, as intervals; positions are sealed, for they hold keys.
CREATE TABLE progress (
    channel    TEXT NOT NULL,
    dataset    TEXT NOT NULL,
    lane       TEXT NOT NULL,
    from_at    TEXT,
    until_at   TEXT,
    position   BLOB,
    complete   INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (channel, dataset, lane)
) WITHOUT ROWID, STRICT;

-- A reading of a whole table or a part of it: first load, comparison, resync.
CREATE TABLE pass (
    number      INTEGER PRIMARY KEY AUTOINCREMENT,
    channel     TEXT NOT NULL,
    dataset     TEXT NOT NULL,
    kind        TEXT NOT NULL,
    since       TEXT,
    job         INTEGER,
    approved    INTEGER NOT NULL DEFAULT 0,
    state       TEXT NOT NULL,
    rows_seen   INTEGER NOT NULL DEFAULT 0,
    rows_due    INTEGER NOT NULL DEFAULT 0,
    rows_gone   INTEGER NOT NULL DEFAULT 0,
    rows_rejected INTEGER NOT NULL DEFAULT 0,
    created_at  INTEGER NOT NULL,
    finished_at INTEGER
) STRICT;
CREATE INDEX pass_open ON pass (channel, dataset) WHERE state IN ('queued', 'running');

CREATE TABLE batch (
    id              BLOB PRIMARY KEY,
    ordinal         INTEGER NOT NULL UNIQUE,
    channel         TEXT NOT NULL,
    standard        TEXT NOT NULL,
    operation       TEXT NOT NULL,
    subject_kind    TEXT NOT NULL,
    subject         TEXT NOT NULL,
    action          TEXT,
    lane            TEXT NOT NULL,
    rows            INTEGER NOT NULL,
    rows_open       INTEGER NOT NULL,
    payload_bytes   INTEGER NOT NULL,
    payload_digest  BLOB NOT NULL,
    parent          BLOB,
    state           TEXT NOT NULL,
    evidence        TEXT NOT NULL,
    attempts        INTEGER NOT NULL DEFAULT 0,
    auth_refreshed  INTEGER NOT NULL DEFAULT 0,
    content_at      INTEGER,
    packed_at       INTEGER NOT NULL,
    next_attempt_at INTEGER NOT NULL,
    deadline        INTEGER NOT NULL,
    receipt_id      TEXT,
    receipt_digest  TEXT,
    taken_at        INTEGER,
    ended_at        INTEGER,
    spooled         INTEGER NOT NULL DEFAULT 1,
    merged          INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX batch_open ON batch (channel, state, lane, ordinal)
    WHERE state IN ('queued', 'in_flight', 'unknown', 'taken');
CREATE INDEX batch_spooled ON batch (channel, subject, ordinal) WHERE spooled = 1;
CREATE INDEX batch_parent ON batch (parent) WHERE parent IS NOT NULL;
CREATE INDEX batch_ended ON batch (ended_at) WHERE ended_at IS NOT NULL;

-- Order per key: a batch waits for the older ones that share a key with it.
CREATE TABLE batch_after (
    batch BLOB NOT NULL,
    after BLOB NOT NULL,
    PRIMARY KEY (batch, after)
) WITHOUT ROWID, STRICT;
CREATE INDEX batch_before ON batch_after (after);

CREATE TABLE attempt (
    number    INTEGER PRIMARY KEY AUTOINCREMENT,
    batch     BLOB NOT NULL,
    begun_at  INTEGER NOT NULL,
    digest    BLOB,
    ended_at  INTEGER,
    outcome   TEXT,
    code      TEXT
) STRICT;
CREATE INDEX attempt_batch ON attempt (batch);

-- Row verdicts of batches that wait for more; of settled ones only what is not simply passed.
-- Standing: passed, failed, or replayed (judged anew in another batch, so no longer counted here).
CREATE TABLE verdict (
    batch    BLOB NOT NULL,
    key      BLOB NOT NULL,
    standing TEXT NOT NULL,
    at       INTEGER NOT NULL,
    PRIMARY KEY (batch, key)
) WITHOUT ROWID, STRICT;

CREATE TABLE reject (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    channel    TEXT NOT NULL,
    dataset    TEXT NOT NULL,
    region     TEXT NOT NULL,
    department TEXT NOT NULL,
    key        BLOB NOT NULL,
    row        INTEGER NOT NULL,
    kind       TEXT NOT NULL,
    rule       TEXT NOT NULL,
    findings   TEXT NOT NULL,
    batch      BLOB,
    original   BLOB NOT NULL,
    state      TEXT NOT NULL,
    at         INTEGER NOT NULL,
    UNIQUE (channel, dataset, key, row, kind)
) STRICT;
CREATE INDEX reject_batch ON reject (batch) WHERE batch IS NOT NULL;
CREATE INDEX reject_rule ON reject (channel, dataset, rule) WHERE state = 'open';

-- Values of `unique` rules that are not over the key: digests only.
CREATE TABLE unique_value (
    channel TEXT NOT NULL,
    dataset TEXT NOT NULL,
    rule    TEXT NOT NULL,
    value   BLOB NOT NULL,
    key     BLOB NOT NULL,
    PRIMARY KEY (channel, dataset, rule, value)
) WITHOUT ROWID, STRICT;
CREATE INDEX unique_value_key ON unique_value (channel, dataset, key);

-- The sorted runs of what the province holds, newest last.
CREATE TABLE run (
    channel TEXT NOT NULL,
    dataset TEXT NOT NULL,
    name    TEXT NOT NULL,
    PRIMARY KEY (channel, dataset, name)
) WITHOUT ROWID, STRICT;

-- Nothing passes a hold until an operator or a change of the world lifts it.
CREATE TABLE hold (
    channel   TEXT NOT NULL,
    scope     TEXT NOT NULL,
    subject   TEXT NOT NULL,
    code      TEXT NOT NULL,
    count     INTEGER NOT NULL DEFAULT 1,
    since     INTEGER NOT NULL,
    last_at   INTEGER NOT NULL,
    PRIMARY KEY (channel, scope, subject)
) WITHOUT ROWID, STRICT;

CREATE TABLE drift (
    channel  TEXT NOT NULL,
    kind     TEXT NOT NULL,
    subject  TEXT NOT NULL,
    detail   TEXT NOT NULL,
    count    INTEGER NOT NULL DEFAULT 1,
    since    INTEGER NOT NULL,
    last_at  INTEGER NOT NULL,
    PRIMARY KEY (channel, kind, subject, detail)
) WITHOUT ROWID, STRICT;

-- History. `body` is the fact in its canonical form (src/fact); the columns before it are there
-- to be searched and are compared with it when the chain is proven.
CREATE TABLE fact (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    writer   TEXT NOT NULL,
    day      TEXT NOT NULL,
    number   INTEGER NOT NULL,
    channel  TEXT NOT NULL,
    kind     TEXT NOT NULL,
    subject  TEXT NOT NULL,
    occurred INTEGER NOT NULL,
    recorded INTEGER NOT NULL,
    body     BLOB NOT NULL,
    chain    BLOB NOT NULL,
    UNIQUE (writer, day, number)
) STRICT;
CREATE INDEX fact_kind ON fact (kind, occurred);

-- Each chain's last fact: without it a chain cut short could not be told from a whole one.
CREATE TABLE fact_head (
    writer TEXT NOT NULL,
    day    TEXT NOT NULL,
    number INTEGER NOT NULL,
    chain  BLOB NOT NULL,
    PRIMARY KEY (writer, day)
) WITHOUT ROWID, STRICT;

CREATE TABLE act (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    at      INTEGER NOT NULL,
    uid     INTEGER,
    gid     INTEGER,
    pid     INTEGER,
    name    TEXT NOT NULL,
    detail  TEXT NOT NULL,
    chain   BLOB NOT NULL
) STRICT;

CREATE TABLE job (
    number      INTEGER PRIMARY KEY AUTOINCREMENT,
    kind        TEXT NOT NULL,
    request     TEXT NOT NULL,
    idempotency TEXT UNIQUE,
    state       TEXT NOT NULL,
    done        INTEGER NOT NULL DEFAULT 0,
    total       INTEGER,
    cursor      TEXT,
    result      TEXT,
    asked_by    TEXT NOT NULL,
    created_at  INTEGER NOT NULL,
    finished_at INTEGER
) STRICT;

-- What the province sends down by itself (down-link tables, notices).
CREATE TABLE inbox (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    channel    TEXT NOT NULL,
    source     TEXT NOT NULL,
    key        TEXT NOT NULL,
    operated   TEXT NOT NULL,
    action     TEXT NOT NULL,
    body       BLOB NOT NULL,
    received   INTEGER NOT NULL,
    handled_at INTEGER,
    UNIQUE (channel, source, key, operated, action)
) STRICT;
CREATE TABLE inbox_cursor (
    channel  TEXT NOT NULL,
    source   TEXT NOT NULL,
    position TEXT NOT NULL,
    PRIMARY KEY (channel, source)
) WITHOUT ROWID, STRICT;

-- Which standard speaks for which scope of a channel, and since when.
CREATE TABLE standard_use (
    channel TEXT NOT NULL,
    scope   TEXT NOT NULL,
    state   TEXT NOT NULL,
    id      TEXT NOT NULL,
    digest  BLOB NOT NULL,
    since   INTEGER NOT NULL,
    PRIMARY KEY (channel, scope, state)
) WITHOUT ROWID, STRICT;
