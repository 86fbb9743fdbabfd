-- A ledger of schema 1 as its first release wrote it.
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
CREATE TABLE attempt (
    number    INTEGER PRIMARY KEY AUTOINCREMENT,
    batch     BLOB NOT NULL,
    begun_at  INTEGER NOT NULL,
    digest    BLOB,
    ended_at  INTEGER,
    outcome   TEXT,
    code      TEXT
) STRICT;
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
CREATE TABLE batch_after (
    batch BLOB NOT NULL,
    after BLOB NOT NULL,
    PRIMARY KEY (batch, after)
) WITHOUT ROWID, STRICT;
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
CREATE TABLE fact_head (
    writer TEXT NOT NULL,
    day    TEXT NOT NULL,
    number INTEGER NOT NULL,
    chain  BLOB NOT NULL,
    PRIMARY KEY (writer, day)
) WITHOUT ROWID, STRICT;
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
CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) WITHOUT ROWID, STRICT;
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
CREATE TABLE run (
    channel TEXT NOT NULL,
    dataset TEXT NOT NULL,
    name    TEXT NOT NULL,
    PRIMARY KEY (channel, dataset, name)
) WITHOUT ROWID, STRICT;
CREATE TABLE standard_use (
    channel TEXT NOT NULL,
    scope   TEXT NOT NULL,
    state   TEXT NOT NULL,
    id      TEXT NOT NULL,
    digest  BLOB NOT NULL,
    since   INTEGER NOT NULL,
    PRIMARY KEY (channel, scope, state)
) WITHOUT ROWID, STRICT;
CREATE TABLE supplied (
    kind        TEXT NOT NULL,
    id          TEXT NOT NULL,
    name        TEXT NOT NULL,
    value       TEXT NOT NULL,
    supplied_by TEXT NOT NULL,
    supplied_at INTEGER NOT NULL,
    PRIMARY KEY (kind, id, name)
) WITHOUT ROWID, STRICT;
CREATE TABLE unique_value (
    channel TEXT NOT NULL,
    dataset TEXT NOT NULL,
    rule    TEXT NOT NULL,
    value   BLOB NOT NULL,
    key     BLOB NOT NULL,
    PRIMARY KEY (channel, dataset, rule, value)
) WITHOUT ROWID, STRICT;
CREATE TABLE verdict (
    batch    BLOB NOT NULL,
    key      BLOB NOT NULL,
    standing TEXT NOT NULL,
    at       INTEGER NOT NULL,
    PRIMARY KEY (batch, key)
) WITHOUT ROWID, STRICT;
CREATE INDEX attempt_batch ON attempt (batch);
CREATE INDEX batch_before ON batch_after (after);
CREATE INDEX batch_ended ON batch (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX batch_open ON batch (channel, state, lane, ordinal)
    WHERE state IN ('queued', 'in_flight', 'unknown', 'taken');
CREATE INDEX batch_parent ON batch (parent) WHERE parent IS NOT NULL;
CREATE INDEX batch_spooled ON batch (channel, subject, ordinal) WHERE spooled = 1;
CREATE INDEX fact_kind ON fact (kind, occurred);
CREATE INDEX link_state ON link (channel, state);
CREATE INDEX pass_open ON pass (channel, dataset) WHERE state IN ('queued', 'running');
CREATE INDEX reject_batch ON reject (batch) WHERE batch IS NOT NULL;
CREATE INDEX reject_rule ON reject (channel, dataset, rule) WHERE state = 'open';
CREATE INDEX unique_value_key ON unique_value (channel, dataset, key);
INSERT INTO batch VALUES (X'004CDC804EDD358A68ECEC98D47192A4', 1, 'province', 'a/1', 'rows.upsert', 'rows', 'houses', 'upsert', 'live', 3, 3, 7, X'239F59ED55E737C77147CF55AD0C1B030B6D7EE748A7426952F9B852D5A935E5', NULL, 'queued', 'row-verdict', 0, 0, NULL, 1790000000000, 1790000000000, 253402207200999, NULL, NULL, NULL, NULL, 1, 0);
INSERT INTO dataset VALUES ('province', 'houses', '5119', 'housing', 'Asia/Shanghai', 4, 3, 0, 0, 1, 0, 0, 0, 0, 0, NULL, 1790000000000, NULL, NULL, 1790000000000, NULL, NULL, NULL, NULL);
INSERT INTO fact VALUES (1, '73fafaca2ad3-1', '2026-09-21', 1, '', 'incarnation-begun', 'ledger', 1790000000000, 1790000000000, X'00000006666163742D310000001B3733666166616361326164332D312F323032362D30392D32312F3100000000000000066C656467657200000014323032362D30392D32315431343A31333A32305A00000014323032362D30392D32315431343A31333A32305A000000000000000000000011696E6361726E6174696F6E2D626567756E00000001310000000B696E6361726E6174696F6E0000000131', X'92EF4C0094C141CA686C7CAE5F6C5CEFA628959FC7261D90422B962C1D4CB3F9');
INSERT INTO fact VALUES (2, '73fafaca2ad3-1', '2026-09-21', 2, 'province', 'rejected', 'houses', 1790000000000, 1790000000000, X'00000006666163742D310000001B3733666166616361326164332D312F323032362D30392D32312F320000000870726F76696E636500000006686F7573657300000014323032362D30392D32315431343A31333A32305A00000014323032362D30392D32315431343A31333A32305A00000000000000000000000872656A65637465640000000133000000046B696E64000000056C6F63616C00000004636F64650000000769642D6361726400000004726F77730000000131', X'06751F2D50CC78D208634CABE7B45B78ADA8F56982692685196F0155F38AF5F5');
INSERT INTO fact_head VALUES ('73fafaca2ad3-1', '2026-09-21', 2, X'06751F2D50CC78D208634CABE7B45B78ADA8F56982692685196F0155F38AF5F5');
INSERT INTO link VALUES ('province', 'category', 'a', '5119', 'housing', 'unmapped', NULL, NULL, X'C096CE57F6F44D7BA2AAC2DD1A9016757F67DCFB2B1D3E62777B8B6EFECE1399', NULL, NULL, NULL, NULL, NULL, 1790000000000, NULL, NULL, 0);
INSERT INTO meta VALUES ('digest-secret', X'01C15AC6C0CD696F8DA59162369D2DFBC7B63051BBC32B3F79EC2B73C33D664E140F87BEE26FE0D6CFA5DCFA370950929541A5774440662DE5DA219C529E8B4C30B1C642E8');
INSERT INTO meta VALUES ('incarnation', X'0000000000000001');
INSERT INTO meta VALUES ('installation', X'73FAFACA2AD3EFB59A1F7248CB7151F9');
INSERT INTO meta VALUES ('migrated-1', X'000001A0C4506C00');
INSERT INTO meta VALUES ('ordinals', X'00000000000003EA');
INSERT INTO meta VALUES ('writer', X'3733666166616361326164332D31');
INSERT INTO object VALUES ('category', 'a', '5119', 'housing', '住房', X'C096CE57F6F44D7BA2AAC2DD1A9016757F67DCFB2B1D3E62777B8B6EFECE1399', 1, '{"region":"5119","department":"housing","content":{"object":"category","id":"a","code":"1","title":"住房","parent":null},"supplied":{}}', 1, 1790000000000);
INSERT INTO reject VALUES (1, 'province', 'houses', '5119', 'housing', X'090909090909090909090909', 9, 'local', 'id-card', '[{"rule":"id-card"}]', NULL, X'010203', 'open', 1790000000000);
PRAGMA application_id = 1667330915;
PRAGMA user_version = 1;
