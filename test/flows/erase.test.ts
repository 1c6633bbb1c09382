/** Erasing is proved by what is left: a word is put wherever a person can leave a trace, then the whole database is read. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chooseAccount } from '#core/aliases/account-choices.ts';
import { assignAliases, fixSubject } from '#core/aliases/aliases.ts';
import { giveConsent, requireApplication } from '#core/applications/applications.ts';
import { rememberDevice, setPassword } from '#core/credentials/credentials.ts';
import { askReset } from '#core/credentials/factor-resets.ts';
import { insertPasskey } from '#core/credentials/passkeys.store.ts';
import { makeRecoveryCodes } from '#core/credentials/recovery-codes.ts';
import { askLink } from '#core/credentials/recovery-links.ts';
import { rememberForFactor } from '#core/credentials/remembered.ts';
import { addGroup, addMembers } from '#core/groups/groups.ts';
import { join } from '#core/lifecycle/join.ts';
import { leave } from '#core/lifecycle/leave.ts';
import { appoint } from '#core/operators/operators.ts';
import { createToken } from '#core/operators/tokens.ts';
import { setAttributes } from '#core/people/attributes.ts';
import {
  addAddress,
  findByUsername,
  insertOrigins,
  listAddresses,
  removeAddress,
  verifyAddress,
} from '#core/people/people.ts';
import { requestVerification } from '#core/people/verifications.ts';
import { joinApplication, noteSignIn, openSession } from '#core/sessions/sessions.ts';
import { deleteOld } from '#fronts/saml/store.ts';
import { newId } from '#kit/crypto/ids.ts';
import { system } from '#kit/db/database.ts';
import type { Tx, TxContext } from '#kit/db/tx.ts';
import { noteHardBounce } from '#notices/suppressions.ts';
import { requestSignOn } from '#signon/dispatch.ts';
import { cleanUpSignOn } from '#signon/signon.ts';
import { addApp } from '#test/factors.ts';
import { type Platform, startPlatform, testDatabase } from '#test/kit.ts';

const word = 'zqxmarker';
const lifetimes = { idleSeconds: 3600, absoluteSeconds: 86_400 };

/** Every table whose rows say the word, in letters or in the bytes of a column, and how they say it. */
async function traces({ database }: Platform): Promise<string[]> {
  const tables = await database.query<{ name: string }>(
    `select quote_ident(relname) as name from pg_class
     where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') order by 1`,
  );
  const found: string[] = [];
  for (const { name } of tables) {
    const rows = await database.query<{ row: string }>(
      `select t::text as row from ${name} t where t::text ilike $1 or t::text ilike $2`,
      [`%${word}%`, `%${Buffer.from(word).toString('hex')}%`],
    );
    found.push(...rows.map(({ row }) => `${name}: ${row}`));
  }
  return found;
}

/** The tables `leaveTraces` puts the word into. */
const filled = [
  'addresses',
  'alias_mailboxes',
  'aliases',
  'api_tokens',
  'consents',
  'events',
  'factor_resets',
  'former_addresses',
  'former_aliases',
  'import_rows',
  'known_devices',
  'mail_suppressions',
  'notices',
  'oidc_logouts',
  'operators',
  'passkeys',
  'passwords',
  'pending_sign_ins',
  'people',
  'person_attributes',
  'person_origins',
  'queue_jobs',
  'recovery_links',
  'relay_counterparts',
  'relay_messages',
  'relay_requests',
  'remembered_devices',
  'saml_logouts',
  'saml_requests',
  'saml_sessions',
  'session_upstreams',
  'sessions',
  'sign_in_traces',
  'sign_ins',
  'signon_requests',
  'subjects',
  'upstream_links',
  'usernames',
  'verifications',
];

const tablesIn = (found: readonly string[]) => [...new Set(found.map((one) => one.split(':')[0]))].sort();

