/**
 * The servers that take what leaves, in the order of their being named: a message goes to the first that takes it, over
 * connections that are kept. No byte of a message is changed but dots at the start of lines, and none is sent twice
 * where it may have been taken.
 */
import type { Log } from '#kit/log/log.ts';
import { MailFailed } from './failed.ts';
import { createLine, type Line, type Outgoing, type SmartHost } from './line.ts';
import { faultText, type MailTrouble, troubleOf, troubleText } from './trouble.ts';

export interface SmartHosts {
  /**
   * Answers when a smart host has taken the message. Throws MailFailed: `after-data` where it may have been taken.
   * @param mail.from bare address; '' is the null sender
   * @param mail.raw the whole message, lines ending in CRLF
   * @param mail.deadline milliseconds since 1970 by the machine's clock; nothing is waited for beyond it
   */
  forward(mail: {
    from: string;
    to: string;
    raw: Buffer;
    deadline?: number;
  }): Promise<{ host: string; response: string }>;
  /**
   * Whether none of them can be reached, as far as is known: for whoever has not sent a message yet that could only wait.
   * What was found is held for true for a moment; after that they are connected to again before this answers.
   */
  areAway(): Promise<boolean>;
  /** Connects to each anew and says what came of it, for operators. No message is sent. */
  probe(): Promise<SmartHostHealth[]>;
  /** `host:port` of each, in order. */
  readonly names: readonly string[];
  close(): Promise<void>;
}

export interface SmartHostHealth {
  host: string;
  ok: boolean;
  /** Version of TLS, such as TLSv1.3; missing where nothing is encrypted. */
  tls?: string;
  problem?: string;
  /** What somebody can mend, where that is known. */
  trouble?: MailTrouble;
  /** What is wrong, as a sentence, where more is known than what the server said. */
  why?: string;
}

export interface SmartHostTimeouts {
  /** Connecting, greeting and TLS, each; milliseconds. */
  connect: number;
  /** Until sender and recipient are answered. */
  envelope: number;
  /** From the first byte of the message to its answer. */
  data: number;
}

export interface SmartHostOptions {
  /** `smtp://user:password@host:port` or `smtps://…`. */
  urls: readonly string[];
  log: Log;
  /** What we call ourselves (EHLO). */
  name?: string;
  timeouts?: Partial<SmartHostTimeouts>;
  /** Messages on their way at once; four times as many wait. Default 20. */
  atOnce?: number;
}

const usualTimeouts: SmartHostTimeouts = { connect: 10_000, envelope: 30_000, data: 240_000 };
/** A host that could not be reached is asked last for a while. */
const restMs = 15_000;
/** So long one that could not be reached is known to be away; whoever asks then has it tried again. */
const knownAwayMs = 2_000;
const waitingForEach = 4;

interface Place {
  host: SmartHost;
  line: Line;
  restsUntil: number;
  /** When it last took a message. */
  tookAt: number;
  /** When it could not be reached; undefined once it was. */
  awayAt?: number;
  /** It refused our user or password; true for as long as it rests. */
  refusal?: MailFailed;
  /** A look whether it can be reached again. Never rejects. */
  looking?: Promise<void>;
}

/** Connects at the first message. Throws RangeError when a url cannot be used. */
export function createSmartHosts(options: SmartHostOptions): SmartHosts {
  if (options.urls.length === 0) throw new RangeError('At least one mail server must be named.');
  if (options.name !== undefined && !/^[\w.:[\]-]{1,255}$/.test(options.name))
    throw new RangeError('The name for EHLO must be a host name.');
  const timeouts = { ...usualTimeouts, ...options.timeouts };
  const places = options.urls.map((url): Place => {
    const host = readSmartHost(url);
    return { host, line: createLine({ host, name: options.name, timeouts }), restsUntil: 0, tookAt: 0 };
  });
  const queue = createQueue(options.atOnce ?? 20);

  const through = async (mail: Outgoing): Promise<{ host: string; response: string }> => {
    const now = Date.now();
    const awake = places.filter((place) => place.restsUntil <= now);
    const order = [...awake, ...places.filter((place) => !awake.includes(place))];
    for (const [at, place] of order.entries()) {
      const isLast = at === order.length - 1;
      // Servers shut out whoever comes again and again with a wrong password.
      if (place.refusal && place.restsUntil > now) {
        if (isLast) throw place.refusal;
        continue;
      }
      try {
        const response = await place.line.send(mail);
        isThere(place);
        place.tookAt = Date.now();
        return { host: place.host.label, response };
      } catch (error) {
        if (!(error instanceof MailFailed)) throw error;
        const { stage, code, permanent } = error;
        const trouble = tell(options.log, place.host, error);
        place.refusal = trouble === 'sign-in' && stage === 'connect' ? error : undefined;
        const isLate = (mail.deadline ?? Infinity) <= Date.now();
        if (stage === 'connect') place.restsUntil = Date.now() + restMs;
        if (stage !== 'connect') place.awayAt = undefined;
        else if (!isLate && !isBusy(place, code)) place.awayAt = Date.now();
        const isOver = permanent || stage === 'after-data' || isLast;
        if (isOver || isLate) throw error;
      }
    }
    throw new MailFailed(false, 'no mail server', undefined, 'connect');
  };

  return {
    names: places.map((place) => place.host.label),
    async forward(mail) {
      await queue.enter(mail.deadline);
      try {
        return await through(mail);
      } finally {
        queue.leave();
      }
    },
    areAway: () =>
      Promise.any(places.map((place) => reach(place, options.log))).then(
        () => false,
        () => true,
      ),
    probe: () => Promise.all(places.map(({ host, line }) => look(host, line))),
    async close() {
      await Promise.all(places.map((place) => place.line.close()));
    },
  };
}

