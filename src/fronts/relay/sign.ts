/**
 * On a thread: signs what leaves, by DKIM (RFC 6376, RFC 8463) and as the next hop of an ARC chain (RFC 8617). Relaxed
 * canonicalisation throughout, the whole body, From signed once more than it is there so that nobody adds another.
 */
import { createHash, createPrivateKey, type KeyObject, sign } from 'node:crypto';
import { getARChain } from 'mailauth/lib/arc/index.js';
import { dkimBody } from 'mailauth/lib/dkim/body/index.js';
import { formatRelaxedLine, type HeaderRow, parseHeaders } from 'mailauth/lib/tools.js';

export interface SigningKey {
  domain: string;
  selector: string;
  algorithm: 'rsa-sha256' | 'ed25519-sha256';
  /** PKCS #8, PEM. */
  privateKey: string;
}

/**
 * What is signed where it is there. Not among them: trace fields, and those smart hosts are known to write themselves
 * (Date, Message-ID, Return-Path).
 */
const signedFields = [
  'From',
  'Sender',
  'Reply-To',
  'Subject',
  'To',
  'Cc',
  'In-Reply-To',
  'References',
  'MIME-Version',
  'Content-Type',
  'Content-Transfer-Encoding',
  'Content-Disposition',
  'List-Id',
  'List-Unsubscribe',
  'List-Unsubscribe-Post',
  'Auto-Submitted',
];

/** RFC 8617 §4.2.1. */
const mostSets = 50;
const arcFields = ['arc-authentication-results', 'arc-message-signature', 'arc-seal'] as const;

interface Parts {
  rows: HeaderRow[];
  bodyHash: string;
}

function readParts(bytes: Uint8Array): Parts {
  const raw = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = raw.indexOf('\r\n\r\n');
  const body = dkimBody('relaxed', 'sha256', false);
  if (end >= 0) body.update(raw.subarray(end + 4));
  const { parsed } = parseHeaders(end < 0 ? raw : raw.subarray(0, end + 2));
  return { rows: parsed, bodyHash: body.digest('base64') };
}

/**
 * DKIM-Signature fields to stand before the message, one a key, each ending in CRLF.
 * @param input.now seconds since 1970
 */
export function signDkim(input: { raw: Uint8Array; keys: readonly SigningKey[]; now: number }): string {
  const parts = readParts(input.raw);
  return input.keys
    .map((key) => signature('DKIM-Signature', 'v=1', key, parts, signedFields, input.now))
    .join('');
}

/**
 * The next ARC set to stand before the message, each field ending in CRLF; empty where the chain may not go on: it failed
 * before us, or it is full.
 * @param input.results what was found when the message came: value of an Authentication-Results field
 * @param input.chain how the chain was found when it came
 */
export function sealArc(input: {
  raw: Uint8Array;
  key: SigningKey;
  results: string;
  chain: 'none' | 'pass' | 'fail';
  now: number;
}): string {
  const { key, now } = input;
  const parts = readParts(input.raw);
  const before = lastSet(parts.rows);
  if (before.instance >= mostSets || before.failed) return '';
  const older = input.chain === 'pass' ? chainOf(parts.rows) : undefined;
  const status = before.instance === 0 ? 'none' : older ? 'pass' : 'fail';
  const i = before.instance + 1;
  const results = `ARC-Authentication-Results: i=${i}; ${input.results}\r\n`;
  const message = signature(
    'ARC-Message-Signature',
    `i=${i}`,
    key,
    parts,
    [...signedFields, 'DKIM-Signature'],
    now,
  );
  const unsigned = `ARC-Seal: i=${i}; a=${key.algorithm}; t=${now}; cv=${status};\r\n d=${key.domain}; s=${key.selector};\r\n b=`;
  // A chain that failed is sealed alone: nothing is said about the sets before (RFC 8617 §5.1.2).
  const sealed = [...(older ?? []), results, message].map((line) => formatRelaxedLine(trimEnd(line), '\r\n'));
  const seal = signWith(key, Buffer.concat([...sealed, formatRelaxedLine(unsigned)]));
  return `${unsigned}${folded(seal)}\r\n${message}${results}`;
}

/** One signature field with its CRLF. */
function signature(
  name: string,
  first: string,
  key: SigningKey,
  { rows, bodyHash }: Parts,
  fields: readonly string[],
  now: number,
): string {
  const chosen = fields.flatMap((field) => {
    // The last of several is the first to be signed (RFC 6376 §5.4.2).
    const found = rows.filter((row) => row.key === field.toLowerCase()).reverse();
    return found.map((row) => ({ field, row }));
  });
  const names = [...chosen.map(({ field }) => field), 'From'];
  const unsigned = [
    `${name}: ${first}; a=${key.algorithm}; c=relaxed/relaxed;`,
    `d=${key.domain}; s=${key.selector}; t=${now};`,
    `h=${names.join(':').replace(/(.{1,68}:)(?=.)/g, '$1\r\n ')};`,
    `bh=${bodyHash};`,
    'b=',
  ].join('\r\n ');
  const signed = chosen.map(({ row }) => formatRelaxedLine(row.line, '\r\n'));
  return `${unsigned}${folded(signWith(key, Buffer.concat([...signed, formatRelaxedLine(unsigned)])))}\r\n`;
}

const keys = new Map<string, KeyObject>();

function keyObject(pem: string): KeyObject {
  const known = keys.get(pem);
  if (known) return known;
  if (keys.size > 50) keys.clear();
  const made = createPrivateKey(pem);
  keys.set(pem, made);
  return made;
}

function signWith(key: SigningKey, data: Buffer): string {
  const object = keyObject(key.privateKey);
  // Ed25519 signs the hash of the data (RFC 8463 §3).
  const signed =
    key.algorithm === 'rsa-sha256'
      ? sign('sha256', data, object)
      : sign(null, createHash('sha256').update(data).digest(), object);
  return signed.toString('base64');
}

function folded(text: string): string {
  return text.replace(/(.{72})(?=.)/g, '$1\r\n ');
}

function trimEnd(line: string | Buffer): Buffer {
  return Buffer.from(line.toString('latin1').replace(/\r\n$/, ''), 'latin1');
}

/** The highest number of a set there is, valid or not, and whether its seal says that the chain has failed. */
function lastSet(rows: readonly HeaderRow[]): { instance: number; failed: boolean } {
  const sets = rows.flatMap((row) => {
    if (!(arcFields as readonly string[]).includes(row.key)) return [];
    const value = row.line.toString('latin1').replace(/^[^:]*:/, '');
    const instance = Number(/(?:^|;)\s*i\s*=\s*(\d{1,6})/.exec(value)?.[1] ?? 0);
    return [{ instance, failed: row.key === 'arc-seal' && /;\s*cv\s*=\s*fail\s*(?:;|$)/i.test(value) }];
  });
  const instance = Math.max(0, ...sets.map((one) => one.instance));
  return { instance, failed: sets.some((one) => one.instance === instance && one.failed) };
}

/** Fields of the sets before ours in the order a seal covers them; undefined where they are no chain after all. */
function chainOf(rows: HeaderRow[]): Buffer[] | undefined {
  try {
    const chain = getARChain({ parsed: rows }, { strict: true });
    if (!chain) return undefined;
    return (chain as unknown as Record<string, { original: Buffer }>[]).flatMap((set) =>
      arcFields.map((field) => set[field]!.original),
    );
  } catch {
    return undefined;
  }
}
