/**
 * Mail to alias mailboxes: taken from the apps that may write, passed on to where people read mail, answered by them as
 * their alias.
 * Owns the tables `relay_*`. Records relay.* events: settings, pauses, lists, keys, choices and requests.
 * Refuses, with one answer for all, whatever is for nobody, from nobody who may write, or not proved to be theirs; says
 * yes only when the next server has taken a message, so nothing is kept here that could be lost or come back as a report.
 */
import type { Metric } from 'prom-client';
import { erasedIn } from '#core/events/events.ts';
import type { LogReader } from '#core/events/reader.ts';
import type { Clock } from '#kit/clock/clock.ts';
import type { Secrets } from '#kit/crypto/secrets.ts';
import { type Database, system } from '#kit/db/database.ts';
import type { Limits } from '#kit/limits/limits.ts';
import type { Log } from '#kit/log/log.ts';
import type { Net } from '#kit/net/net.ts';
import type { SmartHosts } from '#kit/smtp/smart-hosts.ts';
import type { Front } from '#signon/front.ts';
import { createAuthenticator } from './authenticate.ts';
import { type Backend, within } from './backend.ts';
import {
  type Certificate,
  type CertificateFiles,
  makeCertificate,
  readCertificate,
  watchCertificate,
} from './certificate.ts';
import { forgetChoices } from './choices.store.ts';
import { forgetCounterparts } from './counterparts.store.ts';
import { createFigures } from './figures.ts';
import { rewrapRelayKeys } from './keys.ts';
import { startListLooks } from './list-looks.ts';
import { type Bounds, type Listener, type ListenerNeeds, openListener } from './listener.ts';
import { forgetDeciders } from './lists.store.ts';
import { followLists } from './lists-in-force.ts';
import { forgetMessages } from './messages.store.ts';
import { startMilterServer } from './milter-server.ts';
import { createNotes } from './notes.ts';
import { createOwners } from './owners.ts';
import { createPlaces } from './places.ts';
import { startPolicy } from './policy-server.ts';
import type { OwnMail } from './recipients.ts';
import { createSealer } from './seal.ts';
import { followRules } from './settings-kept.ts';
import { startSocketmap } from './socketmap-server.ts';
import { createRelayThreads } from './threads.ts';

export interface RelayNeeds {
  database: Database;
  secrets: Secrets;
  limits: Limits;
  net: Net;
  log: Log;
  clock: Clock;
  /** Reads what comes back of our own mail. */
  ownMail?: OwnMail;
}

/** Where and as whom a process that runs the relay listens. */
export interface RelayPlace {
  host: string;
  /** 0 lets the system choose. */
  port: number;
  /** What we call ourselves among mail servers. */
  name: string;
  /** Domain of our own mail. */
  mailDomain: string;
  certificate?: CertificateFiles;
  dnsServers: readonly string[];
  /** Undefined where none is set. */
  smartHosts?: SmartHosts;
  /** For a Postfix that asks us; each is served where its port is given. */
  backend: { host: string; socketmapPort?: number; policyPort?: number; milterPort?: number };
  bounds?: Partial<Bounds>;
}

export interface RunningRelay {
  /** Undefined as long as there is no domain of alias mailboxes: then nothing listens. */
  readonly port: number | undefined;
  readonly socketmapPort: number | undefined;
  readonly policyPort: number | undefined;
  readonly milterPort: number | undefined;
  readonly metrics: readonly Metric[];
  /** Reads settings and lists now, instead of when it hears of a change. */
  refresh(): Promise<void>;
  /** Ends when what became of every message so far is noted. */
  settle(): Promise<void>;
  /** Takes nothing new; what is under way may take so many seconds to end, and writing it down five more. */
  drain(seconds: number): Promise<void>;
}

/** For what is left when the last message is through: a database that answers no more keeps nobody for longer. */
const reserveMs = 5_000;

/** What the relay is to the house: its reader, its keys, and its lists, which are looked at by whoever does the work. */
export function relayFront({ database, secrets, net, log }: RelayNeeds): Front {
  return {
    name: 'relay',
    register() {},
    readers: [relayErasureReader],
    rewrap: () => database.transact(system(), (tx) => rewrapRelayKeys(tx, secrets)),
    start: () => startListLooks({ database, net, log }),
  };
}

