-- Schema 3: what a score needs of the facts, and the months that were closed.

-- The fact that this one sets right.
ALTER TABLE fact ADD COLUMN amends TEXT;
CREATE INDEX fact_amends ON fact (amends) WHERE amends IS NOT NULL;
-- Of these a calculation wants one of each subject, of however many there are.
CREATE INDEX fact_subject ON fact (kind, subject, occurred)
    WHERE kind IN ('confirmed', 'reconciled');

-- Rows that a pass sent again although the province holds just them: no content of theirs is new.
ALTER TABLE pass ADD COLUMN rows_resent INTEGER NOT NULL DEFAULT 0;

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

-- By what a closed month was judged, as texts: each once, however many months it served.
CREATE TABLE source (
    digest BLOB PRIMARY KEY,
    text   TEXT NOT NULL
) WITHOUT ROWID, STRICT;
CREATE TABLE period_source (
    month  TEXT NOT NULL,
    scheme TEXT NOT NULL,
    name   TEXT NOT NULL,
    digest BLOB NOT NULL,
    PRIMARY KEY (month, scheme, name)
) WITHOUT ROWID, STRICT;

-- How often rules were asked in an hour (since 1970) that is not over: then it becomes a fact.
CREATE TABLE rule_count (
    hour     INTEGER NOT NULL,
    channel  TEXT NOT NULL,
    dataset  TEXT NOT NULL,
    rule     TEXT NOT NULL,
    executed INTEGER NOT NULL,
    broken   INTEGER NOT NULL,
    waived   INTEGER NOT NULL,
    last_at  INTEGER NOT NULL,
    PRIMARY KEY (hour, channel, dataset, rule)
) WITHOUT ROWID, STRICT;

-- What the province said when it did not simply take something, redacted; the same again is counted.
CREATE TABLE said (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    channel   TEXT NOT NULL,
    operation TEXT NOT NULL,
    batch     TEXT NOT NULL,
    subject   TEXT NOT NULL,
    outcome   TEXT NOT NULL,
    code      TEXT NOT NULL,
    status    INTEGER NOT NULL,
    shown     TEXT NOT NULL,
    bytes     INTEGER NOT NULL,
    digest    BLOB NOT NULL,
    ahead     INTEGER,
    first_at  INTEGER NOT NULL,
    last_at   INTEGER NOT NULL,
    times     INTEGER NOT NULL,
    UNIQUE (channel, operation, batch, outcome, code, status)
) STRICT;
CREATE INDEX said_subject ON said (subject, last_at);

-- How many milliseconds the province's clock was ahead of ours on a day (UTC).
CREATE TABLE clock_day (
    channel TEXT NOT NULL,
    day     TEXT NOT NULL,
    least   INTEGER NOT NULL,
    most    INTEGER NOT NULL,
    last    INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    answers INTEGER NOT NULL,
    PRIMARY KEY (channel, day)
) WITHOUT ROWID, STRICT;

-- What the province said it held when city and province were compared last.
ALTER TABLE dataset ADD COLUMN held_above INTEGER;

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
-- Asked of each fault about an entry: without it, all objects were read for each.
CREATE INDEX object_entry ON object (json_extract(content, '$.content.entry'))
    WHERE kind = 'resource' AND present = 1;

-- What a daemon that only watches found of objects and rows, at its last look: what it would
-- register and send. NULL where the province cannot say what it holds. Gone once it is live.
CREATE TABLE watch_objects (
    channel        TEXT NOT NULL,
    kind           TEXT NOT NULL,
    here           INTEGER NOT NULL,
    would_register INTEGER NOT NULL,
    would_modify   INTEGER NOT NULL,
    would_withdraw INTEGER NOT NULL,
    lacking        INTEGER NOT NULL,
    held           INTEGER,
    adoptable      INTEGER,
    extra          INTEGER,
    at             INTEGER NOT NULL,
    PRIMARY KEY (channel, kind)
) WITHOUT ROWID, STRICT;
CREATE TABLE watch_rows (
    channel      TEXT NOT NULL,
    dataset      TEXT NOT NULL,
    here         INTEGER NOT NULL,
    would_send   INTEGER NOT NULL,
    would_delete INTEGER NOT NULL,
    rejected     INTEGER NOT NULL,
    held         INTEGER,
    absent       INTEGER,
    extra        INTEGER,
    at           INTEGER NOT NULL,
    PRIMARY KEY (channel, dataset)
) WITHOUT ROWID, STRICT;

