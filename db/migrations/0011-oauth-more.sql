-- Devices without a browser (RFC 8628), proofs that count once (RFC 9449, RFC 7523), and apps that register themselves
-- (RFC 7591). Owned by the OpenID Connect front.

create table oidc_device_codes (
  id uuid primary key,                   -- names the request on our pages
  user_code bytea not null unique,       -- keyed hash of what the person types
  device_code bytea not null unique,     -- the object in oidc_payloads
  browser text,                          -- who typed it: from then on it is theirs alone
  session uuid,
  decision text check (decision in ('allowed', 'denied')),
  interval_seconds integer not null,     -- the device asks no more often than that
  polled_at timestamptz,
  created_at timestamptz not null,
  expires_at timestamptz not null
);
create index oidc_device_codes_expiry on oidc_device_codes (expires_at);

create table oidc_replays (              -- ids of proofs that were seen, by hash, for as long as they would count
  id bytea primary key,
  expires_at timestamptz not null
);
create index oidc_replays_expiry on oidc_replays (expires_at);

create table oidc_registration_tokens (  -- initial access tokens: who holds one may register so many apps
  id uuid primary key,
  token_hash bytea not null unique,
  name text not null,
  uses_left integer not null check (uses_left >= 0),
  created_at timestamptz not null,
  created_by jsonb not null,
  expires_at timestamptz not null,
  used_at timestamptz
);
create index oidc_registration_tokens_expiry on oidc_registration_tokens (expires_at);
