/**
 * The relay's door: SMTP (RFC 5321) on smtp-server. It holds back strangers who talk before they are greeted, bounds how
 * many connections, bytes and tries there are, and asks `admit` and `receive` for every decision.
 */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import type { SMTPServer, SMTPServerAddress, SMTPServerDataStream, SMTPServerSession } from 'smtp-server';
import { newId } from '#kit/crypto/ids.ts';
import { networkKey } from '#kit/limits/limits.ts';
import { type ArrivalNeeds, mostBytesFor, receive } from './arrival.ts';
import type { Certificate } from './certificate.ts';
import { noteUnadmitted, type Reply } from './entries.ts';
import type { Figures } from './figures.ts';
import { bareLineEnds, type Connection, guard } from './guard.ts';
import { type Admission, admit, isExpected, meantFor, notedAs } from './judge.ts';
import type { Arrival } from './recipients.ts';
import { isLater, type Refusal, refuse } from './refusals.ts';

export interface ListenerNeeds extends ArrivalNeeds {
  host: string;
  port: number;
  certificate: Certificate;
  figures: Figures;
  limits: ArrivalNeeds['limits'];
  bounds?: Partial<Bounds>;
}

export interface Bounds {
  /** Milliseconds for a line, and for a message to come. */
  lineMs: number;
  messageMs: number;
  connections: number;
  /** From one network; of those an app names as its own, and of all others. */
  expected: number;
  strangers: number;
  /** Bytes of messages in memory. */
  heldBytes: number;
  /** Recipients refused for one network that no app names, in an hour; then it is not heard for the rest of it. */
  refusedAnHour: number;
}

const usual: Bounds = {
  lineMs: 30_000,
  messageMs: 180_000,
  connections: 1000,
  expected: 300,
  strangers: 30,
  // Each is there several times while it is proved, signed and sent.
  heldBytes: 96 * 1024 * 1024,
  refusedAnHour: 200,
};
/** Recipients refused on one connection before it is closed. */
const mostRefused = 20;
const largestSize = 100_000_000;

export interface Listener {
  readonly port: number;
  useCertificate(certificate: Certificate): void;
  /**
   * Takes nothing new; what is under way ends, for so many seconds at most. Whoever is connected hears 421.
   */
  drain(seconds: number): Promise<void>;
}

/** What is known of one connection. */
interface Visit {
  connection: Connection;
  network: string;
  /** Stops waiting for the client: it waits for us. */
  rest(): void;
  refused: number;
  /** More are connected than may be. */
  isOneTooMany: boolean;
  arrival?: Arrival;
  admission?: Admission;
}

type Done = (error?: Error | null, message?: string) => void;

/** Opens the door. Throws the system's error when the port is taken. */
export async function openListener(needs: ListenerNeeds): Promise<Listener> {
  const { SMTPServer } = await import('smtp-server');
  const door = createDoor(needs);
  const server = new SMTPServer({
    name: needs.name,
    banner: 'Gatehouse',
    size: largestSize,
    maxRecipients: 1,
    authOptional: true,
    disabledCommands: ['AUTH', 'VRFY', 'EXPN', 'HELP', 'BDAT', 'XCLIENT', 'XFORWARD', 'WIZ', 'SHELL', 'KILL'],
    disableReverseLookup: true,
    hideSMTPUTF8: true,
    hideENHANCEDSTATUSCODES: false,
    hideDSN: true,
    logger: false,
    socketTimeout: door.bounds.messageMs + door.bounds.lineMs,
    closeTimeout: 10_000,
    minVersion: 'TLSv1.2',
    ...needs.certificate,
    ...door.handlers,
  });
  server.on('error', (error) => {
    needs.log.debug({ err: error, code: 'relay-connection' }, 'a connection of the relay broke');
  });
  server.connections = door.guarded as typeof server.connections;
  server.listen(needs.port, needs.host);
  await Promise.race([
    once(server.server, 'listening'),
    once(server.server, 'error').then(([error]) => Promise.reject(error)),
  ]);
  const { port } = server.server.address() as AddressInfo;
  return {
    port,
    useCertificate: (certificate) => server.updateSecureContext({ ...certificate }),
    drain: (seconds) => drain(server, door, seconds),
  };
}

type Door = ReturnType<typeof createDoor>;

const hourMs = 3_600_000;
const mostNetworks = 50_000;

/** What happened so often within this hour, by network. */
function countByHour() {
  const counts = new Map<string, number>();
  let hour = 0;
  const fresh = () => {
    const now = Math.floor(Date.now() / hourMs);
    if (now !== hour || counts.size > mostNetworks) counts.clear();
    hour = now;
    return counts;
  };
  return {
    of: (network: string) => fresh().get(network) ?? 0,
    add: (network: string) => void fresh().set(network, (counts.get(network) ?? 0) + 1),
  };
}

