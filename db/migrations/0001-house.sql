-- The house: every table of the foundation, grouped by the folder whose store.ts writes it.
-- Conventions: ids are uuid v7 made by us; *_key columns hold the one canonical form that uniqueness is about;
-- secrets are stored only as hashes or sealed (bytea) under the master key.

-- kit -----------------------------------------------------------------------------------------------------------

create table house_facts (              -- kit/db: one row a fact about this installation (master key fingerprint, …)
  name text primary key,
  value jsonb not null
);
-- What erased names are hashed with, so that they can be recognised but not read. Not under the master key, which changes.
insert into house_facts values ('tombstone-key', to_jsonb(gen_random_uuid()::text || gen_random_uuid()::text));

create table rate_buckets (             -- kit/limits
  key text primary key,
  points integer not null,
  window_ends timestamptz not null
);
create index rate_buckets_window on rate_buckets (window_ends);

create table queue_jobs (               -- kit/queue
  id bigint generated always as identity primary key,
  lane text not null,
  key text not null,
  payload jsonb not null,
  dedupe text unique,
  attempts integer not null default 0,
  run_at timestamptz not null default now(),
  lease_until timestamptz,
  fence bigint not null default 0,
  state text not null default 'ready' check (state in ('ready', 'leased', 'dead')),
  last_error text,
  created_at timestamptz not null default now()
);
create index queue_jobs_claim on queue_jobs (lane, run_at, id) where state <> 'dead';
create index queue_jobs_order on queue_jobs (lane, key, id) where state <> 'dead';

-- core/events ---------------------------------------------------------------------------------------------------

create table events (
  id bigint generated always as identity primary key,
  xid xid8 not null default pg_current_xact_id(),
  at timestamptz not null,
  type text not null,
  person uuid,
  application text,
  actor jsonb not null,
  cause text not null,
  request_id text not null,
  data jsonb not null
);
create index events_order on events (xid, id);
create index events_person on events (person, id) where person is not null;
create index events_type on events (type, id);

create table event_cursors (
  reader text primary key,
  xid xid8 not null default '0',
  id bigint not null default 0,
  updated_at timestamptz not null default now()
);

-- A reader's cursor is made here, so that nothing recorded before the first worker came is skipped. The migration that
-- brings a further reader decides where it begins: at the beginning of the log, as these do, or, where history is none of
-- its business, with xid = pg_snapshot_xmax(pg_current_snapshot()).
insert into event_cursors (reader) values ('notices'), ('oidc-logout'), ('oidc-withdrawal'), ('import-erasure');

-- core/community ------------------------------------------------------------------------------------------------

create table community (
  "only" boolean primary key default true check ("only"),
  settings jsonb not null,
  updated_at timestamptz not null
);

-- core/people ---------------------------------------------------------------------------------------------------

create table people (
  id uuid primary key,
  username text not null,
  username_key text not null unique,
  given_name text not null default '',
  family_name text not null default '',
  display_name text not null,
  locale text,
  state text not null check (state in ('unverified', 'active', 'locked', 'suspended', 'spam', 'left', 'erased', 'merged')),
  state_reason text,
  state_since timestamptz not null,
  merged_into uuid references people (id),
  origin text not null,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  version integer not null default 1
);
create index people_state on people (state, id);
create index people_name on people (display_name, id);

create table usernames (                -- every name ever given, so that none is handed to a second person
  username_key text primary key,
  person uuid not null references people (id),
  taken_at timestamptz not null
);
create index usernames_person on usernames (person);

create table addresses (
  id uuid primary key,
  person uuid not null references people (id) on delete cascade,
  address text not null,
  address_key text not null,
  is_primary boolean not null default false,
  verified_at timestamptz,
  created_at timestamptz not null,
  unique (person, address_key)
);
create unique index addresses_verified on addresses (address_key) where verified_at is not null;
create index addresses_key on addresses (address_key);
create unique index addresses_primary on addresses (person) where is_primary;

create table former_addresses (         -- a confirmed address that was removed, until its owner has been told
  id uuid primary key,
  person uuid not null references people (id) on delete cascade,
  address text not null,
  removed_at timestamptz not null
);
create index former_addresses_person on former_addresses (person);

create table verifications (            -- a mailed link and code; both are derived from the id, neither is stored
  id uuid primary key,
  purpose text not null check (purpose in ('sign-up', 'address', 'recovery')),
  person uuid not null references people (id) on delete cascade,
  address uuid references addresses (id) on delete cascade,
  browser text,
  code_expires_at timestamptz,
  expires_at timestamptz not null,
  attempts integer not null default 0,
  used_at timestamptz,
  withdrawn_at timestamptz,
  created_at timestamptz not null
);
create index verifications_person on verifications (person, purpose);

