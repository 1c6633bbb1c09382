-- SAML 2.0 identity provider. Owned by fronts/saml.

insert into event_cursors (reader) values ('saml-forgetting');

create unique index applications_saml_entity on applications ((settings -> 'saml' ->> 'entityId'));

create table saml_keys (
  kid text primary key,
  certificate text not null,             -- PEM, as apps are given it
  sealed bytea not null,                 -- the private key; empty once gone
  state text not null check (state in ('next', 'active', 'retiring', 'gone')),
  not_after timestamptz not null,
  created_at timestamptz not null,
  active_at timestamptz,
  retiring_at timestamptz,
  gone_at timestamptz
);
create unique index saml_keys_active on saml_keys (state) where state = 'active';

create table saml_messages (             -- ids of requests that were acted on; none is acted on twice, on whichever node
  issuer text not null,
  id bytea not null,
  expires_at timestamptz not null,
  primary key (issuer, id)
);
create index saml_messages_expiry on saml_messages (expires_at);

create table saml_requests (             -- what an app asks, until the person has answered
  id uuid primary key,
  browser text,                          -- the first that comes with it, and from then on none else
  application text not null references applications (id) on delete cascade,
  request jsonb not null,
  created_at timestamptz not null,
  expires_at timestamptz not null
);
create index saml_requests_expiry on saml_requests (expires_at);

create table saml_sessions (             -- by which names an app knows a session
  session uuid not null,
  application text not null,
  session_index text not null,
  name_id text not null,
  name_format text not null,
  created_at timestamptz not null,
  primary key (session, application, name_id)
);
create index saml_sessions_index on saml_sessions (application, session_index);
create index saml_sessions_name on saml_sessions (application, name_id);
create index saml_sessions_age on saml_sessions (created_at);

create table saml_sign_outs (            -- one walk of a browser along apps that only it can ask
  id uuid primary key,
  browser text,
  answer jsonb,                          -- the app that began it waits for this, or
  return_to text,                        -- the browser goes back to one of our pages
  created_at timestamptz not null,
  expires_at timestamptz not null
);
create index saml_sign_outs_expiry on saml_sign_outs (created_at);

create table saml_logouts (              -- how it went at each app of a session that ended
  id uuid primary key,
  sign_out uuid references saml_sign_outs (id) on delete set null,
  session uuid not null,
  application text not null,
  session_index text not null,
  name_id text not null,
  name_format text not null,
  state text not null check (state in ('waiting', 'asked', 'ended', 'failed', 'unreachable')),
  answer text,
  created_at timestamptz not null,
  asked_at timestamptz,
  settled_at timestamptz
);
create index saml_logouts_session on saml_logouts (session);
create index saml_logouts_sign_out on saml_logouts (sign_out);
create index saml_logouts_age on saml_logouts (created_at);

create table saml_metadata (             -- the last good metadata of apps that publish theirs
  application text primary key references applications (id) on delete cascade,
  url text not null,
  xml text,
  valid_until timestamptz,
  fetched_at timestamptz,
  tried_at timestamptz not null,
  failure text
);
