/**
 * Return addresses of mail that is passed on: the sender's, wrapped into one of ours and keyed, so that SPF holds for
 * us and nobody else can make one. The form is that of SRS0 (Sender Rewriting Scheme), `SRS0=HASH=DAY=domain=local`,
 * with eight characters of a keyed SHA-256 instead of four of SHA-1; behind them, where the address is one message's
 * alone, ten that say which.
 */
import { timingSafeEqual } from 'node:crypto';
import { parsePath } from './addresses.ts';
import { longestAddress, longestLocalPart } from './smtp.ts';

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
const hashLength = 8;
const tagForm = /^[0-9a-f]{10}$/;
/** DAY counts modulo 32 × 32. */
const dayCycle = 1024;
/** After that many days no report comes back any more. */
export const srsDays = 21;

/**
 * The return address `SRS0=…@domain` for a sender. Undefined when it would not fit into 64 characters, or the sender is
 * no plain mailbox: the caller then uses an opaque one.
 * @param input.day days since 1970
 * @param input.mac keyed hash of a text, at least 5 bytes of it are used
 * @param input.tag ten hexadecimal digits that name the message the address is made for
 */
export function makeSrs(input: {
  sender: string;
  domain: string;
  day: number;
  mac: (text: string) => Buffer;
  tag?: string;
}): string | undefined {
  const { tag = '' } = input;
  if (tag !== '' && !tagForm.test(tag)) throw new RangeError('a tag has ten hexadecimal digits');
  const path = parsePath(input.sender);
  if (!path) return undefined;
  const day = dayText(input.day);
  const hash = hashText(input.mac(covered(tag, day, path.domain, path.local)));
  const local = `SRS0=${hash}${tag}=${day}=${path.domain}=${path.local}`;
  const address = `${local}@${input.domain}`;
  return local.length > longestLocalPart || address.length > longestAddress ? undefined : address;
}

/**
 * The sender behind a local part of ours, however its letters have been folded on the way. `expired` when it is ours and
 * older than 21 days; undefined for whatever is not ours.
 * @param input.macs the keyed hash under every key that may have been used
 */
export function readSrs(input: {
  local: string;
  day: number;
  macs: (text: string) => readonly Buffer[];
}): { sender: string; tag?: string } | 'expired' | undefined {
  const parts = /^SRS0[=+-]([a-z2-7]{8})([0-9a-f]{10}|)=([a-z2-7]{2})=([a-z0-9.-]+)=(.+)$/i.exec(input.local);
  if (!parts || input.local.length > longestLocalPart) return undefined;
  const [hash, told, day, domain, local] = parts.slice(1) as [string, string, string, string, string];
  const tag = told.toLowerCase();
  const sender = parsePath(`${local}@${domain}`);
  if (!sender) return undefined;
  const given = Buffer.from(hash.toUpperCase());
  const isOurs = input
    .macs(covered(tag, day.toUpperCase(), sender.domain, sender.local))
    .map((mac) => timingSafeEqual(Buffer.from(hashText(mac)), given))
    .includes(true);
  if (!isOurs) return undefined;
  const age = (((input.day - dayNumber(day)) % dayCycle) + dayCycle) % dayCycle;
  // A day ahead is another node's clock.
  if (age > srsDays && age !== dayCycle - 1) return 'expired';
  return { sender: `${sender.local}@${sender.domain}`, ...(tag !== '' && { tag }) };
}

/** Servers on the way may fold letters, so the hash does not look at them. A tag is longer than any day: no two meet. */
function covered(tag: string, day: string, domain: string, local: string): string {
  return `${tag === '' ? '' : `${tag}=`}${day}=${domain}=${local}`.toLowerCase();
}

function hashText(mac: Buffer): string {
  let text = '';
  for (let bit = 0; text.length < hashLength; bit += 5) text += alphabet[fiveBits(mac, bit)];
  return text;
}

function fiveBits(bytes: Buffer, from: number): number {
  const at = from >> 3;
  const pair = (bytes[at]! << 8) | (bytes[at + 1] ?? 0);
  return (pair >> (11 - (from & 7))) & 31;
}

function dayText(day: number): string {
  const number = ((day % dayCycle) + dayCycle) % dayCycle;
  return alphabet[number >> 5]! + alphabet[number & 31]!;
}

function dayNumber(text: string): number {
  const [high, low] = [...text.toUpperCase()].map((letter) => alphabet.indexOf(letter));
  return high! * 32 + low!;
}