function createDoor(needs: ListenerNeeds) {
  const bounds: Bounds = { ...usual, ...needs.bounds };
  const visits = new Map<string, Visit>();
  const byNetwork = new Map<string, number>();
  const state = { held: 0, draining: false };
  const refusals = countByHour();
  const expected = (address: string) => {
    try {
      return isExpected(needs.rules.now(), needs.lists.listsNow(), address);
    } catch {
      return false;
    }
  };
  /** The library adds each connection to its set before its first byte. */
  class Guarded extends Set<Connection> {
    override add(connection: Connection): this {
      const network = networkKey(connection.remoteAddress);
      const beside = byNetwork.get(network) ?? 0;
      byNetwork.set(network, beside + 1);
      const isKnown = expected(connection.remoteAddress);
      const most = isKnown ? bounds.expected : bounds.strangers;
      const hasTried = !isKnown && refusals.of(network) >= bounds.refusedAnHour;
      // Decided when they come: of many at once the first have their place, and not nobody.
      const isOneTooMany = hasTried || beside >= most || visits.size >= bounds.connections;
      needs.figures.connections(visits.size);
      const { lineMs, messageMs } = bounds;
      const { rest } = guard(connection, { isExpected: expected, lineMs, messageMs });
      visits.set(connection.id, { connection, network, rest, refused: 0, isOneTooMany });
      return super.add(connection);
    }
  }
  function leave(id: string): void {
    const visit = visits.get(id);
    if (!visit) return;
    visits.delete(id);
    const left = (byNetwork.get(visit.network) ?? 1) - 1;
    if (left > 0) byNetwork.set(visit.network, left);
    else byNetwork.delete(visit.network);
    needs.figures.connections(visits.size);
  }
  const visitOf = ({ id }: SMTPServerSession): Visit => visits.get(id)!;
  const handlers = {
    onClose: ({ id }: SMTPServerSession) => leave(id),
    onConnect(session: SMTPServerSession, done: Done): void {
      const { isOneTooMany } = visitOf(session);
      done(isOneTooMany ? answerWith(421, '4.7.0 Too many connections. Try again later.') : null);
    },
    onMailFrom({ args }: SMTPServerAddress, _session: SMTPServerSession, done: Done): void {
      const isWide = args && 'SMTPUTF8' in args;
      done(
        isWide ? answerWith(553, '5.6.7 Addresses in other letters (SMTPUTF8) are not taken here.') : null,
      );
    },
    onRcptTo({ address }: { address: string }, session: SMTPServerSession, done: Done): void {
      const visit = visitOf(session);
      void admitted(needs, visit, arrivalOf(session, address)).then((refusal) => {
        visit.refused += refusal ? 1 : 0;
        if (refusal && !isLater(refusal)) refusals.add(visit.network);
        if (!refusal) done();
        else if (visit.refused < mostRefused) done(spoken(refusal));
        else done(answerWith(421, '4.7.0 Too many refused recipients. Closing the connection.'));
      });
    },
    onData(stream: SMTPServerDataStream, session: SMTPServerSession, done: Done): void {
      const visit = visitOf(session);
      void taken({ needs, bounds, state, visit, stream }).then((reply) => {
        if (!reply) return;
        if ('reason' in reply) done(spoken(reply));
        else done(null, reply.text);
        if (state.draining) setImmediate(() => dismiss(visit.connection));
      });
    },
  };
  return { bounds, state, visits, handlers, guarded: new Guarded() };
}

function answerWith(code: number, text: string): Error {
  return Object.assign(new Error(text), { responseCode: code });
}

function spoken({ code, enhanced, text }: Refusal): Error {
  return answerWith(code, `${enhanced} ${text}`);
}

function arrivalOf(session: SMTPServerSession, recipient: string): Arrival {
  const mailFrom = session.envelope.mailFrom || undefined;
  const { SIZE: size } = (mailFrom?.args || {}) as { SIZE?: string };
  return {
    client: session.remoteAddress,
    tls: Boolean(session.secure),
    helo: session.hostNameAppearsAs || 'unknown',
    sender: mailFrom?.address ?? '',
    recipient,
    bytes: size && /^\d{1,15}$/.test(size) ? Number(size) : undefined,
    via: 'relay',
  };
}

