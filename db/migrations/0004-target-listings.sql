-- A listing of a target is gathered beside what is known, and takes its place only when it is complete.

create table target_pages (             -- what the listing under way has brought so far
  application text not null references targets (application) on delete cascade,
  remote_id text not null,
  external_id text,
  user_name_key text,
  email_key text,
  active boolean not null,
  account_id text,
  attributes jsonb not null,
  primary key (application, remote_id)
);

create table target_listed_groups (     -- groups the last listing saw
  application text not null references targets (application) on delete cascade,
  remote_id text not null,
  name text not null,
  name_key text not null,
  external_id text,
  primary key (application, remote_id)
);
create index target_listed_groups_name on target_listed_groups (application, name_key);
