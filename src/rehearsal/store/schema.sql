-- What the rehearsal platform took. People compare these tables with the city's; instants are
-- UTC text that sorts, `2026-11-22T08:00:00.000000Z`.

-- Objects of the catalogue as they were said last.
create table if not exists object (
  upper_id       text primary key,          -- the id this platform gave
  kind           text not null,             -- organisation, category, system, entry, resource
  local_id       text not null,             -- the id the city named it by
  title          text,
  state          text not null,             -- in_review, published, withdrawn
  dataset        text,                      -- of a resource: the dataset that may then send rows
  message        text not null,             -- its fields as said: JSON, path to texts
  parents        text not null,             -- upper ids it refers to, between blanks
  registered_at  text not null,
  changed_at     text not null,
  review_ends_at text not null,             -- from then on `in_review` is `published`
  times_said     integer not null,
  unique (kind, local_id)
) strict;

-- Every request that was read as far as its operation, in order; survives a restore.
create table if not exists delivery (
  number         integer primary key,
  received_at    text not null,
  operation      text not null,
  batch_id       text,
  payload_digest text,                      -- of what the batch says, slots of an attempt left out
  code           text not null              -- what was answered
) strict;
create index if not exists delivery_batch on delivery (batch_id);

-- Batches that were taken: of rows, or the message of one object.
create table if not exists batch (
  batch_id       text primary key,
  dataset        text not null,             -- of an object: its kind and local id
  action         text not null,             -- upsert, delete; register, modify, cancel
  payload_digest text not null,
  rows           integer not null,
  received_at    text not null,
  receipt_id     text not null unique,
  declared_digest text,                     -- what the batch says is the digest of its rows
  upper_id       text                       -- of an object
) strict;

-- What the judge says of each row, from `visible_at` on.
create table if not exists verdict (
  number         integer primary key,
  batch_id       text not null,
  dataset        text not null,
  key            text not null,
  passed         integer not null,
  reason         text,
  visible_at     text not null,
  pending        integer not null           -- 1: a revocation that still has to take the row out
) strict;
create index if not exists verdict_batch on verdict (batch_id);
create index if not exists verdict_pending on verdict (visible_at) where pending = 1;

-- Which table holds a dataset's rows. Each has `_key`, `_digest`, `_batch`, `_taken_at` and one
-- column for each column that the city sent.
create table if not exists dataset (
  dataset        text primary key,
  table_name     text not null unique
) strict;

-- Numbers used once by signed requests.
create table if not exists nonce (
  nonce          text primary key,
  seen_at        text not null
) strict;
