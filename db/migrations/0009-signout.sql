-- What a sign-out says afterwards, sessions on computers that others use too, and what keeps programs out of sign-up.

create table sign_outs (                 -- the page that tells what a sign-out ended; owned by signon
  token_hash bytea primary key,          -- its address is known to the browser that signed out alone
  sessions uuid[] not null,
  outcomes jsonb not null,               -- what could be said at that moment
  return_to text,                        -- a registered address of the app that asked for it
  created_at timestamptz not null,
  expires_at timestamptz not null
);
create index sign_outs_expiry on sign_outs (expires_at);

alter table sessions add column shared boolean not null default false;  -- on a computer that others use too

alter table oidc_logouts add column attempts integer not null default 0; -- how often the app was told

create table used_puzzles (              -- puzzles of sign-up that made an account; owned by signon
  id bytea primary key,
  expires_at timestamptz not null
);
create index used_puzzles_expiry on used_puzzles (expires_at);
