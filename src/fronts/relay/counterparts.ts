/**
 * Reverse aliases: addresses of ours behind which someone stands whom a person may answer. Each belongs to one person, one
 * app and one address there; it carries its last day and a keyed hash, so that none can be made up, and it is worth
 * nothing to anyone but that person.
 */
import { findApplication } from '#core/applications/applications.ts';
import { aliasDomains } from '#core/community/alias-domains.ts';
import { findPerson } from '#core/people/people.ts';
import { constantTimeEqual, isId } from '#kit/crypto/ids.ts';
import type { Secrets } from '#kit/crypto/secrets.ts';
import { type Database, system } from '#kit/db/database.ts';
import type { Tx } from '#kit/db/tx.ts';
import { parsePath } from '#wire/smtp/addresses.ts';
import {
  type CounterpartRow,
  counterpartById,
  deleteCounterparts,
  upsertCounterpart,
} from './counterparts.store.ts';

/** Whom a person may answer, and as whom they are known there. */
export type Counterpart = CounterpartRow;

const purpose = 'relay-reply';
const alphabet = 'abcdefghijklmnopqrstuvwxyz234567';
const hashLength = 20;
const dayMs = 86_400_000;
const batch = 5000;
const mostRounds = 40;
const form = /^reply\+([a-z2-7]{26})\.([a-z2-7]{1,6})\.([a-z2-7]{20})$/;

/** The number of the day, counted from 1970, UTC. */
export const dayOf = (moment: Date): number => Math.floor(moment.getTime() / dayMs);

/**
 * The address to answer to: `reply+ID.DAY.HASH@domain`, 58 letters before the @, none of which means another thing when
 * its case changes. One row stands behind it however often the same address writes to the same person.
 * @param input.days how long it can be used
 */
export async function reverseAlias(
  tx: Tx,
  secrets: Secrets,
  input: Omit<Counterpart, 'id'> & { domain: string; days: number },
): Promise<string> {
  const { person, application, address, mailbox, domain } = input;
  const id = await upsertCounterpart(tx, { person, application, address, mailbox });
  const last = dayOf(tx.now()) + input.days;
  const hash = hashText(secrets.mac(purpose, id, String(last), domain));
  return `${startOfAlias(id)}${dayText(last)}.${hash}@${domain}`;
}

/** How every reverse alias for this counterpart begins, whatever its day. */
export function startOfAlias(id: string): string {
  return `reply+${base32(Buffer.from(id.replaceAll('-', ''), 'hex'))}.`;
}

/** A way of answering whose day is over. Nobody is behind it who is forgotten by now. */
export interface EndedWay {
  ended: Counterpart | undefined;
}

/**
 * Who stands behind an address; undefined for whatever is not ours, and where the person has lost their standing or the
 * app is gone or switched off, altogether or for mail.
 */
export async function readReverse(
  needs: { database: Pick<Database, 'read'>; secrets: Secrets },
  address: string,
): Promise<Counterpart | EndedWay | undefined> {
  const path = parsePath(address.toLowerCase());
  const parts = path && form.exec(path.local);
  const bytes = parts ? fromBase32(parts[1]!) : undefined;
  if (!path || !parts || !bytes) return undefined;
  const id = bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  const last = dayNumber(parts[2]!);
  const isOurs = needs.secrets
    .macs(purpose, id, String(last), path.domain)
    .map((mac) => constantTimeEqual(hashText(mac), parts[3]!))
    .includes(true);
  if (!isOurs || !isId(id)) return undefined;
  return needs.database.read(system('request'), async (tx) => {
    const isOver = last < dayOf(tx.now());
    const found = await counterpartById(tx, id);
    if (!found) return isOver ? { ended: undefined } : undefined;
    const [person, application, domains] = await Promise.all([
      findPerson(tx, found.person),
      findApplication(tx, found.application),
      aliasDomains(tx),
    ]);
    if (person?.state !== 'active' || !application?.settings.enabled || !domains.includes(path.domain))
      return undefined;
    return isOver ? { ended: found } : found;
  });
}

/** Forgets those behind whom no address can be in force any more, in batches. Returns how many. */
export async function sweepCounterparts(database: Pick<Database, 'transact'>, days: number): Promise<number> {
  let gone = 0;
  for (let round = 0; round < mostRounds; round += 1) {
    const few = await database.transact(system('schedule'), (tx) =>
      deleteCounterparts(tx, new Date(tx.now().getTime() - (days + 2) * dayMs), batch),
    );
    gone += few;
    if (few < batch) break;
  }
  return gone;
}

function hashText(mac: Buffer): string {
  return base32(mac).slice(0, hashLength);
}

function base32(bytes: Buffer): string {
  let text = '';
  for (let bit = 0; bit < bytes.length * 8; bit += 5) {
    const at = bit >> 3;
    const pair = (bytes[at]! << 8) | (bytes[at + 1] ?? 0);
    text += alphabet[(pair >> (11 - (bit & 7))) & 31];
  }
  return text;
}

/** The sixteen bytes of 26 letters; undefined where the spare bits are not empty: one address, one spelling. */
function fromBase32(text: string): Buffer | undefined {
  let value = 0n;
  for (const letter of text) value = value * 32n + BigInt(alphabet.indexOf(letter));
  if ((value & 3n) !== 0n) return undefined;
  return Buffer.from((value >> 2n).toString(16).padStart(32, '0'), 'hex');
}

function dayText(day: number): string {
  let text = '';
  for (let left = day; left > 0; left = Math.floor(left / 32)) text = alphabet[left % 32] + text;
  return text;
}

function dayNumber(text: string): number {
  return [...text].reduce((number, letter) => number * 32 + alphabet.indexOf(letter), 0);
}
