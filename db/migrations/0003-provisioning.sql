-- Provisioning: people pushed to applications that keep accounts of their own.

-- What was recorded before there were targets is none of their business.
insert into event_cursors (reader, xid) values ('provisioning', pg_snapshot_xmax(pg_current_snapshot()));

create table targets (                  -- an application that receives accounts
  application text primary key references applications (id) on delete cascade,
  connector text not null,
  settings jsonb not null,
  credentials bytea,                    -- sealed under the master key
  mode text not null check (mode in ('off', 'observe', 'plan', 'automatic')),
  quarantine text,                      -- why everything is held; null while all is well
  quarantined_at timestamptz,
  state jsonb,                          -- what the connector learned (verified domains and the like)
  listed_at timestamptz,                -- when the last complete listing ended
  listing jsonb,                        -- progress of a listing that is under way
  created_at timestamptz not null,
  updated_at timestamptz not null,
  version integer not null default 1
);

create table target_paces (             -- one row a target and kind of call: when the next one may start (GCRA)
  application text not null references targets (application) on delete cascade,
  kind text not null,
  next_at timestamptz not null,         -- theoretical arrival time
  held_until timestamptz,               -- told by the target (Retry-After)
  failures integer not null default 0,  -- in a row; opens the breaker
  open_until timestamptz,
  primary key (application, kind)
);

create table target_links (             -- a person's account at a target
  application text not null references targets (application) on delete cascade,
  person uuid not null,                 -- outlives the person's row: an account there must still be taken away
  state text not null check (state in ('linked', 'unlinked', 'disputed', 'deleted')),
  remote_id text,
  account_id text,                      -- the account behind the record, where there are two layers
  external_id text not null,
  remote jsonb,                         -- attributes last seen there
  remote_active boolean,
  attempted_at timestamptz,             -- a creation may have happened: look before creating again
  inactive_since timestamptz,
  settled_at timestamptz,               -- last time a push ended well
  equal_at timestamptz,                 -- last seen equal to what we want
  problem text,                         -- why it is not as we want it, as told to administrators
  updated_at timestamptz not null,
  primary key (application, person)
);
create unique index target_links_remote on target_links (application, remote_id) where state <> 'deleted';
create index target_links_person on target_links (person);

create table target_groups (            -- a group of ours at a target
  application text not null references targets (application) on delete cascade,
  "group" uuid not null,
  name text not null,                   -- what it is called there
  remote_id text,
  created boolean not null default false, -- made there by us: removed there when it is removed here
  former_ids text[] not null default '{}', -- groups it had before a rename that the target could not do, to be deleted
  attempted_at timestamptz,
  settled_at timestamptz,
  problem text,
  updated_at timestamptz not null,
  primary key (application, "group")
);

create table target_members (           -- memberships we put there
  application text not null,
  "group" uuid not null,
  person uuid not null,
  remote_group_id text not null,
  remote_account_id text not null,
  primary key (application, "group", person, remote_group_id),
  foreign key (application, "group") references target_groups (application, "group") on delete cascade
);

create table target_accounts (          -- what the last listing saw
  application text not null references targets (application) on delete cascade,
  remote_id text not null,
  external_id text,
  user_name_key text,
  email_key text,
  active boolean not null,
  account_id text,
  attributes jsonb not null,
  seen_at timestamptz not null,
  stranger text check (stranger in ('adopt', 'ignore', 'remove')), -- what a person decided about an account of nobody
  primary key (application, remote_id)
);
create index target_accounts_external on target_accounts (application, external_id);
create index target_accounts_user_name on target_accounts (application, user_name_key);
create index target_accounts_email on target_accounts (application, email_key);

create table target_plans (             -- what would be done, waiting for a person
  application text not null references targets (application) on delete cascade,
  subject text not null,                -- person:<id> or group:<id> or stranger:<remote id>
  verdict text not null,
  why text not null,
  steps jsonb not null,
  digest bytea not null,                -- of steps: an approval holds for exactly these
  state text not null check (state in ('proposed', 'approved', 'held', 'refused')),
  decided_by text,
  decided_at timestamptz,
  made_at timestamptz not null,
  primary key (application, subject)
);
create index target_plans_state on target_plans (application, state, verdict);

create table target_entries (           -- the timeline: what happened to a person or group at a target
  id bigint generated always as identity primary key,
  application text not null references targets (application) on delete cascade,
  subject text not null,
  at timestamptz not null,
  kind text not null,                   -- queued, sent, answered, retry, settled, refused, held, approved, seen-equal, …
  text text not null,
  attempt integer,
  request jsonb,                        -- without secrets
  response jsonb,                       -- without secrets
  took_ms integer,
  cause text,
  actor text
);
create index target_entries_subject on target_entries (application, subject, id desc);
create index target_entries_at on target_entries (at);

create table target_removals (          -- the brake's window: every deactivation and deletion, whatever caused it
  application text not null references targets (application) on delete cascade,
  subject text not null,
  kind text not null check (kind in ('deactivate', 'delete')),
  at timestamptz not null,
  approved boolean not null default false
);
create index target_removals_window on target_removals (application, at);

create table target_brakes (            -- an engaged brake; one open at a time for a target
  id uuid primary key,
  application text not null references targets (application) on delete cascade,
  engaged_at timestamptz not null,
  why text not null,
  released_at timestamptz,
  released_by text,
  outcome text check (outcome in ('approved', 'refused', 'trimmed'))
);
create unique index target_brakes_open on target_brakes (application) where released_at is null;