-- What a takeover found above, line by line: a registration, what it was taken for, what a person
-- said. It stays after the takeover, as the evidence of where an adopted link is from.
CREATE TABLE takeover_line (
    job      INTEGER NOT NULL,
    kind     TEXT NOT NULL,
    upper_id TEXT NOT NULL,
    code     TEXT NOT NULL,
    title    TEXT NOT NULL,
    origin   TEXT NOT NULL,
    fate     TEXT,
    how      TEXT,
    objects  TEXT NOT NULL DEFAULT '[]',
    is_said  INTEGER NOT NULL DEFAULT 0,
    said     TEXT,
    adopted  TEXT,
    PRIMARY KEY (job, kind, upper_id)
) WITHOUT ROWID, STRICT;
CREATE INDEX takeover_fate ON takeover_line (job, fate);

-- Files with verdicts that came back, by what is in them: the same file again changes nothing,
-- whatever was said since. Begun: some of its batches may have heard already.
CREATE TABLE returned_file (
    channel TEXT NOT NULL,
    digest  BLOB NOT NULL,
    stage   TEXT NOT NULL CHECK (stage IN ('begun', 'taken')),
    at      INTEGER NOT NULL,
    PRIMARY KEY (channel, digest)
) WITHOUT ROWID, STRICT;

-- Acts of form 2 say who somebody was then, by which role, and what came of it. What came of an act
-- is a line of its own, `about` the act: no line is ever changed, for lines are chained.
ALTER TABLE act ADD COLUMN form INTEGER NOT NULL DEFAULT 1;
ALTER TABLE act ADD COLUMN person TEXT;
ALTER TABLE act ADD COLUMN role TEXT;
ALTER TABLE act ADD COLUMN outcome TEXT;
ALTER TABLE act ADD COLUMN about INTEGER;
CREATE UNIQUE INDEX act_about ON act (about) WHERE about IS NOT NULL;
CREATE INDEX act_at ON act (at);

-- What stands rejected of a dataset, without a look at its originals: every page asks.
CREATE INDEX reject_open ON reject (channel, dataset, key, row) WHERE state = 'open';

-- What one person asked for and another has to approve of. `request` is what was asked, as JSON
-- without content; `bound` is what else it must still be when it is done; `digest` is of both.
CREATE TABLE approval (
    number      INTEGER PRIMARY KEY AUTOINCREMENT,
    guard       TEXT NOT NULL,
    name        TEXT NOT NULL,
    detail      TEXT NOT NULL,
    request     TEXT NOT NULL,
    bound       TEXT NOT NULL,
    digest      BLOB NOT NULL,
    uid         INTEGER,
    gid         INTEGER,
    pid         INTEGER,
    person      TEXT NOT NULL,
    asked_at    INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    state       TEXT NOT NULL,
    decided_uid INTEGER,
    decided_by  TEXT,
    decided_at  INTEGER,
    outcome     TEXT,
    -- Of originals that are shown page by page: the page that may be asked for next.
    cursor      TEXT
) STRICT;
CREATE INDEX approval_open ON approval (state) WHERE state IN ('pending', 'approved');

-- Lines of a list that count because somebody approved of them.
CREATE TABLE approved_line (
    digest   BLOB PRIMARY KEY,
    approval INTEGER NOT NULL
) WITHOUT ROWID, STRICT;

-- How many rows the province says that it holds of what a channel carries: the newest that it
-- published. What was acknowledged less than `lag_ms` before it was counted may not be among them.
CREATE TABLE published_count (
    channel    TEXT NOT NULL,
    dataset    TEXT NOT NULL,
    rows       INTEGER NOT NULL,
    counted_at INTEGER NOT NULL,
    lag_ms     INTEGER NOT NULL,
    proof      TEXT NOT NULL,
    taken_at   INTEGER NOT NULL,
    PRIMARY KEY (channel, dataset)
) WITHOUT ROWID, STRICT;
-- When what the province holds of a dataset last changed by what we know.
ALTER TABLE dataset ADD COLUMN settled_at INTEGER;