/** Decides about a recipient; notes a refusal without making the client wait for it. */
async function admitted(needs: ListenerNeeds, visit: Visit, arrival: Arrival): Promise<Refusal | undefined> {
  visit.arrival = arrival;
  visit.admission = undefined;
  let decided: Awaited<ReturnType<typeof admit>>;
  try {
    decided = await admit(needs, arrival);
  } catch (error) {
    needs.log.warn({ err: error, code: 'relay-undecided' }, 'a recipient could not be decided about');
    decided = { refusal: refuse('database') };
  }
  if (!('refusal' in decided) && decided.recipient.class !== 'bounce') {
    const refusal = await noWayOut(needs, arrival);
    if (refusal) decided = { refusal, ...meantFor(decided) };
  }
  if (!('refusal' in decided)) {
    visit.admission = decided;
    return undefined;
  }
  noteUnadmitted(needs.notes, arrival, decided);
  return decided.refusal;
}

/** Why a message could not go on whatever it says: then it need not be sent to us. */
async function noWayOut(
  { log, smartHosts }: ListenerNeeds,
  { client }: Arrival,
): Promise<Refusal | undefined> {
  if (smartHosts) return (await smartHosts.areAway()) ? refuse('smart-host-away') : undefined;
  log.warn(
    { code: 'relay-no-smart-host', client },
    'mail for an alias mailbox has no way out: set GATEHOUSE_SMTP_URL to the server that takes it',
  );
  return refuse('no-smart-host');
}

/** Reads a message and answers for it; undefined where the connection is gone, or was closed over it. */
async function taken(given: {
  needs: ListenerNeeds;
  bounds: Bounds;
  state: Door['state'];
  visit: Visit;
  stream: SMTPServerDataStream;
}): Promise<Reply | undefined> {
  const { needs, bounds, state, visit, stream } = given;
  const { arrival, admission } = visit;
  const began = Date.now();
  let held = 0;
  try {
    if (!arrival || !admission) return refuse('fault');
    const most = mostBytesFor(admission);
    const chunks: Buffer[] = [];
    const ends = bareLineEnds();
    let bytes = 0;
    let full = false;
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (ends.has(chunk)) return closedOver(needs, visit, { refusal: refuse('message-form'), bytes, began });
      if (bytes > largestSize) return closedOver(needs, visit, { refusal: refuse('size'), bytes, began });
      full ||= state.held + chunk.length > bounds.heldBytes;
      if (full || bytes > most) continue;
      held += chunk.length;
      state.held += chunk.length;
      needs.figures.held(state.held);
      chunks.push(chunk);
    }
    visit.rest();
    if (ends.endsOpen()) return closedOver(needs, visit, { refusal: refuse('message-form'), bytes, began });
    const refusal = bytes > most ? refuse('size') : full ? refuse('busy') : undefined;
    const id = newId();
    if (!refusal) return await receive(needs, { id, arrival, admission, raw: Buffer.concat(chunks), began });
    note(needs, visit, { refusal, bytes, began });
    return refusal;
  } catch {
    // The client went away in the middle of it.
    return undefined;
  } finally {
    visit.arrival = undefined;
    visit.admission = undefined;
    state.held -= held;
    needs.figures.held(state.held);
  }
}

function note(
  { notes }: ListenerNeeds,
  { arrival, admission }: Visit,
  { refusal, bytes, began }: { refusal: Refusal; bytes: number; began: number },
): void {
  if (!arrival || !admission) return;
  const { sender, client, via } = arrival;
  void notes.note({
    ...notedAs(meantFor(admission)),
    recipientClass: admission.recipient.class,
    verdict: isLater(refusal) ? 'deferred' : 'refused',
    reason: refusal.reason,
    via,
    sender,
    recipient: arrival.recipient,
    client,
    bytes,
    tookMs: Date.now() - began,
  });
}

/** Lines that programs read differently may hide a second message: nothing more is heard from there. */
function closedOver(
  needs: ListenerNeeds,
  visit: Visit,
  given: { refusal: Refusal; bytes: number; began: number },
): undefined {
  note(needs, visit, given);
  const { code, enhanced, text } = given.refusal;
  visit.connection.send(code, `${enhanced} ${text}`);
  visit.connection.close();
}

function dismiss(connection: Connection): void {
  connection.send(421, '4.3.2 Closing for now. Try again in a moment.');
}

async function drain(server: SMTPServer, { state, visits }: Door, seconds: number): Promise<void> {
  state.draining = true;
  server.options.closeTimeout = Math.max(1, seconds * 1000);
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  for (const { connection } of visits.values())
    if (!connection._dataStream && !connection._handlerPending) dismiss(connection);
  await closed;
  for (const { connection } of visits.values()) connection._socket.destroy();
}