create table attributes (               -- the community's own attributes, declared once
  name text primary key,
  declaration jsonb not null,
  position integer not null
);

create table person_attributes (
  person uuid not null references people (id) on delete cascade,
  name text not null references attributes (name) on delete cascade,
  value jsonb not null,
  updated_at timestamptz not null,
  primary key (person, name)
);

create table person_origins (           -- which record of which source a person came from
  source text not null,
  source_key text not null,
  person uuid not null references people (id) on delete cascade,
  fingerprint text not null,
  imported_at timestamptz not null,
  primary key (source, source_key)
);
create index person_origins_person on person_origins (person);

-- core/groups ---------------------------------------------------------------------------------------------------

create table groups (
  id uuid primary key,
  name text not null,
  name_key text not null unique,
  title text not null default '',
  description text not null default '',
  origin text not null,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  version integer not null default 1
);

create table memberships (
  group_id uuid not null references groups (id) on delete cascade,
  person uuid not null references people (id) on delete cascade,
  since timestamptz not null,
  primary key (group_id, person)
);
create index memberships_person on memberships (person);

-- core/credentials ----------------------------------------------------------------------------------------------

create table passwords (
  person uuid primary key references people (id) on delete cascade,
  hash text not null,
  scheme text not null,
  imported boolean not null default false,
  needs_wrap boolean not null default false,
  set_at timestamptz not null,
  last_used_at timestamptz
);
create index passwords_needs_wrap on passwords (person) where needs_wrap;

create table password_failures (        -- one counter a person, whatever the door; one a known device beside it
  subject text primary key,
  failures integer not null,
  window_ends timestamptz not null,
  blocked_until timestamptz
);

create table known_devices (
  id uuid primary key,
  person uuid not null references people (id) on delete cascade,
  token_hash bytea not null unique,
  label text not null,
  created_at timestamptz not null,
  last_seen_at timestamptz not null
);
create index known_devices_person on known_devices (person);

-- core/applications ---------------------------------------------------------------------------------------------

create table applications (
  id text primary key,
  title text not null,
  enabled boolean not null default true,
  settings jsonb not null,
  secret_hash bytea,
  first_sign_in_at timestamptz,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  version integer not null default 1
);

create table consents (
  person uuid not null references people (id) on delete cascade,
  application text not null references applications (id) on delete cascade,
  scopes text[] not null,
  claims text[] not null,
  text_version text not null,
  given_at timestamptz not null,
  withdrawn_at timestamptz,
  primary key (person, application)
);

-- core/operators ------------------------------------------------------------------------------------------------

create table operators (
  person uuid not null references people (id) on delete cascade,
  role text not null check (role in ('owner', 'people', 'apps', 'help-desk', 'auditor', 'app-owner')),
  application text references applications (id) on delete cascade,
  granted_at timestamptz not null,
  granted_by jsonb not null
);
create unique index operators_once on operators (person, role, coalesce(application, ''));

create table api_tokens (
  id uuid primary key,
  name text not null,
  token_hash bytea not null unique,
  roles text[] not null,
  application text references applications (id) on delete cascade,
  created_at timestamptz not null,
  created_by jsonb not null,
  maker uuid references people (id) on delete cascade,  -- the operator it stands and falls with; null: made on the host
  expires_at timestamptz,
  last_used_at timestamptz,
  revoked_at timestamptz
);

create table setup (                    -- the one-time way to the first operator; once closed it stays closed
  "only" boolean primary key default true check ("only"),
  id uuid not null,
  opened_at timestamptz not null,
  closed_at timestamptz
);

-- core/sessions -------------------------------------------------------------------------------------------------

create table sessions (
  id uuid primary key,
  token_hash bytea not null unique,
  person uuid not null references people (id) on delete cascade,
  sid text not null unique,
  auth_time timestamptz not null,
  amr text[] not null,
  aal smallint not null,
  device text not null,
  network text not null,
  persistent boolean not null,
  created_at timestamptz not null,
  last_seen_at timestamptz not null,
  idle_seconds integer not null,
  expires_at timestamptz not null,
  ended_at timestamptz,
  end_reason text
);
create index sessions_person on sessions (person) where ended_at is null;
create index sessions_expiry on sessions (expires_at) where ended_at is null;

create table session_applications (
  session uuid not null references sessions (id) on delete cascade,
  application text not null,
  front text not null,
  joined_at timestamptz not null,
  last_at timestamptz not null,
  primary key (session, application, front)
);

