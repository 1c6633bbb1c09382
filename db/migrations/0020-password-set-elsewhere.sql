-- A password that came with its owner was set somewhere else, and nobody here knows when: not even once its hash is ours.
alter table passwords add column set_elsewhere boolean not null default false;
update passwords set set_elsewhere = true where imported;
