-- Devices without a browser (RFC 8628), and proofs that count once (RFC 9449, RFC 7523). Owned by the OpenID Connect front.

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
