/**
 * The command line: one file a command. Owns no table; commands change the house through the core with the cause
 * `admin`, the actor being this machine's console. They use the running house's database, or start and stop their own.
 * Refuses in a sentence on standard error: status 1 when something was refused, 2 when it was typed wrongly. What a
 * command is asked for, and only that, goes to standard output.
 */
import { randomUUID } from 'node:crypto';
import type { Readable, Writable } from 'node:stream';
import type { Command } from 'commander';
import type { Clock } from '#kit/clock/clock.ts';
import type { Hasher } from '#kit/crypto/passwords.ts';
import type { Secrets } from '#kit/crypto/secrets.ts';
import type { Database } from '#kit/db/database.ts';
import type { TxContext } from '#kit/db/tx.ts';
import type { Log } from '#kit/log/log.ts';
import type { Net } from '#kit/net/net.ts';
import type { Connector } from '#provisioning/connector.ts';

/** What commands work with once the database and the keys are open. */
export interface CommandHouse {
  database: Database;
  secrets: Secrets;
  hasher: Hasher;
  clock: Clock;
  log: Log;
  net: Net;
  connectors: ReadonlyMap<string, Connector>;
}

/** The settings commands look at. */
export interface CommandSettings {
  readonly data: string;
  readonly publicUrl: string;
  readonly issuer: string;
  readonly databaseUrl?: { reveal(): string };
  readonly masterKey?: { reveal(): string };
  readonly masterKeyFile: string;
  readonly previousMasterKeyFiles: readonly string[];
  /** Domain of our own mail; default the host of the public address. */
  readonly mailDomain?: string;
  /** What a Postfix in place of our relay is told of it. */
  readonly smtpName?: string;
  readonly smtpBackendHost?: string;
  readonly socketmapPort?: number;
  readonly policyPort?: number;
  readonly milterPort?: number;
  readonly smtpUrl?: { reveal(): string };
  readonly mailUrl?: { reveal(): string };
  readonly mailFrom?: string;
  readonly dnsServers?: readonly string[];
  readonly smtpTlsCert?: string;
  readonly smtpTlsKey?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
}

/** Where a command line comes from and where its answer goes: a terminal, a pipe, or a test. */
export interface CommandIo {
  env: Readonly<Record<string, string | undefined>>;
  input: Readable & { isTTY?: boolean };
  output: Writable & { isTTY?: boolean };
  errors: Writable & { isTTY?: boolean };
}

/** What every command is handed. */
export interface Toolbox {
  settings(): CommandSettings;
  /** Opens the house, works, and closes it again whatever happens. */
  withHouse<T>(work: (house: CommandHouse, settings: CommandSettings) => Promise<T>): Promise<T>;
  /** A line of what was asked for. */
  print(text: string): void;
  /** A line for the person at the terminal. */
  note(text: string): void;
  io: CommandIo;
  log: Log;
  clock: Clock;
}

/** Adds one command (and those below it) to the program. */
export type AddCommand = (program: Command, tools: Toolbox) => void;

/** What was typed cannot be meant; the message says what could be. */
export class UsageError extends Error {
  override name = 'UsageError';
}

/** Something cannot be done; the message is all a person needs. */
export class CommandRefused extends Error {
  override name = 'CommandRefused';
}

/** Asks for --yes: last, once everything that was named is known to be there. */
export function requireYes(yes: boolean | undefined, why: string): void {
  if (!yes) throw new UsageError(why);
}

/** Who a command is in the log. */
export function commandContext(): TxContext {
  return { actor: { kind: 'system', name: 'command line' }, cause: 'admin', requestId: randomUUID() };
}
