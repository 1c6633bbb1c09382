-- Mail to alias mailboxes: who may send it, what became of it, and replies. Owned by fronts/relay.

create table relay_settings (           -- one row: what holds for the whole relay
  "only" boolean primary key default true check ("only"),
  settings jsonb not null,
  updated_at timestamptz not null
);

create table relay_apps (               -- who may write as this app, and how its mail is passed on
  application text primary key references applications (id) on delete cascade,
  settings jsonb not null,
  updated_at timestamptz not null
);

create table relay_lists (              -- networks of senders, published by others or kept by hand: the last good state
  name text primary key,
  networks text[] not null default '{}',
  held text[],                          -- what was published and shrinks too far: waits for a person's yes
  held_at timestamptz,
  checked_at timestamptz,               -- last look, whatever came of it
  fetched_at timestamptz,               -- last good look
  changed_at timestamptz,
  problem text,                         -- why the last look was no good
  etag text,
  source text,                          -- what it was read with: an ETag holds for that alone
  dismissed text,                       -- mark of what a person said no to: not asked again
  looks bigint not null default 0       -- fence: only the latest look may say what it found
);

create table relay_list_changes (
  id bigint generated always as identity primary key,
  list text not null,
  at timestamptz not null,
  outcome text not null check (outcome in ('taken', 'held', 'refused', 'approved', 'dismissed', 'by-hand')),
  added text[] not null default '{}',
  removed text[] not null default '{}',
  note text
);
create index relay_list_changes_list on relay_list_changes (list, id desc);

create table relay_keys (               -- what the relay signs with (DKIM, ARC); the private key is sealed
  id uuid primary key,
  domain text not null,
  selector text not null,
  algorithm text not null check (algorithm in ('rsa-sha256', 'ed25519-sha256')),
  state text not null check (state in ('next', 'active', 'retiring')),
  public_key text not null,             -- base64 of the p= tag
  private_key bytea not null,
  made_at timestamptz not null,
  changed_at timestamptz not null,
  unique (domain, selector)
);

create table relay_messages (           -- what became of a message; never its text. Swept after a while
  id uuid primary key,
  at timestamptz not null,
  person uuid references people (id) on delete cascade,
  application text references applications (id) on delete set null,
  recipient_class text not null check (recipient_class in ('alias', 'bounce', 'reply', 'postmaster', 'none')),
  verdict text not null check (verdict in ('relayed', 'refused', 'deferred', 'absorbed', 'dropped')),
  reason text not null,
  via text not null check (via in ('relay', 'postfix')),
  sender text,                          -- envelope sender; '' is the null sender
  header_from text,
  recipient text,                       -- as it was written
  client inet,
  message_id text,
  message_class text,
  bytes integer,
  mode text check (mode in ('transparent', 'rewritten')),
  smart_host text,
  answer text,                          -- what the smart host said; for operators alone
  took_ms integer,
  bounced_at timestamptz,               -- a report came back later
  bounce_status text
);
create index relay_messages_person on relay_messages (person, at desc) where person is not null;
create index relay_messages_application on relay_messages (application, at desc) where application is not null;
create index relay_messages_at on relay_messages (at desc);
create index relay_messages_message on relay_messages (message_id) where message_id is not null;

create table relay_counts (             -- volumes by day, kept longer than single messages
  day date not null,
  application text not null default '', -- '' where no app is known to have sent it
  verdict text not null,
  reason text not null,
  messages bigint not null,
  bytes bigint not null,
  primary key (day, application, verdict, reason)
);

create table relay_budgets (            -- what was passed on today, for one person by one app, and by the app as a whole
  day date not null,
  application text not null references applications (id) on delete cascade,
  person uuid references people (id) on delete cascade,
  used integer not null,
  unique nulls not distinct (day, application, person)
);
create index relay_budgets_person on relay_budgets (person) where person is not null;

create table relay_choices (            -- what a person decided about their mail; application null: for every app
  person uuid not null references people (id) on delete cascade,
  application text references applications (id) on delete cascade,
  paused boolean not null default false,
  digests boolean not null default true,
  reveal boolean not null default false,-- replies to this app may show the person's own address
  changed_at timestamptz not null,
  unique nulls not distinct (person, application)
);
create index relay_choices_application on relay_choices (application) where application is not null;

create table relay_counterparts (       -- whom a person may answer: what stands behind a reverse alias
  id uuid primary key,
  person uuid not null references people (id) on delete cascade,
  application text not null references applications (id) on delete cascade,
  address text not null,                -- where answers go
  mailbox text not null,                -- as whom the person is known there
  made_at timestamptz not null,
  used_at timestamptz not null,
  unique (person, application, address)
);
create index relay_counterparts_application on relay_counterparts (application);

create table relay_requests (           -- "let them write to me": asked by a person, decided by an operator
  id uuid primary key,
  person uuid not null references people (id) on delete cascade,
  sender text not null,                 -- domain that was refused
  application text references applications (id) on delete set null,
  note text,
  state text not null default 'open' check (state in ('open', 'allowed', 'refused')),
  asked_at timestamptz not null,
  decided_at timestamptz,
  decided_by uuid references people (id) on delete set null,
  answer text
);
create index relay_requests_person on relay_requests (person);
create index relay_requests_decided_by on relay_requests (decided_by) where decided_by is not null;
create index relay_requests_application on relay_requests (application) where application is not null;
create index relay_requests_open on relay_requests (asked_at) where state = 'open';

insert into event_cursors (reader) values ('relay-erasure');
