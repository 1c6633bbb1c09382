/**
 * What the listener's library leaves to us, on each connection: commands end in CRLF and nothing else, nothing is sent
 * ahead of our yes to DATA, addresses are read as they were written, every line and every message has its time, and
 * there is an end to trying.
 */
import type { Socket } from 'node:net';

type Next = (error?: Error) => void;

/** The parser of a connection: lines in one mode, the text of a message in the other. */
interface Parser {
  _write(chunk: Buffer, encoding: string, next: Next): void;
  _dataMode: boolean;
  _remainder: string;
  isClosed: boolean;
}

interface ParsedPath {
  address: string;
  args: Record<string, string | true> | false;
}

/** The part of a connection of smtp-server 3.21 that is taken hold of here. */
export interface Connection {
  readonly id: string;
  readonly remoteAddress: string;
  readonly _handlerPending: boolean;
  readonly _dataStream: unknown;
  _socket: Socket;
  send(code: number, text: string | string[], context?: unknown): void;
  close(): void;
  init(): void;
  connectionReady(): void;
  _setListeners(ready: () => void): void;
  _createParser(): Parser;
  /** Made with the connection; another one follows STARTTLS. */
  readonly _parser: Parser;
  _onCommand(command: Buffer, next: Next): void;
  _parseAddressCommand(name: string, command: Buffer): ParsedPath | false;
}

export interface GuardOptions {
  /** Whether a client is known, so that it need not be held to see whether it waits for the greeting. */
  isExpected(address: string): boolean;
  /** Milliseconds: for a line, and for a whole message. */
  lineMs: number;
  messageMs: number;
}

const holdMs = 100;
/** Lines between two messages that were taken. */
const mostCommands = 300;
/** One that fits nowhere: nobody has it. */
const nowhere = ' ';
const senderForm = /^[\x21-\x3b\x3d\x3f-\x7e]{1,64}@[a-z0-9.:[\]-]{1,255}$/i;

/**
 * Takes hold of a connection before its first byte.
 * @returns `rest`, which stops waiting for the client until it is spoken to again
 */
export function guard(connection: Connection, options: GuardOptions): { rest(): void } {
  readPathsAsWritten(connection);
  guardLines(connection);
  const rest = limitTime(connection, options);
  connection.init = () =>
    connection._setListeners(() => {
      const wait = options.isExpected(connection.remoteAddress) ? 0 : holdMs;
      setTimeout(() => connection.connectionReady(), wait).unref();
    });
  return { rest };
}

/** A path, and behind it parameters (RFC 5321 section 4.1.2) or nothing. */
const pathLine = /^[^:]*:[ \t]*<([^<>]*)>(?:[ \t]+[a-z0-9][a-z0-9-]*(?:=[\x21-\x7e]*)?)*[ \t]*$/i;

/** The library tidies addresses up; what is decided about is what was written, or nothing. */
function readPathsAsWritten(connection: Connection): void {
  const parse = connection._parseAddressCommand.bind(connection);
  connection._parseAddressCommand = (name, command) => {
    const path = pathLine.exec(command.toString('latin1'))?.[1];
    const parsed = parse(name, command);
    if (/^rcpt/i.test(name)) {
      if (parsed && path) return { ...parsed, address: path };
      return { address: path || nowhere, args: false };
    }
    // Refused with a word of its own: other letters are an extension that is not offered (RFC 6531).
    if (path !== undefined && /[\x80-\xff]/.test(path)) return { address: '', args: { SMTPUTF8: true } };
    if (!parsed || path === undefined) return false;
    return path === '' || senderForm.test(path) ? { ...parsed, address: path } : false;
  };
}

/** Refuses lines that another program would read as several, or as one with the next. */
function guardLines(connection: Connection): void {
  const create = connection._createParser.bind(connection);
  const guarded = (parser: Parser): Parser => {
    const write = parser._write;
    parser._write = (chunk, encoding, next) => {
      const fault =
        parser._dataMode || parser.isClosed
          ? undefined
          : lineFault(parser._remainder + chunk.toString('latin1'));
      if (!fault) return write.call(parser, chunk, encoding, next);
      connection.send(fault.code, fault.text);
      connection.close();
      next();
    };
    return parser;
  };
  guarded(connection._parser);
  connection._createParser = () => guarded(create());
}

function lineFault(text: string): { code: number; text: string } | undefined {
  if (/[^\r]\n|^\n|\r(?!\n|$)/.test(text))
    return { code: 500, text: '5.5.2 A line ends in CRLF. Closing the connection.' };
  // The one command whose answer has to be waited for (RFC 2920).
  if (/(?:^|\n)DATA[ \t]*\r\n[\s\S]/i.test(text))
    return { code: 554, text: '5.5.0 Wait for the answer to DATA. Closing the connection.' };
  return undefined;
}

/** Waiting for a line, and for a message, has an end that no single byte puts off. */
function limitTime(connection: Connection, { lineMs, messageMs }: GuardOptions): () => void {
  let timer: NodeJS.Timeout | undefined;
  let commands = 0;
  const wait = (ms: number) => {
    clearTimeout(timer);
    timer = setTimeout(() => connection.send(421, '4.4.2 Too slow. Closing the connection.'), ms);
    timer.unref();
  };
  const send = connection.send.bind(connection);
  connection.send = (code, text, context) => {
    // Where the text brings its own enhanced code, the library adds none.
    const own = typeof text === 'string' && /^[245]\.\d{1,3}\.\d{1,3} /.test(text);
    send(code, text, own ? false : context);
    if (code === 421) clearTimeout(timer);
    else wait(code === 354 ? messageMs : lineMs);
  };
  const handle = connection._onCommand.bind(connection);
  connection._onCommand = (command, next) => {
    clearTimeout(timer);
    commands = /^mail/i.test(command.toString('latin1', 0, 4)) ? 0 : commands + 1;
    if (commands <= mostCommands) handle(command, next);
    else connection.send(421, '4.7.0 Too many commands. Closing the connection.');
  };
  return () => clearTimeout(timer);
}

/** Finds a bare CR or LF in a message as it comes, piece by piece, and NUL, which some servers drop. */
export function bareLineEnds(): { has(chunk: Buffer): boolean; endsOpen(): boolean } {
  let afterReturn = false;
  return {
    has(chunk) {
      if (chunk.includes(0)) return true;
      for (const byte of lineEndsIn(chunk)) {
        const isReturn = chunk[byte] === 0x0d;
        const before = byte === 0 ? afterReturn : chunk[byte - 1] === 0x0d;
        if (!isReturn && !before) return true;
        if (isReturn && byte + 1 < chunk.length && chunk[byte + 1] !== 0x0a) return true;
      }
      if (afterReturn && chunk.length > 0 && chunk[0] !== 0x0a) return true;
      if (chunk.length > 0) afterReturn = chunk.at(-1) === 0x0d;
      return false;
    },
    endsOpen: () => afterReturn,
  };
}

/** Places of every CR and LF. */
function* lineEndsIn(chunk: Buffer): Generator<number> {
  for (const end of [0x0a, 0x0d])
    for (let at = chunk.indexOf(end); at !== -1; at = chunk.indexOf(end, at + 1)) yield at;
}
