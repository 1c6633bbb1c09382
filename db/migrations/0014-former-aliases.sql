-- Names people had at apps and have no longer. Owned by core/aliases.

create table former_aliases (           -- the app knew its person by it: nobody else is given it there
  application text not null references applications (id) on delete cascade,
  alias_key text not null,              -- of the erased a keyed hash
  person uuid not null references people (id) on delete cascade,
  primary key (application, alias_key)
);
create index former_aliases_person on former_aliases (person);
