-- Schema 2: shadow runs, and a dataset's resource found at once.
--
-- What the province's test platform says under a candidate, beside what the productive one said,
-- and never instead of it: nothing of a channel's links, progress or facts is here. No row content,
-- no key.

-- A catalogue object at the test platform.
CREATE TABLE shadow (
    channel     TEXT NOT NULL,
    kind        TEXT NOT NULL,
    id          TEXT NOT NULL,
    outcome     TEXT NOT NULL,
    code        TEXT NOT NULL,
    field       TEXT NOT NULL,
    said        BLOB,
    upper_id    TEXT,
    upper_state TEXT,
    at          INTEGER NOT NULL,
    PRIMARY KEY (channel, kind, id)
) WITHOUT ROWID, STRICT;

-- Masked rows at the test platform, by what became of them.
CREATE TABLE shadow_rows (
    channel TEXT NOT NULL,
    dataset TEXT NOT NULL,
    outcome TEXT NOT NULL,
    code    TEXT NOT NULL,
    rows    INTEGER NOT NULL,
    at      INTEGER NOT NULL,
    PRIMARY KEY (channel, dataset, outcome, code)
) WITHOUT ROWID, STRICT;

-- Asked at each look at each dataset: without it, all objects were read each time.
CREATE INDEX object_dataset ON object (json_extract(content, '$.content.dataset'))
    WHERE kind = 'resource' AND present = 1;
