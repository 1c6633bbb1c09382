/** What the conformance tests share: networks, people, forms of visitors, the whole database as text, bare sockets. */
import { once } from 'node:events';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import tls from 'node:tls';
import pg from 'pg';
import { type Platform, startPlatform } from '#test/kit.ts';
import type { Seen, Visitor } from '#test/visitor.ts';

/** Tests stand behind a proxy that is believed, so that each can come from networks of its own. */
export const behindProxy = { GATEHOUSE_TRUSTED_PROXIES: '127.0.0.1/32,::1/128' };

let networks = 0;

/** An address nobody came from yet. */
export function newNetwork(): string {
  networks += 1;
  return `198.18.${networks >> 8}.${networks & 255}`;
}

/** A browser on a network of its own. */
export function stranger(platform: Platform, headers: Record<string, string> = {}): Visitor {
  return platform.visitor({ 'x-forwarded-for': newNetwork(), ...headers });
}

export interface Someone {
  username: string;
  password: string;
  address?: string;
  state?: string;
  hash?: string;
}

/** People who are there already, as a community file would bring them. */
export async function addPeople(platform: Platform, people: readonly Someone[]): Promise<void> {
  const entries = people.map((one) =>
    JSON.stringify({
      username: one.username,
      names: { givenName: one.username, familyName: 'Probe' },
      addresses: one.address ? [one.address] : [],
      ...(one.hash ? { passwordHash: one.hash } : { password: one.password }),
      ...(one.state && { state: one.state }),
    }),
  );
  await platform.apply(`people:\n${entries.map((entry) => `  - ${entry}`).join('\n')}\n`);
}

const right = 'plum violin tractor';

/** Who is in the community of a wiki: its owner, and a member. */
export const wikiPeople = {
  olga: { username: 'olga', password: right },
  ada: { username: 'ada', password: right, address: 'ada@example.org' },
} as const satisfies Record<string, Someone>;

/** A community with one app, a group and attributes of each kind of editing. */
export async function startWiki(): Promise<Platform> {
  const platform = await startPlatform({ env: behindProxy });
  await platform.apply(`
community: { name: Harbour }
attributes:
  - { name: homepage, type: url, title: Home page, signUp: true }
  - { name: badge, type: text, title: Badge, editable: operators }
applications:
  - id: wiki
    title: Wiki
    url: https://wiki.example.org/start
    oidc: { redirectUris: ['https://wiki.example.org/cb'], clientAuth: none }
groups: [{ name: editors }]
people:
  - { username: olga, password: ${right}, addresses: [olga@example.org], operator: owner }
  - { username: ada, password: ${right}, addresses: [ada@example.org], attributes: { badge: one } }
`);
  return platform;
}

/** A browser in which this person is signed in. */
export async function signedIn(platform: Platform, person: Someone): Promise<Visitor> {
  const visitor = stranger(platform);
  const home = await visitor.signIn(person.username, person.password);
  if (!home.url.endsWith('/account')) throw new Error(`${person.username} is not in: ${home.status}`);
  return visitor;
}

/** Posts the sign-in form of the page last seen, without following where it leads. */
export async function tryPassword(visitor: Visitor, username: string, password: string): Promise<Seen> {
  if (!visitor.page.url.includes('/sign-in')) await visitor.open('/sign-in');
  const { fields } = visitor.formOf('/sign-in');
  return post(visitor, '/sign-in', { ...fields, username, password });
}

/** One form post, exactly as given, no redirect followed. */
export function post(
  visitor: Visitor,
  url: string,
  fields: Record<string, string> | string,
  headers: Record<string, string> = {},
): Promise<Seen> {
  return visitor.request(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/x-www-form-urlencoded',
      origin: visitor.origin,
      ...headers,
    },
    body: typeof fields === 'string' ? fields : new URLSearchParams(fields).toString(),
  });
}

/** The link in the newest mail to an address whose path begins so. */
export async function mailedLink(platform: Platform, address: string, path: string): Promise<string> {
  const mails = await platform.mailTo(address);
  const links = mails.flatMap((mail) => mail.text.match(/https?:\/\/\S+/g) ?? []);
  const found = links.filter((link) => new URL(link).pathname === path).at(-1);
  if (!found) throw new Error(`no link to ${path} among ${links.length} links mailed`);
  return found;
}

/** The code in the newest mail to an address. */
export async function mailedCode(platform: Platform, address: string): Promise<string> {
  const codes = (await platform.mailTo(address)).flatMap(
    (mail) => /\b(\d{3})[ -]?(\d{3})\b/.exec(mail.text)?.slice(1).join('') ?? [],
  );
  return codes.at(-1) ?? '';
}

/** Every table as its rows in text form, sorted: what a dump would hold, and what a request must not have changed. */
export async function dump(platform: Platform): Promise<Map<string, string[]>> {
  await platform.settle();
  const named = await platform.database.query<{ name: string }>(
    `select tablename as name from pg_tables where schemaname = 'public' order by 1`,
  );
  const tables = new Map<string, string[]>();
  for (const { name } of named) {
    const rows = await platform.database.query<{ row: string }>(
      `select t::text as row from "${name}" t order by 1`,
    );
    tables.set(
      name,
      rows.map(({ row }) => row),
    );
  }
  return tables;
}

