/** On a thread: reads a message and asks DNS what it proves. See authenticate.ts for what the answers mean. */

import type { DKIMResult } from 'mailauth';
import { arc as verifyArc } from 'mailauth/lib/arc/index.js';
import { dkimVerify } from 'mailauth/lib/dkim/verify.js';
import { evaluateDmarc } from 'mailauth/lib/dmarc/index.js';
import { spf as verifySpf } from 'mailauth/lib/spf/index.js';
import { formatAuthHeaderRow, formatAuthservId, getAlignment } from 'mailauth/lib/tools.js';
import type { AuthenticationInput, AuthenticationResult } from './authenticate.ts';
import { createDns, type Dns, DnsFailed, type DnsType, type Resolve } from './dns.ts';

const strict = true;
const minBitLength = 1024;
/** More than mail has: each signature costs a question, and each one of a part of the body another hash of all of it. */
const mostSignatures = 20;
const mostPartial = 2;
/** Mail has lines of 1000 bytes (RFC 5321 §4.5.3.1.6); the library takes the square of the time for a longer one. */
const longestLine = 256 * 1024;
/** Signed later than this from now, by a clock that cannot be right. */
const skewMs = 3_600_000;

const resolvers = new Map<string, Dns>();

/** One resolver with its kept answers for a thread. */
function resolverFor(servers: readonly string[]): Dns {
  const key = servers.join(' ');
  const known = resolvers.get(key) ?? createDns({ servers });
  resolvers.set(key, known);
  return known;
}

export async function authenticate(
  input: Omit<AuthenticationInput, 'raw'> & { raw: Uint8Array; dnsServers: readonly string[] },
): Promise<AuthenticationResult> {
  const { client, helo, sender, mta } = input;
  const raw = Buffer.from(input.raw.buffer, input.raw.byteOffset, input.raw.byteLength);
  const dns = resolverFor(input.dnsServers).forMessage();
  // The library wants fewer kinds of answers than there are.
  const resolver = forLibrary(dns.resolve) as (name: string, type: string) => Promise<string[]>;
  const costly = isCostly(raw);
  const [read, spf] = await Promise.all([
    dkimVerify(costly ? headersAlone(raw) : raw, {
      resolver,
      minBitLength,
      strict,
      rejectRsaSha1: true,
      sender: sender || '<>',
    }),
    verifySpf({ ip: client, helo, sender, mta, resolver, strict }),
  ]);
  const author = authorOf(read.headerFrom, read.fromFields);
  const dkim = costly ? [] : read.results.filter((one) => one.signingDomain).map(judgeSignature);
  const policy = await align(
    author,
    { result: spf.status.result, domain: spf.domain.toLowerCase() },
    dkim,
    resolver,
  );
  const chain = await verifyArc(read.arc as Parameters<typeof verifyArc>[0], {
    resolver,
    minBitLength,
    strict,
  });
  const arc = costly ? 'fail' : (chain.status.result as 'none' | 'pass' | 'fail');
  const findings = [policy.spf, policy.dmarc, ...policy.dkim];
  const result: Omit<AuthenticationResult, 'header'> = {
    author,
    ...policy,
    arc: { result: arc, ...(arc === 'fail' && dns.temporary() && !costly ? { temporary: true } : {}) },
    temporary: findings.some((one) => one.result === 'temperror'),
  };
  return { ...result, header: headerOf(input, result, dkim) };
}

/** What SPF and DKIM found, weighed by the policy of the author's domain and by whose domain is whose. */
async function align(
  author: string | undefined,
  spf: { result: string; domain: string },
  dkim: readonly Judged[],
  resolver: (name: string, type: string) => Promise<string[]>,
): Promise<Pick<AuthenticationResult, 'spf' | 'dkim' | 'dmarc'>> {
  const near = (domain: string) => author !== undefined && getAlignment(author, [domain]) !== false;
  const signed = dkim.filter((one) => one.result === 'pass' && near(one.domain));
  // The library walks the tree of names (RFC 9989); what a public suffix parts is never put to it.
  const { response, dkimAligned } = await evaluateDmarc({
    headerFrom: author === undefined ? [] : [`author@${author}`],
    fromFields: 1,
    spfDomains: spf.result === 'pass' && near(spf.domain) ? [spf.domain] : [],
    dkimDomains: signed.map(({ domain, selector }) => ({ id: selector, domain, aligned: domain })),
    resolver,
    strict,
  } as Parameters<typeof evaluateDmarc>[0]);
  const record = response && ['pass', 'fail'].includes(response.status.result) ? response : undefined;
  const isNear = (domain: string, allowed: boolean | undefined) =>
    near(domain) && (!record || allowed === true);
  return {
    spf: { ...spf, aligned: isNear(spf.domain, Boolean(record?.alignment?.spf.result)) },
    dkim: dkim.map(({ domain, selector, result }) => ({
      domain,
      selector,
      result,
      aligned: isNear(domain, dkimAligned?.has(domain)),
    })),
    dmarc: {
      result: response ? response.status.result : 'permerror',
      policy: response ? (response.policy as string | undefined) : undefined,
      domain: author,
    },
  };
}