async function leaveTraces(platform: Platform): Promise<string> {
  const { database } = platform;
  const during = <T>(work: (tx: Tx) => Promise<T>) => database.transact(system('request'), work);
  await platform.apply(`
community: { name: Harbour }
attributes:
  - { name: motto, title: Motto, type: text }
groups: [{ name: crew }]
upstreams: [{ id: far, title: Far, enabled: false, oidc: { preset: google, clientId: x } }]
applications:
  - id: wiki
    title: Wiki
    subject: username
    oidc: { redirectUris: [http://localhost:9/cb], backchannelLogoutUri: http://localhost:9/out }
  - { id: mail, title: Mail, alias: { address: mailbox } }
`);
  const id = await during((tx) =>
    join(tx, {
      username: word,
      givenName: word,
      familyName: word,
      displayName: word,
      locale: `en-${word.slice(0, 5)}`,
      state: 'active',
      origin: 'test',
      addresses: [
        { address: `${word}@example.org`, primary: true, verified: true },
        { address: `${word}2@example.org`, primary: false, verified: true },
      ],
    }),
  );
  const asThemselves: TxContext = {
    actor: { kind: 'person', id, name: word },
    cause: 'request',
    requestId: 'r',
  };
  await database.transact(asThemselves, async (tx) => {
    await setAttributes(tx, id, { motto: word }, 'operators');
    const added = await addAddress(tx, id, `${word}3@example.org`);
    await requestVerification(tx, { purpose: 'address', person: id, address: added.id, browser: word });
    await verifyAddress(tx, id, added.id);
    const second = (await listAddresses(tx, [id])).find((one) => one.address.includes('2'))!;
    await removeAddress(tx, id, second.id);
    await setPassword(tx, id, `$argon2id$${word}`, 'change');
    await rememberDevice(tx, id, word);
    await assignAliases(tx, [{ application: 'wiki', person: id, alias: word }], 'test');
    await giveConsent(tx, {
      person: id,
      application: 'wiki',
      scopes: ['openid'],
      claims: [word],
      textVersion: '1',
    });
    const person = { person: id, device: word, network: word };
    const { session } = await openSession(tx, {
      ...person,
      amr: ['pwd'],
      aal: 1,
      persistent: false,
      lifetimes,
    });
    await noteSignIn(tx, { ...person, door: 'page', outcome: 'ok' });
    await fixSubject(tx, await requireApplication(tx, 'wiki'), id, word);
    await assignAliases(tx, [{ application: 'wiki', person: id, alias: `${word}4` }], 'test');
    await joinApplication(tx, session, 'wiki', 'oidc');
    await insertOrigins(tx, 'old', [{ key: word, person: id, fingerprint: word }]);
    await requestSignOn(tx, 'b', { front: 'oidc', returnTo: '/x', loginHint: word } as never);
  });
  await during(async (tx) => {
    await appoint(tx, { person: id, role: 'owner' });
    const other = await join(tx, { username: 'other', state: 'active', origin: 'test', addresses: [] });
    await appoint(tx, { person: other, role: 'owner' });
  });
  const asOperator = { ...asThemselves, actor: { ...asThemselves.actor, kind: 'operator' as const } };
  await database.transact(asOperator, async (tx) => {
    const crew = await addGroup(tx, { name: 'crew2', origin: 'test' });
    await addMembers(tx, crew.id, [id]);
    await createToken(tx, { name: word, scopes: ['people'] });
    const third = await join(tx, { username: 'third', state: 'active', origin: 'test', addresses: [] });
    await appoint(tx, { person: third, role: 'auditor' });
  });
  await during((tx) => leave(tx, id, 'locked', `${word} asked`));
  await platform.settle();
  await leaveProofs(platform, id);
  // Locking took the device, the letter the former address; and what only other machines and broken pieces write.
  await during((tx) => rememberDevice(tx, id, word));
  await database.query(`insert into former_addresses values ($1, $2, $3, now())`, [
    newId(),
    id,
    `${word}@a.org`,
  ]);
  const runs = [newId(), newId()];
  for (const run of runs)
    await database.query(
      `insert into import_runs (id, source, fingerprint, state, counts, started_at, updated_at)
       values ($1, 'old', 'f', 'done', '{}', now(), now())`,
      [run],
    );
  await database.query(`insert into import_rows values ($1, $2, 'ready', null, $3)`, [runs[0], word, id]);
  await database.query(`insert into import_rows values ($1, $2, 'conflict', 'changed', null)`, [
    runs[1],
    word,
  ]);
  await database.query(`update notices set answer = $2 where person = $1`, [id, `550 ${word}`]);
  await database.query(
    `insert into queue_jobs (lane, key, payload, state, last_error) values ('mail', $1, '{}', 'dead', $2)`,
    [id, word],
  );
  await database.query(
    `insert into oidc_logouts (id, session, sid, application, subject, state, created_at)
     select gen_random_uuid(), id, sid, 'wiki', $2, 'confirmed', now() from sessions where person = $1`,
    [id, word],
  );
  await database.query(
    `insert into saml_sessions (session, application, session_index, name_id, name_format, created_at)
     select id, 'wiki', '_1', $2, 'emailAddress', now() from sessions where person = $1`,
    [id, word],
  );
  await database.query(
    `insert into saml_logouts (id, session, application, session_index, name_id, name_format, state, created_at)
     select gen_random_uuid(), id, 'wiki', '_1', $2, 'emailAddress', 'ended', now() from sessions where person = $1`,
    [id, word],
  );
  await database.query(
    `insert into upstream_links (id, upstream, tenant, subject, person, label, created_at)
     values (gen_random_uuid(), 'far', '', $2, $1, $2, now())`,
    [id, word],
  );
  await database.query(
    `insert into session_upstreams (session, upstream, subject, session_index)
     select id, 'far', $2, $2 from sessions where person = $1`,
    [id, word],
  );
  await leaveMail(platform, id);
  return id;
}

