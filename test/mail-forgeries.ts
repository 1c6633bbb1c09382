/**
 * Mail from an address of tools.test that tools.test did not send, or not in this form, and what DNS says of it: for
 * whoever judges mail. Beside each stands what an honest message is.
 */
import assert from 'node:assert/strict';
import type { AuthenticationInput } from '#fronts/relay/authenticate.ts';
import type { Records } from './dns.ts';
import { makeMail, makeMailKey, signMail } from './signed-mail.ts';

const from = 'jira@tools.test';
/** Fields of an honest message. */
export const usual = {
  From: `Jira <${from}>`,
  To: 'ada@id.harbour.test',
  Subject: 'Something changed',
  Date: 'Sun, 22 Nov 2026 10:00:00 +0000',
  'Message-ID': '<1@tools.test>',
};
export const mine = makeMail(usual);
export const key = makeMailKey();

/** What the domains publish. */
export function zone(more: Record<string, Records> = {}): Record<string, Records> {
  return {
    'tools.test': { TXT: ['v=spf1 ip4:192.0.2.0/24 -all'] },
    'bounce.tools.test': { TXT: ['v=spf1 ip4:192.0.2.0/24 -all'] },
    '_dmarc.tools.test': { TXT: ['v=DMARC1; p=reject'] },
    's1._domainkey.tools.test': { TXT: [key.record] },
    'elsewhere.test': { TXT: ['v=spf1 ip4:203.0.113.0/24 -all'] },
    's1._domainkey.elsewhere.test': { TXT: [key.record] },
    ...more,
  };
}

export const signed = (raw = mine, how: Partial<Parameters<typeof signMail>[1]> = {}) =>
  signMail(raw, { domain: 'tools.test', selector: 's1', key, ...how });

const weak = makeMailKey(512 * 2 - 8);
const trial = makeMailKey(2048, ' t=y;');
const otherHash = makeMailKey(2048, ' h=sha1;');
const otherUse = makeMailKey(2048, ' s=tlsrpt;');
const edward = makeMailKey(undefined);
const twoFrom = makeMail({ ...usual, From: [usual.From, 'Eve <eve@elsewhere.test>'] });
const day = 86_400_000;
const ago = (days: number) => new Date(Date.now() - days * day);

async function changed(how: (text: string) => string, raw?: Buffer): Promise<Buffer> {
  const before = (raw ?? (await signed())).toString('latin1');
  const after = how(before);
  assert.notEqual(after, before);
  return Buffer.from(after, 'latin1');
}

