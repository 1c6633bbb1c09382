-- What provisioning tells besides what it does.

alter table target_plans add column fields jsonb not null default '[]'; -- what was and what will be, cut short, no secrets

create table target_deleted (           -- accounts we deleted ourselves, until a listing does not show them any more
  application text not null references targets (application) on delete cascade,
  remote_id text not null,
  person uuid,                          -- whose it was; none for an account of nobody
  blank boolean not null default false, -- its person was erased: what is read of it is not kept
  deleted_at timestamptz not null,
  primary key (application, remote_id)
);
create index target_deleted_person on target_deleted (person);

alter table target_brakes drop constraint target_brakes_outcome_check;
alter table target_brakes add constraint target_brakes_outcome_check
  check (outcome in ('approved', 'refused', 'trimmed', 'over'));

create table group_former_names (       -- what groups were called before, for those who still say it
  name_key text primary key,
  name text not null,
  "group" uuid not null references groups (id) on delete cascade,
  until timestamptz not null
);
create index group_former_names_group on group_former_names ("group");
