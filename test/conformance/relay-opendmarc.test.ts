/**
 * OpenDMARC, behind OpenDKIM in a Postfix, as a second judge: of what leaves here, in both modes, and of what comes, where
 * we are never to be the ones who believe more.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { isProved, proofsOf } from '#fronts/relay/authenticate.ts';
import { activateRelayKey, makeRelayKey } from '#fronts/relay/keys.ts';
import { authenticate } from '#fronts/relay/proofs.ts';
import { system } from '#kit/db/database.ts';
import { closeAfterEach } from '#test/kit.ts';
import { forgedKeys, forgeries, key, mine, signed, usual, zone } from '#test/mail-forgeries.ts';
import { courtMissing, type Judged, startCourt } from '#test/peers/mail-court.ts';
import { aliasDomain, letter, startTestRelay } from '#test/relay.ts';
import { makeMail, makeMailKey, signMail } from '#test/signed-mail.ts';

const skip = courtMissing();
closeAfterEach();

const theirs = makeMailKey();
const smartHost = '192.0.2.25';
const stranger = '198.51.100.9';

/** An app that has to prove itself and is read with the very records the judge reads. */
async function stage(t: TestContext, mode: 'transparent' | 'rewritten') {
  const court = await startCourt(t);
  const { dns } = court;
  dns.set('jira.test', { TXT: ['v=spf1 ip4:127.0.0.3 -all'] });
  dns.set('_dmarc.jira.test', { TXT: ['v=DMARC1; p=reject'] });
  dns.set('s1._domainkey.jira.test', { TXT: [theirs.record] });
  dns.set(aliasDomain, { TXT: [`v=spf1 ip4:${smartHost} -all`] });
  dns.set(`_dmarc.${aliasDomain}`, { TXT: ['v=DMARC1; p=reject; adkim=s; aspf=s'] });
  const relay = await startTestRelay(t, {
    app: { networks: ['127.0.0.2/32'], domains: ['jira.test'], require: ['dmarc'], mode },
    env: { GATEHOUSE_DNS_SERVERS: dns.server },
  });
  const { database, secrets } = relay.platform;
  const made = await database.transact(system(), async (tx) => {
    const { id } = await makeRelayKey(tx, secrets, { domain: aliasDomain, algorithm: 'rsa-sha256' });
    return activateRelayKey(tx, id);
  });
  dns.set(made!.name, { TXT: [made!.record] });
  const passOn = async (): Promise<Pick<Judged, 'raw' | 'sender'>> => {
    const raw = await signMail(Buffer.from(letter()), { domain: 'jira.test', selector: 's1', key: theirs });
    const answer = await relay.mail({ raw, client: '127.0.0.2' });
    assert.equal(answer.code, 250, answer.transcript);
    const { raw: left, from } = relay.sink.messages.at(-1)!;
    return { raw: left, sender: from };
  };
  const judge = (given: Partial<Judged> & Pick<Judged, 'raw'>) =>
    court.judge({ client: smartHost, helo: 'out.smart.test', sender: '', ...given });
  return { passOn, judge };
}

const changed = (raw: Buffer) => {
  const text = raw.toString('latin1');
  assert.match(text, /HARB-1/);
  return Buffer.from(text.replace('HARB-1', 'HARB-2'), 'latin1');
};

test('SM-09 written anew, what leaves passes DMARC of our domain by OpenDMARC: by SPF and by DKIM, each alone', {
  skip,
}, async (t) => {
  const { passOn, judge } = await stage(t, 'rewritten');
  const left = await passOn();
  const both = await judge(left);
  assert.deepEqual(
    [both.spf, both.dkim, both.dmarc, both.policy],
    ['pass', ['pass'], 'pass', 'reject'],
    both.text,
  );
  assert.match(both.text, new RegExp(`header\\.from=${aliasDomain}`));
  const forwarded = await judge({ ...left, client: stranger });
  assert.deepEqual([forwarded.spf, forwarded.dmarc], ['fail', 'pass'], forwarded.text);
  const rewrapped = await judge({ ...left, raw: changed(left.raw) });
  assert.deepEqual([rewrapped.dkim, rewrapped.dmarc], [['fail'], 'pass'], rewrapped.text);
  const forged = await judge({ raw: changed(left.raw), sender: left.sender, client: stranger });
  assert.equal(forged.dmarc, 'fail', forged.text);
});

