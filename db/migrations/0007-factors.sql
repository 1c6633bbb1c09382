-- Further proofs of who someone is: passkeys, authenticator apps, recovery codes, remembered browsers, and the way back
-- for whoever lost them. Owned by core/credentials unless said otherwise.

create table passkey_handles (           -- what passkeys call a person: random, tells nothing
  person uuid primary key references people (id) on delete cascade,
  handle bytea not null unique
);

create table passkeys (
  id uuid primary key,
  person uuid not null references people (id) on delete cascade,
  credential_id bytea not null unique,
  public_key bytea not null,             -- COSE
  counter bigint not null,
  transports text[] not null,
  backed_up boolean not null,
  aaguid text not null,
  name text not null,
  created_at timestamptz not null,
  last_used_at timestamptz
);
create index passkeys_person on passkeys (person);

create table used_challenges (           -- a challenge carries its own proof; what stands here counts no more
  digest bytea primary key,
  expires_at timestamptz not null
);
create index used_challenges_expiry on used_challenges (expires_at);

create table totp_authenticators (
  id uuid primary key,
  person uuid not null references people (id) on delete cascade,
  secret bytea not null,                 -- sealed
  confirmed_at timestamptz,              -- null while it is being set up
  last_step bigint not null default 0,   -- the latest step a code was used of
  created_at timestamptz not null,
  last_used_at timestamptz
);
create unique index totp_authenticators_confirmed on totp_authenticators (person) where confirmed_at is not null;
create unique index totp_authenticators_open on totp_authenticators (person) where confirmed_at is null;

create table recovery_codes (
  person uuid not null references people (id) on delete cascade,
  salt bytea not null,
  hash bytea not null,
  created_at timestamptz not null,
  used_at timestamptz,
  primary key (person, hash)
);

create table remembered_devices (        -- browsers that need no second factor for a while
  id uuid primary key,
  person uuid not null references people (id) on delete cascade,
  token_hash bytea not null unique,
  label text not null,
  created_at timestamptz not null,
  last_used_at timestamptz not null,
  expires_at timestamptz not null
);
create index remembered_devices_person on remembered_devices (person);
create index remembered_devices_expiry on remembered_devices (expires_at);

create table factor_resets (             -- two operators agree, the person is told and may object, then it happens
  id uuid primary key,
  person uuid not null references people (id) on delete cascade,
  reason text not null,
  asked_by uuid not null,
  asked_at timestamptz not null,
  approved_by uuid,
  approved_at timestamptz,
  due_at timestamptz,
  done_at timestamptz,
  cancelled_at timestamptz,
  cancelled_by uuid,
  check (approved_by <> asked_by)
);
create unique index factor_resets_open on factor_resets (person) where done_at is null and cancelled_at is null;
create index factor_resets_due on factor_resets (due_at) where done_at is null and cancelled_at is null;

-- core/sessions: proof given again within a session, and where it came from when someone else vouched for the person.
alter table sessions add column elevated_at timestamptz;
alter table sessions add column elevated_aal smallint;

create table session_upstreams (
  session uuid primary key references sessions (id) on delete cascade,
  upstream text not null,
  subject text not null,
  session_index text,
  id_token bytea                         -- sealed
);
create index session_upstreams_subject on session_upstreams (upstream, subject);

-- signon: proofs given so far, while another one is asked; no session yet.
create table pending_sign_ins (
  id uuid primary key,
  token_hash bytea not null unique,
  browser text not null,
  person uuid not null references people (id) on delete cascade,
  ask text not null check (ask in ('second-factor', 'enrol')),
  amr text[] not null,
  aal smallint not null,
  place jsonb not null,
  upstream bytea,                        -- sealed
  created_at timestamptz not null,
  expires_at timestamptz not null,
  used_at timestamptz
);
create index pending_sign_ins_expiry on pending_sign_ins (expires_at);
create index pending_sign_ins_person on pending_sign_ins (person);