/** Which tables differ between two dumps. */
export function changed(
  before: Map<string, string[]>,
  after: Map<string, string[]>,
  except: readonly string[] = [],
): string[] {
  return [...after.keys()].filter(
    (name) => !except.includes(name) && JSON.stringify(before.get(name)) !== JSON.stringify(after.get(name)),
  );
}

/** Writes bytes to a fresh connection and returns everything that came back until it closed or was silent. */
export async function speak(
  origin: string,
  bytes: string | Buffer,
  options: { silenceMs?: number } = {},
): Promise<string> {
  const { hostname, port, protocol } = new URL(origin);
  const socket =
    protocol === 'https:'
      ? tls.connect({ host: hostname, port: Number(port), rejectUnauthorized: false })
      : net.connect(Number(port), hostname);
  const parts: Buffer[] = [];
  socket.on('data', (part) => parts.push(part));
  socket.on('error', () => undefined);
  socket.setTimeout(options.silenceMs ?? 700, () => socket.destroy());
  await once(socket, protocol === 'https:' ? 'secureConnect' : 'connect');
  const closed = new Promise<void>((resolve) => void socket.on('close', () => resolve()));
  socket.write(bytes);
  await closed;
  return Buffer.concat(parts).toString('latin1');
}

/** The status of the first answer in what `speak` returned; 0 when there was none. */
export function statusOf(answer: string): number {
  return Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1] ?? 0);
}

/** What a server asks every few seconds, whoever is there. */
const regular = /^select [^(]* from (?:oidc_keys|saml_keys|applications order by) /;
/** The one of them that is asked in a snapshot of its own. */
const regularInSnapshot = / order by title, id$/;

/** Runs something and returns the SQL statements sent meanwhile by this process. */
export async function statementsOf<T>(work: () => Promise<T>): Promise<{ result: T; statements: string[] }> {
  const recording: Recording = { statements: [], begun: new Map() };
  recordings.add(recording);
  try {
    const result = await work();
    // What is written after an answer belongs to it as well, and ends however long the machine holds it up.
    const isOver = () => recording.begun.size === 0 && unanswered === 0;
    for (let count = -1; count !== recording.statements.length || !isOver(); ) {
      count = recording.statements.length;
      await sleep(150);
    }
    return { result, statements: recording.statements.map((one) => one.text) };
  } finally {
    recordings.delete(recording);
  }
}

type Recording = {
  /** In the order in which they were sent, over all connections. */
  statements: { text: string }[];
  /** The transactions that began while this recorded and are not over, with what was sent in each. */
  begun: Map<object, { text: string }[]>;
};

const recordings = new Set<Recording>();
/** Statements under way, whoever asked them: what follows from an answer is not known before that came. */
let unanswered = 0;
/** The connections that are inside a transaction, whoever began it and when. */
const inTransaction = new WeakSet<object>();

const prototype = pg.Client.prototype as unknown as { query: (...input: unknown[]) => unknown };
const original = prototype.query;
prototype.query = function query(this: object, ...input: unknown[]) {
  const first = input[0] as string | { text?: string };
  const text = (typeof first === 'string' ? first : (first.text ?? '?')).replaceAll(/\s+/g, ' ').trim();
  for (const recording of recordings) record(recording, this, text);
  if (/^begin\b/i.test(text)) inTransaction.add(this);
  else if (/^(?:commit|rollback)$/i.test(text)) inTransaction.delete(this);
  return counted(this, input);
};

function counted(client: object, input: unknown[]): unknown {
  unanswered += 1;
  const over = () => {
    unanswered -= 1;
  };
  const last = input.at(-1);
  if (typeof last === 'function') {
    const heard = (...answer: unknown[]) => {
      over();
      last(...answer);
    };
    return original.apply(client, [...input.slice(0, -1), heard]);
  }
  const answer = original.apply(client, input);
  if (answer instanceof Promise) answer.then(over, over);
  // What streams is heard of by nobody here.
  else over();
  return answer;
}

/** Notes a statement, unless it is one of the regular ones or belongs to a transaction begun before. */
function record({ statements, begun }: Recording, connection: object, text: string): void {
  const transaction = begun.get(connection);
  if (inTransaction.has(connection) && !transaction) return;
  if (regular.test(text)) {
    // A snapshot that only such a statement was read from counts no more than the statement.
    if (transaction?.length === 1 && regularInSnapshot.test(text))
      statements.splice(statements.indexOf(transaction.pop()!), 1);
    return;
  }
  const ends = /^(?:commit|rollback)$/i.test(text);
  if (ends) begun.delete(connection);
  if (ends && transaction?.length === 0) return;
  const statement = { text };
  statements.push(statement);
  if (/^begin\b/i.test(text)) begun.set(connection, [statement]);
  else transaction?.push(statement);
}

/** A page without what differs by design from one visit to the next, and without what was typed. */
export function plain(text: string, typed: readonly string[] = []): string {
  let rest = text
    .replaceAll(/nonce="[^"]*"/g, 'nonce')
    .replaceAll(/name="form_token" value="[^"]*"/g, 'form_token')
    .replaceAll(/(Reference: )[\w-]+/g, '$1');
  for (const one of typed) if (one) rest = rest.replaceAll(one, '…');
  return rest;
}