create table sign_ins (                 -- every attempt on a known person, so that a failed one can be explained
  id uuid primary key,
  person uuid not null references people (id) on delete cascade,
  at timestamptz not null,
  door text not null,
  outcome text not null,
  application text,
  device text not null,
  network text not null,
  request_id text not null
);
create index sign_ins_person on sign_ins (person, at desc);
create index sign_ins_age on sign_ins using brin (at);

create table last_sign_ins (            -- last success, per person ('') and per person and application
  person uuid not null references people (id) on delete cascade,
  application text not null,
  at timestamptz not null,
  primary key (person, application)
);

-- core/aliases --------------------------------------------------------------------------------------------------

create table aliases (                  -- what a person is called at an application, where it differs
  application text not null references applications (id) on delete cascade,
  person uuid not null references people (id) on delete cascade,
  alias text not null,
  alias_key text not null,
  origin text not null,
  created_at timestamptz not null,
  primary key (application, person),
  unique (application, alias_key)
);
create index aliases_person on aliases (person);

create table subjects (                 -- fixed the first time an application hears it
  application text not null references applications (id) on delete cascade,
  person uuid not null references people (id),
  subject text not null,
  created_at timestamptz not null,
  primary key (application, person),
  unique (application, subject)
);

-- fronts/oidc ---------------------------------------------------------------------------------------------------

create table oidc_payloads (            -- codes, tokens, grants, interactions and library sessions; ids hashed, bodies sealed
  kind text not null,
  id bytea not null,
  sealed bytea not null,
  grant_id bytea,
  uid bytea,
  user_code bytea,
  session uuid,
  person uuid,
  application text,
  created_at timestamptz not null,
  expires_at timestamptz,
  consumed_at timestamptz,
  primary key (kind, id)
);
create index oidc_payloads_grant on oidc_payloads (grant_id) where grant_id is not null;
create index oidc_payloads_uid on oidc_payloads (kind, uid) where uid is not null;
create index oidc_payloads_user_code on oidc_payloads (user_code) where user_code is not null;
create index oidc_payloads_session on oidc_payloads (session) where session is not null;
create index oidc_payloads_person on oidc_payloads (person, application) where person is not null;
create index oidc_payloads_expiry on oidc_payloads (expires_at);

create table oidc_keys (
  kid text primary key,
  alg text not null,
  public_jwk jsonb not null,
  sealed bytea not null,
  state text not null check (state in ('next', 'active', 'retiring', 'gone')),
  created_at timestamptz not null,
  active_at timestamptz,
  retiring_at timestamptz,
  gone_at timestamptz
);
create unique index oidc_keys_active on oidc_keys (alg) where state = 'active';

create table oidc_logouts (             -- back-channel logout: who was told, and what came back
  id uuid primary key,
  session uuid not null,
  sid text not null,
  application text not null,
  subject text not null,
  state text not null check (state in ('waiting', 'confirmed', 'failed')),
  answer text,
  created_at timestamptz not null,
  settled_at timestamptz
);
create index oidc_logouts_session on oidc_logouts (session);

-- signon --------------------------------------------------------------------------------------------------------

create table signon_requests (          -- what a front asked of the sign-on pages, until it is answered
  id uuid primary key,
  browser text not null,
  request jsonb not null,
  created_at timestamptz not null,
  expires_at timestamptz not null
);
create index signon_requests_expiry on signon_requests (expires_at);

-- notices -------------------------------------------------------------------------------------------------------

create table notices (                  -- one row a mail; the text is made when it is sent and never kept
  id uuid primary key,
  event_id bigint,
  kind text not null,
  person uuid references people (id) on delete cascade,
  address uuid,
  state text not null check (state in ('queued', 'sent', 'failed', 'dropped')),
  message_id text,
  answer text,
  attempts integer not null default 0,
  created_at timestamptz not null,
  settled_at timestamptz
);
create index notices_person on notices (person, created_at desc);

-- migration -----------------------------------------------------------------------------------------------------

create table import_runs (
  id uuid primary key,
  source text not null,
  fingerprint text not null,
  state text not null check (state in ('running', 'done', 'stopped')),
  counts jsonb not null,
  started_at timestamptz not null,
  updated_at timestamptz not null,
  finished_at timestamptz
);

create table import_rows (
  run uuid not null references import_runs (id) on delete cascade,
  source_key text not null,
  outcome text not null,
  reason text,
  person uuid,
  primary key (run, source_key)
);