/** What became of mail to the alias mailbox, whom they could answer, and whom they asked to be let in. */
async function leaveMail({ database }: Platform, id: string): Promise<void> {
  await database.query(
    `insert into relay_messages (id, at, person, recipient_class, verdict, reason, via, sender, recipient, answer)
     values (gen_random_uuid(), now(), $1, 'alias', 'relayed', 'passed-on', 'relay', $2, $2, $2)`,
    [id, word],
  );
  await database.query(
    `insert into relay_counterparts (id, person, application, address, mailbox, made_at, used_at)
     values (gen_random_uuid(), $1, 'mail', 'x@tools.test', $2, now(), now())`,
    [id, `${word}@people.test`],
  );
  await database.query(`insert into relay_budgets values (current_date, 'mail', $1, 3)`, [id]);
  await database.query(
    `insert into relay_choices (person, application, reveal, changed_at) values ($1, 'mail', true, now())`,
    [id],
  );
  await database.query(
    `insert into relay_requests (id, person, sender, note, asked_at) values (gen_random_uuid(), $1, 'tools.test', $2, now())`,
    [id, word],
  );
  await database.query(
    `insert into relay_list_changes (list, at, outcome, decided_by) values ('fleet', now(), 'approved', $1)`,
    [id],
  );
}

/** Every further proof, a sign-in that waits, one that was refused, one that was begun, an account chosen at an app. */
async function leaveProofs({ database, secrets, clock }: Platform, id: string): Promise<void> {
  const other = await database.transact(system('request'), async (tx) => {
    await addApp(tx, secrets, id);
    await makeRecoveryCodes(tx, id);
    await insertPasskey(tx, {
      id: newId(),
      person: id,
      credentialId: 'AAAA',
      publicKey: Buffer.from(word),
      counter: 0,
      transports: ['internal'],
      synced: false,
      aaguid: newId(),
      name: word,
    });
    await tx.query('insert into passkey_handles (person, handle) values ($1, $2)', [id, Buffer.alloc(32)]);
    await rememberForFactor(tx, { person: id, label: word, days: 30 });
    await addMembers(tx, (await addGroup(tx, { name: 'crew3', origin: 'test' })).id, [id]);
    await chooseAccount(tx, await requireApplication(tx, 'mail'), { person: id, choice: 'mailbox' });
    return (await findByUsername(tx, 'other'))!.id;
  });
  await database.transact(system('request'), async (tx) => {
    await askReset(tx, { person: id, reason: `${word} lost the phone`, operator: other });
    await askLink(tx, { person: id, reason: `${word} gets no mail`, operator: other });
    const [main] = await listAddresses(tx, [id]);
    await noteHardBounce(tx, { person: id, address: main!.id, text: `no ${word} here` });
  });
  const place = { door: 'page', device: word, network: word, persistent: false };
  await database.query(
    `insert into pending_sign_ins (id, token_hash, browser, person, ask, amr, aal, place, created_at, expires_at)
     values (gen_random_uuid(), 'x', 'b', $1, 'enrol', '{pwd}', 1, $2, $3, $3::timestamptz + interval '10 minutes')`,
    [id, JSON.stringify(place), clock.now()],
  );
  await database.query(
    `insert into sign_in_traces (reference, person, code, door, device, network, steps, at)
     values ('r', $1, 'sign-in-failed', 'page', $2, $2, $3, now())`,
    [id, word, JSON.stringify([{ step: word }])],
  );
  await database.query(
    `insert into sign_in_watches (id, person, created_at, ends_at) values (gen_random_uuid(), $1, now(), now())`,
    [id],
  );
  await database.query(
    `insert into saml_requests (id, browser, application, request, created_at, expires_at)
     values (gen_random_uuid(), 'b', 'wiki', $1, $2, $2::timestamptz + interval '1 hour')`,
    [JSON.stringify({ subject: { value: word } }), clock.now()],
  );
  await database.query(
    `insert into oidc_payloads (kind, id, sealed, session, person, created_at, expires_at)
     select 'AccessToken', 'x', 'x', id, $1, $2, null from sessions where person = $1 limit 1`,
    [id, clock.now()],
  );
}