export const forgeries: Record<string, () => Promise<Partial<AuthenticationInput>>> = {
  'nothing at all': async () => ({}),
  'a body that was changed': async () => ({ raw: await changed((text) => text.replace('Hello', 'Hullo')) }),
  'a body that was added to': async () => ({ raw: await changed((text) => `${text}And more.\r\n`) }),
  'a subject that was changed': async () => ({
    raw: await changed((text) => text.replace('Something', 'Nothing')),
  }),
  'a signature that covers part of the body': async () => ({
    raw: await changed((text) => `${text}Send money.\r\n`, await signed(mine, { covered: 8 })),
  }),
  'a signature with l= though nothing was added': async () => ({ raw: await signed(mine, { covered: 8 }) }),
  'a signature of none of the body': async () => ({ raw: await signed(mine, { covered: 0 }) }),
  'an expired signature': async () => ({ raw: await signed(mine, { signTime: ago(9), expires: ago(2) }) }),
  'a signature that expired before it was made': async () => ({
    raw: await changed((text) => text.replace(/ t=\d+;/, (was) => `${was} x=1;`)),
  }),
  'a signature of tomorrow': async () => ({ raw: await signed(mine, { signTime: ago(-1) }) }),
  'a key that is on trial': async () => ({ raw: await signed(mine, { selector: 'trial', key: trial }) }),
  'a key that is too short': async () => ({ raw: await signed(mine, { selector: 'weak', key: weak }) }),
  'a key that was withdrawn': async () => ({ raw: await signed(mine, { selector: 'gone' }) }),
  'a key for something else': async () => ({ raw: await signed(mine, { selector: 'use', key: otherUse }) }),
  'a key for another hash': async () => ({ raw: await signed(mine, { selector: 'hash', key: otherHash }) }),
  'a key of another kind': async () => ({ raw: await signed(mine, { selector: 'ed', key }) }),
  'a key nobody published': async () => ({ raw: await signed(mine, { selector: 'nowhere' }) }),
  'a selector that cannot be a name': async () => ({
    raw: await changed((text) => text.replace('s=s1', `s=${'a'.repeat(70)}`)),
  }),
  'SHA-1': async () => ({ raw: await signed(mine, { algorithm: 'rsa-sha1' }) }),
  'a signature that leaves From out': async () => ({
    raw: await changed((text) => text.replace(/:\s*From\b/, ''), await signed()),
  }),
  'a signature that was cut': async () => ({
    raw: await changed((text) => text.replace(/b=.{8}/, 'b=AAAAAAAA')),
  }),
  'a version there is not': async () => ({ raw: await changed((text) => text.replace('v=1', 'v=2')) }),
  'a tag that stands twice': async () => ({
    raw: await changed((text) => text.replace('v=1;', 'v=1; d=tools.test;')),
  }),
  'an identity elsewhere': async () => ({
    raw: await changed((text) => text.replace('q=dns/txt', 'i=@elsewhere.test')),
  }),
  'a signature of somebody else': async () => ({ raw: await signed(mine, { domain: 'elsewhere.test' }) }),
  'SPF of somebody else': async () => ({ client: '203.0.113.7', sender: 'eve@elsewhere.test' }),
  'SPF of somebody else by HELO': async () => ({ client: '203.0.113.7', sender: '', helo: 'elsewhere.test' }),
  'two From fields': async () => ({ raw: twoFrom, client: '192.0.2.5' }),
  'two From fields, one of them signed': async () => ({
    raw: await changed((text) => `From: Jira <${from}>\r\n${text}`, await signed()),
  }),
  'two authors in one From': async () => ({
    raw: makeMail({ ...usual, From: `${usual.From}, Eve <eve@elsewhere.test>` }),
    client: '192.0.2.5',
  }),
  'two authors of the same domain': async () => ({
    raw: await signed(makeMail({ ...usual, From: `${usual.From}, eve@tools.test` })),
  }),
  'an address within the name': async () => ({
    raw: await signed(makeMail({ ...usual, From: `"${from}" <eve@elsewhere.test>` })),
  }),
  'an author without a domain': async () => ({
    raw: makeMail({ ...usual, From: 'Jira' }),
    client: '192.0.2.5',
  }),
  'an author at two domains': async () => ({
    raw: await signed(makeMail({ ...usual, From: 'jira@tools.test@elsewhere.test' })),
  }),
  'no From': async () => ({ raw: makeMail({ Subject: 'x' }), client: '192.0.2.5' }),
  'thirty signatures': async () => {
    const one = (await signed()).toString('latin1').replace(mine.toString('latin1'), '');
    return { raw: Buffer.from(one.repeat(30) + mine.toString('latin1'), 'latin1') };
  },
};

/** The keys that forgeries name. */
export const forgedKeys: Record<string, Records> = {
  'trial._domainkey.tools.test': { TXT: [trial.record] },
  'weak._domainkey.tools.test': { TXT: [weak.record] },
  'gone._domainkey.tools.test': { TXT: ['v=DKIM1; p='] },
  'use._domainkey.tools.test': { TXT: [otherUse.record] },
  'hash._domainkey.tools.test': { TXT: [otherHash.record] },
  'ed._domainkey.tools.test': { TXT: [edward.record] },
};
