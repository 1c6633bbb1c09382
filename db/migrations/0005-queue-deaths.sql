-- How often in a row a worker ended while it had the job. Not the job's failures: several are under way in one worker,
-- and whichever of them ends it, the others have done nothing.

alter table queue_jobs add column deaths integer not null default 0;
