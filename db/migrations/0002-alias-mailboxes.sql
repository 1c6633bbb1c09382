-- Alias mailbox addresses, and which account a person has at an app.

-- core/aliases --------------------------------------------------------------------------------------------------

create table alias_mailboxes (          -- every alias mailbox address ever made, so that none is handed to a second person
  address_key text primary key,         -- of the erased a keyed hash, which keeps the address from everyone unreadably
  person uuid references people (id) on delete set null,
  domain text not null,
  local_part text,
  stem text,                            -- what the rule made of the name, and which of those who would share it this is
  number integer,
  state text not null check (state in ('current', 'kept', 'gone')),
  made_at timestamptz not null,
  check ((local_part is null) = (state = 'gone'))
);
create unique index alias_mailboxes_current on alias_mailboxes (person) where state = 'current';
create index alias_mailboxes_person on alias_mailboxes (person) where person is not null;
create index alias_mailboxes_stem on alias_mailboxes (domain, stem, number) where stem is not null;

create table account_choices (          -- where someone said which address their account at an app stands on
  application text not null references applications (id) on delete cascade,
  person uuid not null references people (id) on delete cascade,
  choice text not null check (choice in ('mailbox', 'own')),
  address uuid references addresses (id) on delete set null,
  chosen_at timestamptz not null,
  primary key (application, person)
);
create index account_choices_person on account_choices (person);
create index account_choices_address on account_choices (address) where address is not null;
