-- Upstream providers: who signs people in for us, whom each of them knows here, and what is under way.

-- Who was erased before there were providers was linked to none.
insert into event_cursors (reader, xid) values ('upstream-erasure', pg_snapshot_xmax(pg_current_snapshot()));

create table upstreams (
  id text primary key,
  settings jsonb not null,
  credentials bytea, -- sealed: client secret, password to bind with, private keys
  created_at timestamptz not null,
  updated_at timestamptz not null,
  version integer not null default 1
);

-- Who someone of an upstream is here. The key is what the upstream calls them for good, never an address.
create table upstream_links (
  id uuid primary key,
  upstream text not null references upstreams (id) on delete cascade,
  tenant text not null, -- where subjects are counted apart (Entra: tid; SAML: format and qualifiers); else empty
  subject text not null,
  person uuid not null references people (id) on delete cascade,
  label text not null, -- what the upstream calls them today; for people to recognise, nothing is decided by it
  created_at timestamptz not null,
  used_at timestamptz,
  taken_over_at timestamptz, -- since when the password is kept here and the directory is asked no more
  unique (upstream, tenant, subject)
);
create index upstream_links_person on upstream_links (person);

create function upstream_links_fixed() returns trigger language plpgsql as $$
begin
  raise exception 'whose a link is does not change' using errcode = 'integrity_constraint_violation';
end $$;
create trigger upstream_links_fixed before update of id, upstream, tenant, subject, person on upstream_links
  for each row execute function upstream_links_fixed();

-- Someone is on the way to an upstream and back: bound to a browser, used once.
create table upstream_requests (
  id uuid primary key,
  handle_hash bytea not null unique, -- of `state` or RelayState; nonce and verifier are derived from the id
  browser text not null,
  upstream text not null references upstreams (id) on delete cascade,
  request jsonb not null, -- what for: the sign-on that is open, or the person and session that add a link
  created_at timestamptz not null,
  expires_at timestamptz not null,
  used_at timestamptz
);
create index upstream_requests_expire on upstream_requests (expires_at);

-- Someone came back whom nobody here is yet: what the upstream said of them, until they say who they are.
create table upstream_arrivals (
  id uuid primary key,
  browser text not null,
  upstream text not null references upstreams (id) on delete cascade,
  tenant text not null,
  subject text not null,
  arrival bytea not null, -- sealed: names, addresses and what was open
  created_at timestamptz not null,
  expires_at timestamptz not null,
  used_at timestamptz
);
create index upstream_arrivals_expire on upstream_arrivals (expires_at);

-- What may be heard once only: assertions and logout tokens, by hash, until they have ended by themselves.
create table upstream_heard (
  upstream text not null references upstreams (id) on delete cascade,
  token_hash bytea not null,
  expires_at timestamptz not null,
  primary key (upstream, token_hash)
);
create index upstream_heard_expire on upstream_heard (expires_at);
