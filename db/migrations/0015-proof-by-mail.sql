-- A code by mail for somebody who is signed in and has no password and no further factor here: proof that it is them.
alter table verifications drop constraint verifications_purpose_check;
alter table verifications add constraint verifications_purpose_check
  check (purpose in ('sign-up', 'address', 'recovery', 'proof'));
