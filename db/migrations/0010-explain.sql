-- Why did it fail? The path of each login that was refused, for operators, for fourteen days. Owned by signon.

-- Of who was erased before, no path was kept.
insert into event_cursors (reader, xid) values ('refusal-erasure', pg_snapshot_xmax(pg_current_snapshot()));

create table sign_in_traces (
  reference text primary key,            -- what the person was shown, and quotes
  person uuid,                           -- whose login it was, as far as that was known
  application text,                      -- where they were on the way to
  code text not null,                    -- what it was refused with; 'watched' for one that was only watched
  door text not null,                    -- the route that answered
  device text not null,
  network text not null,                 -- shortened
  steps jsonb not null,                  -- what happened, in order; holds no secret
  at timestamptz not null
);
create index sign_in_traces_person on sign_in_traces (person, at desc) where person is not null;
create index sign_in_traces_application on sign_in_traces (application, at desc) where application is not null;
create index sign_in_traces_at on sign_in_traces (at);

create table sign_in_watches (           -- logins kept also when they succeed, for some minutes, by an operator's wish
  id uuid primary key,
  person uuid,
  application text,
  created_at timestamptz not null,
  ends_at timestamptz not null,
  check ((person is null) <> (application is null))
);
create index sign_in_watches_end on sign_in_watches (ends_at);
