-- SAML identity providers as upstreams.

-- An answer comes by a form of another site, without the browser's cookies: kept until the browser comes for it.
alter table upstream_requests add column answer bytea; -- sealed: what was told, read and believed

-- By which name a provider will sign somebody out, where that is not how we know them. A hash: it is only compared.
alter table session_upstreams add column name_hash bytea;
create index session_upstreams_name on session_upstreams (name_hash) where name_hash is not null;

create table upstream_metadata ( -- the last good metadata of providers that publish theirs
  upstream text primary key references upstreams (id) on delete cascade,
  url text not null,
  xml text,
  valid_until timestamptz,
  fetched_at timestamptz,
  tried_at timestamptz not null,
  failure text
);
