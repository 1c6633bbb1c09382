/**
 * The one canonical form of user names and addresses, applied before any check and everywhere alike
 * (RFC 8265 spirit: width and compatibility mapped by NFKC, then case folded).
 */
import { domainToASCII } from 'node:url';
import { Problem } from '#core/problem.ts';
import { compilePattern } from '#kit/expressions/pattern.ts';

/** Words kept for the people who run a community, whatever its rule says (RFC 2142 names among them). */
const staffWords = [
  'abuse', 'account', 'accounts', 'admin', 'administrator', 'anonymous', 'api', 'everyone', 'gatehouse', 'guest',
  'help', 'helpdesk', 'hostmaster', 'info', 'mail', 'mailer-daemon', 'me', 'moderator', 'nobody', 'noc', 'noreply',
  'no-reply', 'official', 'operator', 'owner', 'postmaster', 'root', 'security', 'self', 'staff', 'support', 'sysadmin',
  'system', 'team', 'webmaster', 'www',
]; // biome-ignore format: a word list

/** Key under which a user name is unique: NFKC, case folded, no outer space. */
export function usernameKey(username: string): string {
  return username.normalize('NFKC').trim().toLowerCase().normalize('NFKC');
}

const unsafe =
  /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff\u{e0000}-\u{e007f}]/u;
/** Joiners (RFC 5892 appendix A) after a character of a script that writes with them, or of an emoji of several. */
const joined = /(?<=[\u0300-\u1fff\u2100-\u{10ffff}])[\u200c\u200d]/gu;

/** Of a display name; given and family name, 120 each, fit into it. */
export const longestDisplayName = 250;

/** A single line of text from a person: trimmed, NFC, bounded, without control, direction or hidden characters. */
export function cleanLine(text: string, limit = 120): string {
  const line = text.normalize('NFC').trim();
  if (line.length > limit) throw new Problem('text-too-long');
  if (unsafe.test(line.replaceAll(joined, ''))) throw new Problem('text-not-allowed');
  return line;
}

const scripts = [
  /\p{Script=Latin}/u,
  /\p{Script=Cyrillic}/u,
  /\p{Script=Greek}/u,
  /\p{Script=Armenian}/u,
  /\p{Script=Cherokee}/u,
  /\p{Script=Coptic}/u,
  /\p{Script=Lisu}/u,
];

/** Whether letters of scripts that look alike stand beside each other (UTS #39): nobody writes like that but to deceive. */
export function mixesScripts(text: string): boolean {
  return scripts.filter((script) => script.test(text)).length > 1;
}

/** What is easily taken for a Latin letter or two (UTS #39 confusables, those of the scripts people have names in). */
const alike = new Map(
  Object.entries({
    a: 'аαа', b: 'ЬьƄ', c: 'сϲᴄ', d: 'ԁ', e: 'еҽ', g: 'ɡց', h: 'һհ', i: 'іıιӏ', j: 'јϳ', k: 'кκ', l: '1|ｌ', m: 'м', n: 'ո', o: '0оοօ',
    p: 'рρ', q: 'ԛ', r: 'г', s: 'ѕ', t: 'тτ', u: 'υս', v: 'νѵ', w: 'ԝաω', x: 'хχ', y: 'уγү', z: 'ᴢ',
  }).flatMap(([letter, others]) => [...others].map((other) => [other, letter] as const)),
); // biome-ignore format: a word list

/**
 * A key under which names meet that the eye takes for one another: look-alikes of other scripts, accents, 0 and o, 1 and l,
 * rn and m. Used to *report* them, never to decide who someone is.
 */
export function lookAlikeKey(nameKey: string): string {
  const plain = [...nameKey.normalize('NFKD').replaceAll(/\p{M}/gu, '')].map((one) => alike.get(one) ?? one);
  return plain.join('').replaceAll(/[._-]/g, '').replaceAll('rn', 'm').replaceAll('vv', 'w');
}

/** Checks a new user name against the community's rule and the reserved words. Returns it as it will be kept. */
export function checkNewUsername(
  typed: string,
  rule: { pattern: string; reserved: readonly string[]; communityName: string },
): string {
  const username = typed.normalize('NFKC').trim();
  const key = usernameKey(username);
  if (username.length > 64 || unsafe.test(username) || mixesScripts(username))
    throw new Problem('username-rule');
  if (!compilePattern(rule.pattern).testAll(username)) throw new Problem('username-rule');
  const bare = key.replaceAll(/[^\p{L}\p{N}]/gu, '');
  const name = usernameKey(rule.communityName).replaceAll(/[^\p{L}\p{N}]/gu, '');
  const reserved = [...staffWords, ...rule.reserved].map(usernameKey);
  if (reserved.includes(key) || reserved.includes(bare)) throw new Problem('username-reserved');
  const posing = name.length >= 5 ? bare.includes(name) : bare.startsWith(name);
  if (name.length >= 3 && posing) throw new Problem('username-reserved');
  return username;
}

/** Checks a legacy user name: kept as it is, only what could break a protocol is refused. */
export function checkLegacyUsername(username: string): string {
  const kept = username.normalize('NFC').trim();
  if (kept === '' || kept.length > 255 || unsafe.test(kept)) throw new Problem('username-rule');
  return kept;
}

const localPart = /^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*$/;
const domainLabel = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

/**
 * One mail address (RFC 5321 dot-string form): exactly one `@`, no quoted local part, no literal, no comment.
 * Returns the address to write to and the key under which it is unique.
 */
export function parseAddress(typed: string): { address: string; key: string } {
  const text = typed.normalize('NFKC').trim();
  if (/[,;\s<>()\\"[\]:]/.test(text)) {
    throw new Problem(
      /[,;\s]/.test(text) && (text.match(/@/g)?.length ?? 0) > 1 ? 'address-several' : 'address-malformed',
    );
  }
  const parts = text.split('@');
  if (parts.length > 2) throw new Problem('address-several');
  const [local = '', host = ''] = parts;
  if (local.length > 64 || !localPart.test(local) || unsafe.test(text))
    throw new Problem('address-malformed');
  const domain = domainToASCII(host.toLowerCase());
  const labels = domain.split('.');
  const sound =
    domain.length <= 253 && labels.length >= 2 && labels.every((label) => domainLabel.test(label));
  if (!sound || /^\d+$/.test(labels.at(-1) ?? '')) throw new Problem('address-malformed');
  const address = `${local}@${domain}`;
  return { address, key: address.toLowerCase() };
}

/**
 * A key under which addresses that reach the same mailbox at the big providers meet: dots and `+tag` dropped for
 * Gmail, `+tag` for everyone. Used to *report* likely duplicates, never to decide who someone is.
 */
export function nearAddressKey(addressKey: string): string {
  const [local = '', domain = ''] = addressKey.split('@');
  const gmail = domain === 'gmail.com' || domain === 'googlemail.com';
  const bare = local.split('+')[0] ?? '';
  return `${gmail ? bare.replaceAll('.', '') : bare}@${gmail ? 'gmail.com' : domain}`;
}