/** Tables with rows of this person, by whatever column. */
async function tablesAbout({ database }: Platform, id: string): Promise<string[]> {
  const columns = await database.query<{ table: string; column: string }>(
    `select c.relname as table, a.attname as column from pg_class c join pg_attribute a on a.attrelid = c.oid
     where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and a.attnum > 0
       and (a.attname = 'person' or exists (select from pg_constraint k where k.conrelid = c.oid
         and k.confrelid = 'people'::regclass and a.attnum = any(k.conkey)))`,
  );
  const found = new Set<string>();
  for (const { table, column } of columns) {
    const rows = await database.query(`select 1 from "${table}" where "${column}"::text = $1 limit 1`, [id]);
    if (rows.length > 0) found.add(table);
  }
  return [...found].sort();
}

/** What stays of someone who is erased: that they were there, and what keeps their names from others, unreadably. */
const stays = [
  'aliases',
  'api_tokens',
  'events',
  'former_aliases',
  'person_origins',
  'sessions',
  'subjects',
  'usernames',
];

test('an erased person’s word stands nowhere in the whole database, and their id stays', async () => {
  const platform = await startPlatform({ env: { GATEHOUSE_ALIAS_DOMAIN: 'people.harbour.test' } });
  const { database } = platform;
  const id = await leaveTraces(platform);
  assert.deepEqual(tablesIn(await traces(platform)), filled);
  const about = await tablesAbout(platform, id);
  for (const table of elsewhere)
    if (!table.startsWith('target_')) assert.ok(about.includes(table), `${table} holds something of them`);
  await database.transact(system('admin'), (tx) => leave(tx, id, 'erased', 'request 7'));
  await platform.settle();
  // What was asked by a browser is nobody's yet; it goes within hours by itself.
  assert.deepEqual(
    (await traces(platform)).filter((one) => !/^(?:signon|saml)_requests:/.test(one)),
    [],
  );
  assert.deepEqual(await tablesAbout(platform, id), stays);
  platform.clock.advance(25 * 3600_000);
  await cleanUpSignOn(platform);
  await deleteOld(database, platform.clock.now(), platform.clock.now());
  assert.deepEqual(await traces(platform), []);
  assert.deepEqual(await tablesAbout(platform, id), stays, 'nothing is noted of them later on');
  const [row] = await database.query('select state, state_reason from people where id = $1', [id]);
  assert.deepEqual(row, { state: 'erased', state_reason: 'request 7' });
  const told = await database.query('select 1 from events where person = $1', [id]);
  assert.ok(told.length > 10, 'what happened is still in the log');
  await platform.close();
});

/** Tables about people that hold no words of theirs: filled too, and proved by whose rows are left; accounts beside theirs. */
const elsewhere = new Set([
  'account_choices',
  'last_sign_ins',
  'memberships',
  'oidc_payloads',
  'passkey_handles',
  'recovery_codes',
  'relay_budgets',
  'relay_choices',
  'relay_list_changes',
  'sign_in_watches',
  'target_deleted',
  'target_links',
  'target_members',
  'totp_authenticators',
]);
test('a new table about people is not forgotten here: it is filled above, or somebody thought of it', async () => {
  const { database, close } = await testDatabase();
  const tables = await database.query<{ name: string }>(
    `select distinct c.relname as name from pg_class c join pg_attribute a on a.attrelid = c.oid
     where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
       and (a.attname = 'person' or exists (select from pg_constraint k
         where k.conrelid = c.oid and k.confrelid = 'people'::regclass))
     order by 1`,
  );
  const thought = new Set([...filled, ...elsewhere]);
  assert.deepEqual(
    tables.filter(({ name }) => !thought.has(name)),
    [],
  );
  await close();
});
