-- Who put a list in force, kept the old one, or changed networks by hand; nobody where the clock or a file did.
alter table relay_list_changes add column decided_by uuid references people on delete set null;
create index relay_list_changes_decided_by on relay_list_changes (decided_by) where decided_by is not null;
