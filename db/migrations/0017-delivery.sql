-- What becomes of our own mail after it left, addresses that refuse it, and the way back for whoever gets none.

-- Owned by notices.
alter table notices drop constraint notices_state_check;
update notices set state = 'accepted' where state = 'sent';
alter table notices
  add constraint notices_state_check check (
    state in ('queued', 'accepted', 'deferred', 'delivered', 'bounced', 'failed', 'dropped')),
  add column about text,                  -- the link or code it carries, or the address or upstream it speaks of
  add column handed_at timestamptz,       -- an attempt was begun then, and its end was not seen yet
  add column resent integer not null default 0, -- attempts whose end nobody saw: it may have arrived that often more
  add column accepted_at timestamptz,     -- the mail server took it; what happens after that we are told
  add column next_attempt_at timestamptz, -- while it waits with us
  add column status text,                 -- enhanced status code (RFC 3463) of the last refusal
  add column report text,                 -- what came back after it was taken
  add column reported_at timestamptz;
update notices set accepted_at = settled_at where state = 'accepted';
create index notices_recent on notices (created_at desc, id desc);
create index notices_state on notices (state, created_at desc, id desc);
create index notices_about on notices (about) where about is not null;

create table mail_suppressions (          -- addresses that refuse our mail for good; owned by notices
  address uuid primary key references addresses (id) on delete cascade,
  person uuid not null references people (id) on delete cascade,
  bounces integer not null,
  first_at timestamptz not null,
  last_at timestamptz not null,
  status text,
  report text,
  suppressed_at timestamptz,              -- null: it has refused once, which is not enough
  tried_at timestamptz                    -- what cannot wait for the address is tried once a day
);
create index mail_suppressions_person on mail_suppressions (person);
create index mail_suppressions_suppressed on mail_suppressions (suppressed_at desc) where suppressed_at is not null;

-- Owned by core/people: a link that operators hand over proves no address.
alter table verifications drop constraint verifications_purpose_check;
alter table verifications add constraint verifications_purpose_check check (
  purpose in ('sign-up', 'address', 'recovery', 'proof', 'handed'));
create index verifications_browser on verifications (browser, created_at desc) where browser is not null;

create table recovery_links (             -- asked for by one operator, agreed to by another; owned by core/credentials
  id uuid primary key,
  person uuid not null references people (id) on delete cascade,
  reason text not null,
  asked_by uuid not null,
  asked_at timestamptz not null,
  approved_by uuid,
  approved_at timestamptz,
  verification uuid,                      -- what the link is derived from
  expires_at timestamptz,
  cancelled_at timestamptz,
  cancelled_by uuid,
  check (approved_by <> asked_by)
);
create unique index recovery_links_open on recovery_links (person) where approved_at is null and cancelled_at is null;
create index recovery_links_asked on recovery_links (asked_at desc);
create index recovery_links_person on recovery_links (person);
