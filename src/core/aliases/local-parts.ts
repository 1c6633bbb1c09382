import { createHash } from 'node:crypto';
import { foldToAscii } from '#kit/spelling/ascii.ts';

/**
 * Local parts that are nobody's mailbox: those every domain keeps for its roles (RFC 2142), those certificate authorities
 * mail to have a domain proved (CA/Browser Forum BR 3.2.2.4.4 and what they used before), and those of mail itself.
 */
const kept =
  `abuse admin administrator bounce bounces daemon ftp hostmaster info is it list listserv mailer-daemon majordomo
   marketing mis news no-reply nobody noc noreply owner postmaster root sales security ssladmin ssladministrator
   sslwebmaster support sysadmin undisclosed-recipients usenet uucp webmaster www`.split(/\s+/);

const bare = (localPart: string) => localPart.replaceAll(/[._-]/g, '');
const keptBare = new Set(kept.map(bare));

/** RFC 5321 §4.5.3.1.1 allows 64; the rest is left for a number behind it. */
const mostStem = 56;

/** True for local parts that must stay with those who run the domain, however they are written. */
export function isKeptLocalPart(localPart: string): boolean {
  return keptBare.has(bare(localPart));
}

/**
 * What the rule makes of a name: small ASCII letters, digits, dots, dashes and underscores (a part of RFC 5321's
 * dot-string that every mail system takes), beginning and ending with a letter or digit. A name that leaves nothing, or
 * one that belongs to those who run the domain, becomes `member-` and six letters made from the person's id.
 */
export function stemFor(name: string, person: string): string {
  const [before = ''] = name.split('@');
  const cleaned = foldToAscii(before.normalize('NFKC').slice(0, 512))
    .toLowerCase()
    .replace(/[^a-z0-9._-]/g, '-')
    .replace(/[._-]{2,}/g, (run) => run[0]!);
  const stem = trimEnds(trimEnds(cleaned).slice(0, mostStem));
  return stem === '' || isKeptLocalPart(stem) ? madeStem(person) : stem;
}

const isJoint = (letter: string | undefined) => letter !== undefined && '._-'.includes(letter);

function trimEnds(text: string): string {
  let [start, end] = [0, text.length];
  while (isJoint(text[start])) start += 1;
  while (end > start && isJoint(text[end - 1])) end -= 1;
  return text.slice(start, end);
}

/** Letters and digits that are not taken for each other when read aloud or copied by hand. */
const letters = 'abcdefghjkmnpqrstuvwxyz23456789';

function madeStem(person: string): string {
  const bytes = createHash('sha256').update(person).digest().subarray(0, 6);
  return `member-${[...bytes].map((byte) => letters[byte % letters.length]).join('')}`;
}

/** The local part of the first, second, … of those whose names come to the same. */
export function numbered(stem: string, number: number): string {
  return number === 1 ? stem : `${stem}-${number}`;
}
