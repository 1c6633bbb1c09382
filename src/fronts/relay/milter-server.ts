/**
 * The milter of a Postfix that passes mail on instead of us: it asks when it has all of a message and has not said yes
 * yet, so the decision is the whole one, see held.ts. While we are away it says "try again later" (milter_default_action).
 */
import { newId } from '#kit/crypto/ids.ts';
import {
  createMilterReader,
  type MilterPacket,
  readClient,
  readHeaderField,
  readMacros,
  readTexts,
  writeAccept,
  writeAnswer,
  writeContinue,
  writeFieldAbove,
  writeNoField,
  writeOptions,
  writeSender,
} from '#wire/smtp/milter.ts';
import { type Backend, startBackend, within } from './backend.ts';
import { type Change, decideHeld, type Held, type HeldNeeds, readOwnReport } from './held.ts';
import { type Refusal, refuse } from './refusals.ts';

/** Postfix sends headers of up to 100 KB and bodies in pieces of 64 KB. */
const largestPacket = 1_000_000;
/** Longer than Postfix waits for its client between two commands. */
const idleMs = 660_000;
/** Less than Postfix waits for us (milter_content_timeout). */
const answerMs = 240_000;
/** Of all messages that are there at a time; each is there several times while it is proved and sealed. */
const mostHeld = 64 * 1024 * 1024;

/** One connection: Postfix has one for each client of its own, for one message after the other. */
interface Talk {
  client: string;
  /** Postfix's own mail: reports it writes, and what programs on its machine send. */
  isOwn: boolean;
  helo: string;
  tls: boolean;
  letter?: Letter;
}

/** One message, as far as it is there. */
interface Letter {
  began: number;
  sender: string;
  recipient?: string;
  header: Buffer[];
  body: Buffer[];
  bytes: number;
  /** More is there than fits in memory: it is not kept. */
  isTooMuch: boolean;
}

interface Told {
  talk: Talk;
  packet: MilterPacket;
}

/** Throws the system's error when it cannot listen. */
export function startMilterServer(needs: HeldNeeds, place: { host: string; port: number }): Promise<Backend> {
  const memory = { held: 0 };
  return startBackend<Told>({
    ...place,
    name: 'milter',
    log: needs.log,
    idleMs,
    read() {
      const reader = createMilterReader({ maxBytes: largestPacket });
      const talk: Talk = { client: '', isOwn: false, helo: '', tls: false };
      return {
        push: (chunk) => reader.push(chunk).map((packet) => ({ talk, packet })),
        get isPending() {
          return reader.isPending;
        },
        close: () => drop(talk, memory),
      };
    },
    async answer({ talk, packet }) {
      try {
        return await take(needs, talk, packet, memory);
      } catch (error) {
        needs.log.error({ err: error }, 'the milter could not decide');
        // Without an answer Postfix says 451 to the sender.
        return undefined;
      }
    },
  });
}

const nothing = Buffer.alloc(0);

interface Memory {
  held: number;
}

/** What is answered to one packet: nothing where none is awaited, undefined where the connection ends. */
async function take(
  needs: HeldNeeds,
  talk: Talk,
  { command, data }: MilterPacket,
  memory: Memory,
): Promise<Buffer | undefined> {
  switch (command) {
    case 'O':
      return writeOptions(data);
    case 'C': {
      const { address, port } = readClient(data);
      // What did not come over the network comes from port 0 (Postfix, cleanup_milter).
      Object.assign(talk, { client: address, isOwn: address === '127.0.0.1' && port === 0, tls: false });
      return nothing;
    }
    case 'D':
      talk.tls ||= Boolean(readMacros(data).get('tls_version'));
      return nothing;
    case 'H':
      talk.helo = firstText(data);
      return nothing;
    case 'M':
      drop(talk, memory);
      talk.letter = newLetter(unbracketed(firstText(data)));
      return nothing;
    case 'R':
      return recipientTold(talk, unbracketed(firstText(data)));
    case 'L':
      keep(talk, 'header', readHeaderField(data), memory);
      return nothing;
    case 'B':
      keep(talk, 'body', data, memory);
      return nothing;
    case 'E':
      keep(talk, 'body', data, memory);
      try {
        return await atEnd(needs, talk);
      } finally {
        drop(talk, memory);
      }
    case 'A':
    case 'K':
      drop(talk, memory);
      return nothing;
    case 'Q':
      return undefined;
    default:
      return nothing;
  }
}

function newLetter(sender: string): Letter {
  return { began: Date.now(), sender, header: [], body: [], bytes: 0, isTooMuch: false };
}

const firstText = (data: Buffer): string => readTexts(data)[0]?.toString('utf8') ?? '';
const unbracketed = (path: string): string => /^<(.*)>$/s.exec(path)?.[1] ?? path;

function recipientTold({ letter, isOwn }: Talk, recipient: string): Buffer {
  if (!letter) return writeAnswer(spoken(refuse('fault')));
  // Each recipient is decided about alone, so that each gets an answer of its own.
  if (letter.recipient !== undefined && !isOwn) return writeAnswer('452 4.5.3 One recipient at a time.');
  letter.recipient ??= recipient;
  return writeContinue();
}

function keep({ letter }: Talk, part: 'header' | 'body', bytes: Buffer, memory: Memory): void {
  if (!letter || letter.isTooMuch || bytes.length === 0) return;
  if (memory.held + bytes.length > mostHeld) {
    letter.isTooMuch = true;
    return;
  }
  memory.held += bytes.length;
  letter.bytes += bytes.length;
  letter[part].push(bytes);
}

function drop(talk: Talk, memory: Memory): void {
  memory.held -= talk.letter?.bytes ?? 0;
  talk.letter = undefined;
}

async function atEnd(needs: HeldNeeds, { letter, isOwn, ...from }: Talk): Promise<Buffer> {
  if (!letter || letter.recipient === undefined) return writeAnswer(spoken(refuse('fault')));
  if (letter.isTooMuch) return isOwn ? writeAccept() : writeAnswer(spoken(refuse('busy')));
  const { sender, recipient, header, body, bytes, began } = letter;
  const held: Held = {
    id: newId(),
    arrival: { ...from, sender, recipient, bytes, via: 'postfix' },
    raw: Buffer.concat([...header, Buffer.from('\r\n'), ...body]),
    began,
  };
  if (isOwn) {
    await within(answerMs, readOwnReport(needs, held)).catch((error: unknown) => {
      needs.log.error({ err: error, message: held.id }, 'a report of the mail server could not be read');
    });
    return writeAccept();
  }
  const decided = await within(answerMs, decideHeld(needs, held));
  if ('refusal' in decided) return writeAnswer(spoken(decided.refusal));
  return Buffer.concat([...changes(decided.change), writeAccept()]);
}

function changes({ above, without, sender }: Change): Buffer[] {
  return [
    ...(sender === undefined ? [] : [writeSender(sender)]),
    // From the last on: what goes must not change the number of what is still to go.
    ...without.toReversed().map(({ name, which }) => writeNoField(name, which)),
    ...above.toReversed().map(writeFieldAbove),
  ];
}

const spoken = ({ code, enhanced, text }: Refusal): string => `${code} ${enhanced} ${text}`;
