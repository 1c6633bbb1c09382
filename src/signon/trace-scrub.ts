/**
 * What a trace may hold: names and decisions, never what opens anything. Taken out by the name of a fact, and again by
 * what a value looks like, because a secret may stand where nobody expects one.
 */

export type Fact = string | number | boolean | readonly string[] | undefined;
export type Facts = Record<string, Fact>;

const secretNames =
  /pass|secret|token|cookie|assertion|signature|authorization|verifier|challenge$|nonce|state$|saml(?:request|response)|relaystate|^code$|otp|sid$|hint|key$/i;
const removed = '(removed)';

const mostText = 200;
const mostFacts = 16;
const mostItems = 12;

/** Facts as they may be kept: short, plain, without secrets, addresses or the queries of addresses on the web. */
export function scrub(facts: Facts): Record<string, string | number | boolean | string[]> {
  const kept = Object.entries(facts).filter(([, value]) => value !== undefined);
  return Object.fromEntries(
    kept.slice(0, mostFacts).map(([name, value]) => [name.slice(0, 40), scrubFact(name, value)]),
  );
}

function scrubFact(name: string, value: Fact): string | number | boolean | string[] {
  if (typeof value === 'number' || typeof value === 'boolean') return value;
  if (secretNames.test(name)) return removed;
  if (Array.isArray(value)) return value.slice(0, mostItems).map((one) => scrubText(String(one)));
  return scrubText(String(value));
}

/** Text without what could be a secret, whose address, or more than a line. */
export function scrubText(text: string): string {
  const line = text.slice(0, 2000).replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ');
  const words = line.split(/(\s+|[,;"'<>()[\]{}]+)/).map(scrubWord);
  return words.join('').slice(0, mostText);
}

function scrubWord(word: string): string {
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(word)) return plainAddress(word);
  if (/[^\s@]@[^\s@]/.test(word)) return shortened(word);
  if (word.startsWith('/')) return plainPath(word);
  return looksSecret(word) ? removed : word;
}

/** An address on the web without its query, and without parts of its path that could open something. */
export function plainAddress(text: string): string {
  if (!URL.canParse(text)) return removed;
  const { protocol, host, pathname } = new URL(text);
  return `${protocol}//${host}${plainPath(pathname)}`.slice(0, mostText);
}

function plainPath(path: string): string {
  const parts = path.split(/[?#]/, 1)[0]!.split('/');
  return parts.map((part) => (looksSecret(part) ? removed : part)).join('/');
}

/** Long and without a word in it: a token, a key, a signature. Ids are no secrets. */
function looksSecret(word: string): boolean {
  if (/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(word)) return false;
  if (/^(?:urn:|https?:)/i.test(word)) return false;
  if (/^\d{6,10}$/.test(word)) return true;
  if (/^eyJ/.test(word) || /[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}/.test(word)) return true;
  return /[A-Za-z0-9_+/=-]{22,}/.test(word) && /\d|[A-Z].*[a-z].*[A-Z]|\+|=/.test(word);
}

/** What somebody typed who is nobody here: enough to see a slip of the pen, too little to know who or what it was. */
export function shortened(typed: string): string {
  const [name = '', domain] = typed.trim().split('@', 2);
  const start = (text: string) => [...text].slice(0, [...text].length > 4 ? 2 : 1).join('');
  return domain === undefined ? `${start(name)}…` : `${start(name)}…@${start(domain)}…`;
}