/** Opens the door for mail, as soon as there is a domain of alias mailboxes. Throws when a port is taken. */
export async function startRelay(needs: RelayNeeds, place: RelayPlace): Promise<RunningRelay> {
  const { database, log } = needs;
  const closers: (() => Promise<unknown>)[] = [];
  /** Asks each to end, also where another could not; none of them keeps the process. */
  const closeAll = async () => {
    const end = performance.now() + reserveMs;
    for (const closer of closers.splice(0).reverse())
      await within(Math.max(0, end - performance.now()), closer()).catch((error) =>
        log.warn({ err: error, code: 'relay-closing' }, 'a part of the relay could not be closed in time'),
      );
  };
  try {
    const rules = followRules({ database, log });
    const lists = followLists({ database, log });
    closers.push(await rules.watch(), await lists.watch());
    const figures = createFigures();
    const notes = createNotes({ ...needs, figures });
    closers.push(() => notes.settle());
    const threads = createRelayThreads(log);
    closers.push(() => threads.close());
    const { dnsServers } = place;
    const authenticator = createAuthenticator({ dnsServers, log, threads });
    const sealer = createSealer({ ...needs, threads });
    const gathered = { owners: createOwners(database), places: createPlaces(database) };
    const work = { figures, notes, authenticator, sealer, threads };
    const judging = { ...needs, ...place, ...gathered, ...work, rules, lists };
    const { host, socketmapPort, policyPort, milterPort } = place.backend;
    const serve = async (
      port: number | undefined,
      start: (at: { host: string; port: number }) => Promise<Backend>,
    ) => {
      if (port === undefined) return undefined;
      const backend = await start({ host, port });
      closers.push(() => backend.close());
      return backend.port;
    };
    const asked = {
      socketmapPort: await serve(socketmapPort, (at) => startSocketmap(judging, at)),
      policyPort: await serve(policyPort, (at) => startPolicy(judging, at)),
      milterPort: await serve(milterPort, (at) => startMilterServer(judging, at)),
    };
    const door = await openDoor(judging, place, rules);
    return {
      get port() {
        return door.listener?.port;
      },
      ...asked,
      metrics: figures.metrics,
      async refresh() {
        await rules.refresh();
        await lists.refresh();
      },
      settle: () => notes.settle(),
      async drain(seconds) {
        await door.drain(seconds);
        await closeAll();
      },
    };
  } catch (error) {
    await closeAll();
    throw error;
  }
}

interface Door {
  listener?: Listener;
  drain(seconds: number): Promise<void>;
}

/** Listens now, or when the community has got a domain for alias mailboxes. */
async function openDoor(
  needs: Omit<ListenerNeeds, 'certificate'>,
  place: RelayPlace,
  rules: ReturnType<typeof followRules>,
): Promise<Door> {
  const { log } = needs;
  let opening: Promise<void> | undefined;
  let draining = false;
  let unwatch: (() => Promise<void>) | undefined;
  const door: Door = {
    async drain(seconds) {
      draining = true;
      await opening?.catch(() => undefined);
      await unwatch?.();
      await door.listener?.drain(seconds);
    },
  };
  const open = async () => {
    const listener = await openListener({ ...needs, certificate: await certificateOf(place, log) });
    door.listener = listener;
    const { certificate: files } = place;
    if (files) unwatch = await watchCertificate({ files, log, take: listener.useCertificate });
    if (!place.smartHosts)
      log.warn(
        { code: 'relay-no-smart-host' },
        'mail for alias mailboxes has no way out: set GATEHOUSE_SMTP_URL to the server that takes it',
      );
    log.info(
      { port: listener.port, host: place.host, code: 'relay-open' },
      'mail for alias mailboxes is taken',
    );
  };
  const isWanted = () => !draining && !opening && rules.now().domains.length > 0;
  if (isWanted()) {
    opening = open();
    await opening;
  }
  rules.onRead(() => {
    if (!isWanted()) return;
    opening = open();
    opening.catch((error) => {
      opening = undefined;
      log.error({ err: error, code: 'relay-closed' }, 'the relay could not be opened');
    });
  });
  return door;
}

async function certificateOf({ certificate, name }: RelayPlace, log: Log): Promise<Certificate> {
  if (certificate) return readCertificate(certificate);
  log.info(
    { code: 'relay-certificate' },
    'the relay has no certificate of its own and made one for this run',
  );
  return makeCertificate(name);
}

/** Who is erased leaves no mail behind in the log, no choices and no wishes. */
export const relayErasureReader: LogReader = {
  reader: 'relay-erasure',
  from: 'beginning',
  acts: ['person.left'],
  async handle(tx, events) {
    const erased = erasedIn(events);
    if (erased.length === 0) return;
    await forgetMessages(tx, erased);
    await forgetChoices(tx, erased);
    await forgetDeciders(tx, erased);
    await forgetCounterparts(tx, erased);
  },
};
