/**
 * Where an embedded PostgreSQL lives and as whom it runs.
 *
 * PostgreSQL refuses to run as root, so when we are root it runs as `gatehouse` if that account exists, else as
 * `nobody`, and everything above its files must be passable for that account. When it is not (a checkout below
 * /root), the cluster goes to /var/lib/gatehouse and the data directory keeps a note of where.
 */
import { createHash, randomBytes } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';

/** The account the server runs as; undefined means our own. */
export interface Account {
  uid: number;
  gid: number;
  name: string;
}

export interface Place {
  /** Holds runtime/, data/, socket/ and server.log. */
  home: string;
  /** PGDATA. */
  data: string;
  /** Folder of the Unix socket, open to the account (and root) alone. */
  socket: string;
  logFile: string;
  account?: Account;
}

/** The embedded database cannot run here; the message says what to do. */
export class EmbeddedUnavailable extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'EmbeddedUnavailable';
  }
}

const elsewhere = '/var/lib/gatehouse';
const noteName = 'postgres.location';
/** sockaddr_un holds 104 bytes on the smallest system; the socket's own name takes 16. */
const longestSocketDirectory = 86;

/**
 * Finds (and makes) the folders for a data directory.
 * @throws EmbeddedUnavailable when no unprivileged account could reach them
 */
export function findPlace(dataDirectory: string): Place {
  const directory = path.resolve(dataDirectory);
  const account = process.getuid?.() === 0 ? unprivilegedAccount() : undefined;
  // Root's data directory holds files that each guard themselves (0600); passing through is all that is granted.
  if (!existsSync(directory)) mkdirSync(directory, { recursive: true, mode: account ? 0o711 : 0o700 });
  if (account && !mayPass(directory, account)) chmodSync(directory, statSync(directory).mode | 0o011);

  const home = account ? reachableHome(directory, account) : path.join(directory, 'postgres');
  mkdirSync(home, { recursive: true, mode: account ? 0o755 : 0o700 });
  const place: Place = {
    home,
    data: path.join(home, 'data'),
    socket: path.join(home, 'socket'),
    logFile: path.join(home, 'server.log'),
    ...(account ? { account: ownerOf(path.join(home, 'data')) ?? account } : {}),
  };
  if (Buffer.byteLength(place.socket) > longestSocketDirectory) {
    const mark = createHash('sha256').update(home).digest('hex').slice(0, 16);
    place.socket = path.join('/tmp', `gatehouse-${process.getuid?.() ?? 0}-${mark}`);
  }
  makePrivate(place.socket, place.account);
  return place;
}

/** Makes a folder that only the server's account (and root) can enter, or proves that it is one. */
export function makePrivate(directory: string, account: Account | undefined): void {
  if (!existsSync(directory)) {
    mkdirSync(directory, { mode: 0o700 });
    if (account) chownSync(directory, account.uid, account.gid);
  }
  const found = lstatSync(directory);
  const uid = account?.uid ?? process.getuid?.() ?? found.uid;
  if (!found.isDirectory() || found.uid !== uid || (found.mode & 0o077) !== 0) {
    throw new EmbeddedUnavailable(
      `${directory} should be a folder of ${account?.name ?? 'this account'} alone (mode 0700), and is not. ` +
        'Remove it, or run as the account that made it.',
    );
  }
}

/** Whether every folder on the way to `directory`, itself included, lets the account pass. */
export function mayPassAll(directory: string, account: Account): boolean {
  for (let folder = directory; ; folder = path.dirname(folder)) {
    if (!mayPass(folder, account)) return false;
    if (folder === path.dirname(folder)) return true;
  }
}

function mayPass(folder: string, { uid, gid }: Account): boolean {
  const found = statSync(folder);
  if (found.uid === uid) return (found.mode & 0o100) !== 0;
  if (found.gid === gid) return (found.mode & 0o010) !== 0;
  return (found.mode & 0o001) !== 0;
}

function reachableHome(directory: string, account: Account): string {
  const note = path.join(directory, noteName);
  if (existsSync(note)) return readFileSync(note, 'utf8').trim();
  if (mayPassAll(directory, account)) return path.join(directory, 'postgres');
  const home = path.join(elsewhere, `postgres-${randomBytes(6).toString('hex')}`);
  try {
    mkdirSync(home, { recursive: true, mode: 0o755 });
  } catch (error) {
    throw new EmbeddedUnavailable(
      `PostgreSQL runs as ${account.name}, who cannot reach ${directory}, and ${elsewhere} cannot be made. ` +
        'Choose another GATEHOUSE_DATA, or do not run as root.',
      { cause: error },
    );
  }
  if (!mayPassAll(home, account)) {
    throw new EmbeddedUnavailable(
      `PostgreSQL runs as ${account.name}, who can reach neither ${directory} nor ${elsewhere}. ` +
        'Choose another GATEHOUSE_DATA, or do not run as root.',
    );
  }
  writeFileSync(note, `${home}\n`, { mode: 0o600 });
  return home;
}

/** A cluster made earlier keeps its account. */
function ownerOf(data: string): Account | undefined {
  if (!existsSync(data)) return undefined;
  const { uid, gid } = statSync(data);
  return uid === 0 ? undefined : { uid, gid, name: `uid ${uid}` };
}

function unprivilegedAccount(): Account {
  const lines = existsSync('/etc/passwd') ? readFileSync('/etc/passwd', 'utf8').split('\n') : [];
  for (const wanted of ['gatehouse', 'nobody']) {
    const fields = lines.map((line) => line.split(':')).find(([name]) => name === wanted);
    const [uid, gid] = [Number(fields?.[2]), Number(fields?.[3])];
    if (fields && uid !== 0 && Number.isInteger(uid) && Number.isInteger(gid))
      return { uid, gid, name: wanted };
  }
  throw new EmbeddedUnavailable(
    `PostgreSQL refuses to run as root, and ${os.hostname()} has no account "gatehouse" or "nobody" to run it as. ` +
      'Make one, do not run as root, or set DATABASE_URL.',
  );
}
