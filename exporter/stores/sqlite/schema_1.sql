-- Version 1. Timestamps are milliseconds since 1970, hours whole hours since then.

create table interactions (
    timestamp integer not null,
    id text not null,
    arrived integer not null,       -- when it got this content, milliseconds since 1970
    body blob not null,             -- the blob's JSON, zstd
    primary key (timestamp, id)
) without rowid, strict;

create table ids (                  -- where an id is looked for
    hash integer not null,
    timestamp integer not null,
    primary key (hash, timestamp)
) without rowid, strict;
create table new_ids (              -- those that are not in ids yet
    hash integer not null,
    timestamp integer not null,
    primary key (hash, timestamp)
) without rowid, strict;

create table ignored (
    id text primary key,
    timestamp integer               -- null: it has no usable one
) without rowid, strict;

create table rejected (
    number integer primary key,     -- grows: the newest are kept
    id text not null unique,
    reason text not null,
    detail text not null,
    body blob not null,             -- zstd
    refused_at integer not null     -- milliseconds since 1970
) strict;

create table tallies (
    definitions text not null,      -- digest of what the counts mean
    hours integer not null,         -- how long the period is: 1 or 24
    start integer not null,         -- its first hour
    segmentation text not null,
    counts blob not null,           -- MessagePack: {segment: {slot: count}}; a large one as zstd
    primary key (definitions, hours, start, segmentation)
) without rowid, strict;

create table holdings (
    name text primary key,
    n integer not null
) without rowid, strict;

create table notes (
    name text primary key,
    value text not null
) without rowid, strict;

create table dictionaries (
    id integer primary key,         -- the zstd dictionary id that frames name
    content blob not null
) strict;
