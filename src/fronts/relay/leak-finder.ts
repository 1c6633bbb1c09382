/** Finds an address in a text by its letters and digits alone, so that nothing that is put between them hides it. */
import { domainToASCII, domainToUnicode } from 'node:url';

/** Says whether any of the addresses it was made for stands in a text, in whatever spelling. */
export type Finder = (text: string) => boolean;

interface Needle {
  /** Letters and digits in front of the @, small. */
  local: string;
  /** Those behind it. */
  domain: string;
  isGmail: boolean;
}

const folded = (text: string) => (isAscii.test(text) ? text : text.normalize('NFKC')).toLowerCase();
const isAscii = /^[\0-\x7f]*$/;
const gmail = ['gmail.com', 'googlemail.com'];
const lettersOf = (text: string) => text.replace(/[^\p{L}\p{N}]+/gu, '');
/** A mailbox has one form for all its spellings: no +tag. */
const untagged = (local: string) => local.replace(/(?<=.)\+.*$/u, '');
/** Signs between two letters of an address that still count as in between. */
const widestGap = 80;

/**
 * A finder for these addresses; also for spellings that reach the same mailbox, with +tags and Gmail's other name.
 * @param known addresses that may stand there, though one of the others may be the beginning of them
 */
export function createFinder(addresses: readonly string[], known: readonly string[] = []): Finder {
  const all = needlesOf(addresses);
  const fine = needlesOf(known);
  const matches = (text: string, start: number, end: number) => (one: Needle) =>
    followsDomain(text, end, one.domain) && precedesLocal(text, start, one);
  const standsAt = (text: string, start: number, end: number) => {
    const found = all.find(matches(text, start, end));
    return (
      found && !fine.filter((one) => one.domain.length > found.domain.length).some(matches(text, start, end))
    );
  };
  return (given) => {
    const text = folded(given);
    for (let at = text.indexOf('@'); at !== -1; at = text.indexOf('@', at + 1))
      if (standsAt(text, at, at + 1)) return true;
    for (const { index } of text.matchAll(/(?<=[\s[({<])(?:at|\u00e4t)(?=[\s\])}>])/g))
      if (standsAt(text, index, index + 2)) return true;
    return false;
  };
}

function needlesOf(addresses: readonly string[]): Needle[] {
  const needles = new Map<string, Needle>();
  for (const address of addresses.map(folded)) {
    const at = address.lastIndexOf('@');
    const [local, domain] = [address.slice(0, at), address.slice(at + 1)];
    const isGmail = gmail.includes(domain);
    const domains = isGmail ? gmail : [domain, domainToASCII(domain), domainToUnicode(domain)];
    // A local part of signs alone leaves nothing to look for but the domain: that would find everyone.
    for (const one of new Set(domains.map((name) => lettersOf(folded(name)))))
      for (const form of new Set([lettersOf(local), lettersOf(untagged(local))]))
        if (at > 0 && one !== '' && form !== '')
          needles.set(`${form}@${one}`, { local: form, domain: one, isGmail });
  }
  return [...needles.values()];
}

const letter = /[\p{L}\p{N}]/u;

function isLetter(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  if (code < 128) return (code >= 97 && code <= 122) || (code >= 48 && code <= 57);
  return letter.test(text[at] ?? '');
}

/** `gmail dot com` is read as gmail.com. */
const dot = /^[\s\])}>]*[\s[({<](?:dot|punkt)[\s\])}>]/;

function followsDomain(text: string, from: number, domain: string): boolean {
  let gap = 0;
  for (let at = from, found = 0; found < domain.length; at += 1) {
    if (at >= text.length || gap > widestGap || text[at] === '@') return false;
    if (!isLetter(text, at)) {
      gap += 1;
      continue;
    }
    if (text[at] === domain[found]) {
      found += 1;
      gap = 0;
      continue;
    }
    const word = found > 0 && gap > 0 ? dot.exec(text.slice(at - gap, at + 10)) : null;
    if (!word) return false;
    at += word[0].length - gap - 1;
    gap = 1;
  }
  return true;
}

function precedesLocal(text: string, before: number, { local, isGmail }: Needle): boolean {
  let gap = 0;
  let left = local.length;
  let at = before - 1;
  for (; left > 0; at -= 1) {
    if (at < 0 || gap > widestGap || text[at] === '@') break;
    if (!isLetter(text, at)) {
      gap += 1;
      continue;
    }
    if (text[at] !== local[left - 1]) break;
    left -= 1;
    gap = 0;
  }
  if (left === 0 && !(at >= 0 && isLetter(text, at))) return true;
  // What stands there without gaps, its tag taken off.
  const word = /[\p{L}\p{N}._+-]{1,64}$/u.exec(text.slice(Math.max(0, before - 64), before))?.[0] ?? '';
  const bare = untagged(word);
  return bare !== word && lettersOf(isGmail ? bare.replaceAll('.', '') : bare) === local;
}