/** It answers, only not this one: of many connections at once it may take some. */
function isBusy({ tookAt }: Place, code: number | undefined): boolean {
  return code !== undefined && Date.now() - tookAt < knownAwayMs;
}

function isThere(place: Place): void {
  place.restsUntil = 0;
  place.awayAt = undefined;
  place.refusal = undefined;
}

/** Rejects when it is away. However many ask, one connection at a time is tried. */
async function reach(place: Place, log: Log): Promise<void> {
  if (place.awayAt === undefined) return;
  if (Date.now() - place.awayAt >= (place.refusal ? restMs : knownAwayMs)) {
    place.looking ??= lookAgain(place, log).finally(() => {
      place.looking = undefined;
    });
    await place.looking;
  }
  if (place.awayAt !== undefined) throw new MailFailed(false, 'it is away', undefined, 'connect');
}

async function lookAgain(place: Place, log: Log): Promise<void> {
  const { host, line } = place;
  try {
    await line.probe();
    isThere(place);
    log.info({ host: host.label }, 'the mail server can be reached again');
  } catch (error) {
    place.awayAt = Date.now();
    const reason = error instanceof MailFailed ? reasonOf(error) : undefined;
    log.warn({ host: host.label, stage: 'connect', reason }, 'the mail server still cannot be reached');
  }
}

async function look(host: SmartHost, line: Line): Promise<SmartHostHealth> {
  try {
    const tls = await line.probe();
    return { host: host.label, ok: true, ...(tls === undefined ? {} : { tls }) };
  } catch (error) {
    if (!(error instanceof MailFailed))
      return { host: host.label, ok: false, problem: 'it could not be asked' };
    const trouble = troubleOf(error);
    const why = faultText(error);
    return {
      ...{ host: host.label, ok: false, problem: error.response },
      ...(trouble && { trouble }),
      ...(why !== undefined && { why }),
    };
  }
}

/** A line for operators; what can be mended has a code and a sentence of its own. */
function tell(log: Log, host: SmartHost, error: MailFailed): MailTrouble | undefined {
  const { stage, code: reply } = error;
  const seen = { host: host.label, stage, reply, reason: reasonOf(error) };
  const trouble = troubleOf(error);
  if (trouble) log.warn({ ...seen, code: `smart-host-${trouble}` }, troubleText(trouble));
  else log.warn(seen, 'the mail server did not take a message');
  return trouble;
}

/** What stopped it, in a code of ours or the system's: the server's own words may name people. */
function reasonOf(error: MailFailed): string | undefined {
  const cause = error.cause as { code?: string; originalCode?: string } | undefined;
  return cause?.originalCode ?? cause?.code;
}

/** So many at once, so many waiting; whoever comes then is told to come later. */
function createQueue(atOnce: number) {
  const waiting: (() => void)[] = [];
  let under = 0;
  return {
    async enter(deadline: number | undefined): Promise<void> {
      if (under < atOnce) {
        under += 1;
        return;
      }
      if (waiting.length >= atOnce * waitingForEach)
        throw new MailFailed(false, 'too much mail is waiting', undefined, 'connect');
      await new Promise<void>((resolve, reject) => {
        const ms = Math.min((deadline ?? Infinity) - Date.now(), 2 ** 31 - 1);
        const timer = setTimeout(() => {
          waiting.splice(waiting.indexOf(turn), 1);
          reject(new MailFailed(false, 'too much mail was waiting', undefined, 'connect'));
        }, ms);
        const turn = () => {
          clearTimeout(timer);
          resolve();
        };
        waiting.push(turn);
      });
    },
    leave(): void {
      const next = waiting.shift();
      if (next) next();
      else under -= 1;
    },
  };
}

/** The smart hosts of a setting: one, or several with commas between. */
export function listOfUrls(text: string): string[] {
  return text.split(',').map((one) => one.trim());
}

/**
 * Reads `smtp://user:password@host:port`. Off this machine nothing travels in the clear: a server without STARTTLS, or
 * with a certificate that does not hold, has to wait. On this machine `?requireTLS=true` asks for the same. Throws
 * RangeError, never with what it was given.
 */
export function readSmartHost(text: string): SmartHost {
  const url = URL.parse(text);
  if (!url || !/^smtps?:$/.test(url.protocol) || url.hostname === '')
    throw new RangeError('The mail server must be written as smtp://host:port or smtps://host:port.');
  // A password with / ? or # in it would be cut there, and what stands before taken for the host.
  const strange = [...url.searchParams.keys()].some((name) => name !== 'requireTLS');
  if (!/^\/?$/.test(url.pathname) || url.hash !== '' || strange)
    throw new RangeError(
      'Behind host and port of the mail server nothing stands but ?requireTLS=true; @ : / ? # % and commas in user and password are percent-encoded.',
    );
  const secure = url.protocol === 'smtps:';
  const host = decoded(url.hostname).replace(/^\[|\]$/g, '');
  const near = /^(localhost|127(\.\d+){3}|::1)$/.test(host) && url.searchParams.get('requireTLS') !== 'true';
  const port = Number(url.port || (secure ? 465 : 25));
  return {
    host,
    port,
    label: host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`,
    tls: secure ? 'from the start' : near ? 'none' : 'starttls',
    ...(url.username === '' ? {} : { auth: { user: decoded(url.username), pass: decoded(url.password) } }),
  };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new RangeError('A % in user or password of the mail server is written as %25.');
  }
}