type Judged = ReturnType<typeof judgeSignature>;

/** A signature that verifies is still not taken where it does not cover everything, or not for good. */
function judgeSignature(one: DKIMResult) {
  const verified = one.status.result === 'pass';
  const signed = one.signTime ? Date.parse(one.signTime) : 0;
  const because = !verified
    ? undefined
    : one.canonBodyLengthLimited
      ? 'part of the body alone'
      : (one.status as { testing?: boolean }).testing
        ? 'a key on trial'
        : signed > Date.now() + skewMs
          ? 'signed in the future'
          : undefined;
  return {
    domain: one.signingDomain!.toLowerCase().replace(/\.$/, ''),
    selector: one.selector ?? '',
    result: because ? 'policy' : one.status.result,
    because: because ?? one.status.comment,
    mark: one.signature?.slice(0, 8),
  };
}

const domainName = /^(?:[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}$/;

/** One From field with one address in it; anything else has no author who could be proved. */
function authorOf(addresses: readonly string[] | undefined, fields: number | undefined): string | undefined {
  if (fields !== 1 || addresses?.length !== 1) return undefined;
  const [address] = addresses;
  const parts = address!.split('@');
  const domain = parts[1]?.toLowerCase().replace(/\.$/, '');
  return parts.length === 2 && parts[0] !== '' && domain && domainName.test(domain) ? domain : undefined;
}

/** Names that cannot be are names that are not there; the library takes them for a resolver out of order. */
function forLibrary(resolve: Resolve): Resolve {
  return async (name, type: DnsType) => {
    try {
      return await resolve(name, type);
    } catch (error) {
      const impossible = error instanceof DnsFailed && error.code === 'EBADNAME' && type === 'TXT';
      throw impossible ? new DnsFailed('ENOTFOUND', name, type) : error;
    }
  };
}

function endOfHeaders(raw: Buffer): number {
  const end = raw.indexOf('\r\n\r\n');
  return end < 0 ? raw.length : end + 4;
}

function headersAlone(raw: Buffer): Buffer {
  return raw.subarray(0, endOfHeaders(raw));
}

/** Whether a message was made to cost more than it is worth: its signatures are not looked at. */
function isCostly(raw: Buffer): boolean {
  const text = headersAlone(raw).toString('latin1');
  const signatures = text.match(/^dkim-signature[ \t\r\n]*:.*(?:\r?\n[ \t].*)*/gim) ?? [];
  const partial = [
    ...signatures,
    ...(text.match(/^arc-message-signature[ \t\r\n]*:.*(?:\r?\n[ \t].*)*/gim) ?? []),
  ];
  if (signatures.length > mostSignatures) return true;
  if (partial.filter((one) => /[;:]\s*l\s*=/i.test(one)).length > mostPartial) return true;
  for (let at = 0; at < raw.length; ) {
    const end = raw.indexOf(10, at);
    if ((end < 0 ? raw.length : end) - at > longestLine) return true;
    if (end < 0) break;
    at = end + 1;
  }
  return false;
}

/** RFC 8601, with domains where addresses could stand: what a person is called elsewhere does not travel on. */
function headerOf(
  { mta, client, sender }: { mta: string; client: string; sender: string },
  result: Omit<AuthenticationResult, 'header'>,
  dkim: readonly Judged[],
): string {
  const row = (method: string, status: Parameters<typeof formatAuthHeaderRow>[1]) =>
    formatAuthHeaderRow(method, status, { strict });
  const checked = sender === '' ? 'helo' : 'mailfrom';
  const rows = [
    ...dkim.map(({ domain, selector, mark, result: found, because }) =>
      row('dkim', {
        result: found,
        comment: found === 'pass' ? undefined : because,
        header: { d: domain, s: selector, b: mark },
      }),
    ),
    ...(dkim.length === 0 ? [row('dkim', { result: 'none' })] : []),
    row('spf', { result: result.spf.result, smtp: { [checked]: result.spf.domain } }),
    row('dmarc', {
      result: result.dmarc.result,
      policy: { dmarc: result.dmarc.policy },
      header: { from: result.author },
    }),
    row('arc', { result: result.arc.result, smtp: { 'remote-ip': client.replace(/^::ffff:(?=\d)/i, '') } }),
  ];
  return [formatAuthservId(mta), ...rows].join(';\r\n ');
}