test('SM-09 passed on as it is, what leaves still passes DMARC of its sender by OpenDMARC, by the signature it came with', {
  skip,
}, async (t) => {
  const { passOn, judge } = await stage(t, 'transparent');
  const left = await passOn();
  const found = await judge(left);
  assert.deepEqual(
    [found.spf, found.dkim, found.dmarc, found.policy],
    ['pass', ['pass'], 'pass', 'reject'],
    found.text,
  );
  assert.match(found.text, /header\.from=jira\.test/);
  // SPF is that of our return path: it says nothing of the sender.
  const broken = await judge({ ...left, raw: changed(left.raw) });
  assert.deepEqual([broken.spf, broken.dmarc], ['pass', 'fail'], broken.text);
});

/** What is honest, in ways that differ. */
const honest: Record<string, () => Promise<Partial<Judged>>> = {
  'signed, by the right server': async () => ({ raw: await signed(), client: '192.0.2.5' }),
  'signed alone': async () => ({ raw: await signed() }),
  'by the right server alone': async () => ({ client: '192.0.2.5' }),
  'by the name in HELO, for a report': async () => ({ client: '192.0.2.5', sender: '', helo: 'tools.test' }),
  'signed below its domain': async () => ({ raw: await signed(mine, { domain: 'bounce.tools.test' }) }),
  'from below the domain that signs': async () => ({
    raw: await signed(makeMail({ ...usual, From: 'Jira <jira@eu.tools.test>' })),
  }),
  'signed with simple canonicalization': async () => ({
    raw: await signed(mine, { canonicalization: 'simple/simple' }),
  }),
};

/** Where OpenDKIM or OpenDMARC believe what we do not, each with the reason why we stay with it. */
const believed: Record<string, string> = {
  'a signature that covers part of the body':
    'l= lets anybody add what people read below what was signed (RFC 6376 §8.2)',
  'a signature with l= though nothing was added': 'the same: on the next way something may be',
  'a signature of none of the body': 'the same, with all of the body',
  'a key that is on trial':
    'a domain that tries a key out wants no conclusions from it (RFC 6376 §3.6.1, t=y)',
  'SHA-1': 'it must not be taken for proof any more (RFC 8301 §3.1)',
  'two From fields':
    'people may be shown the other one (RFC 7489 §6.6.1); OpenDMARC has RequiredHeaders for it',
  'two From fields, one of them signed': 'the same: what was added above is what many programs show',
  'two authors of the same domain': 'who of them wrote it is not said (RFC 7489 §6.6.1)',
};

test('SM-02 what OpenDMARC does not believe we do not believe, and where it believes more there is a reason', {
  skip,
}, async (t) => {
  const court = await startCourt(t);
  for (const [at, records] of Object.entries({
    ...zone(forgedKeys),
    's1._domainkey.bounce.tools.test': { TXT: [key.record] },
  }))
    court.dns.set(at, records);
  const ask = async (how: Partial<Judged>) => {
    const given: Judged = {
      raw: mine,
      client: stranger,
      helo: 'mail.tools.test',
      sender: 'bounces+17@bounce.tools.test',
      ...how,
    };
    const ours = await authenticate({ ...given, mta: 'mx.harbour.test', dnsServers: [court.dns.server] });
    return { ours, others: await court.judge(given) };
  };
  for (const [what, make] of Object.entries(honest)) {
    const { ours, others } = await ask(await make());
    assert.equal(isProved(ours, ours.author ?? '', ['dmarc']), 'yes', `${what}: ${ours.header}`);
    assert.equal(others.dmarc, 'pass', `${what}: ${others.text}`);
  }
  const more: Record<string, string> = {};
  for (const [what, make] of Object.entries(forgeries)) {
    const { ours, others } = await ask(await make());
    assert.equal(proofsOf(ours, 'tools.test').dmarc, false, `${what}: ${ours.header}`);
    if (others.dmarc === 'pass') more[what] = others.text;
  }
  assert.deepEqual(
    Object.keys(more).sort(),
    Object.keys(believed).sort(),
    JSON.stringify(more, undefined, 1),
  );
  t.diagnostic(`${Object.keys(forgeries).length} forgeries, OpenDMARC believes ${Object.keys(more).length}`);
});
