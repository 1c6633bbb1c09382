import * as nodeCrypto from 'node:crypto';
import { randomBytes } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { createHerd } from '#kit/limits/herd.ts';
import { constantTimeEqual } from './ids.ts';

/** More people are signing in than the machine can hash for; the caller says "try again in a moment". */
export class HashingBusy extends Error {
  override name = 'HashingBusy';
  /** Seconds after which trying again makes sense; not the same for everyone who is told at once. */
  readonly retryAfter: number;

  constructor(message: string, retryAfter = 3) {
    super(message);
    this.retryAfter = retryAfter;
  }
}

/** The stored text is no argon2 hash, or asks for more work than this house does for anyone. */
export class UnusableHash extends Error {
  override name = 'UnusableHash';
}

export interface Argon2Cost {
  memoryKiB: number;
  passes: number;
  lanes: number;
}

export interface HasherOptions extends Partial<Argon2Cost> {
  /** How many hashes run at once; default: the number of cores. Memory in use is `memoryKiB × concurrency`. */
  concurrency?: number;
  /** How many callers may wait for their turn before HashingBusy; default 64 a core. */
  queue?: number;
  /** Who would wait longer than this many milliseconds for a turn gets HashingBusy at once; default 2,500. */
  patienceMs?: number;
  /** 'node' uses node:crypto's argon2 even where the native package loads; hashes are interchangeable. */
  engine?: 'native' | 'node';
}

export interface Hasher {
  /** argon2id (RFC 9106) of the password's UTF-8 bytes as they are, in PHC string form. */
  hash(password: string | Buffer): Promise<string>;
  /** Whether the password belongs to this argon2 hash. Throws UnusableHash, HashingBusy. */
  verify(phc: string, password: string | Buffer): Promise<boolean>;
  /** True when the hash is not argon2id or weaker than today's settings. */
  needsRehash(phc: string): boolean;
  /** Spends exactly what verifying a password spends, for people who do not exist (AU-07). */
  burn(): Promise<void>;
  /** Throws HashingBusy where whoever came now would get it, so that nothing else is done for them in vain. */
  refuseWhenFull(): void;
  /** Argon2 computations since start, and callers waiting now. */
  stats(): { hashes: number; waiting: number };
}

interface ParsedHash extends Argon2Cost {
  algorithm: 'argon2id' | 'argon2i' | 'argon2d';
  version: number;
  salt: Buffer;
  digest: Buffer;
}

interface Engine {
  hash(password: string | Buffer, cost: Argon2Cost): Promise<string>;
  verify(phc: string, password: string | Buffer): Promise<boolean>;
}

const digestBytes = 32;
const most: Argon2Cost = { memoryKiB: 256 * 1024, passes: 16, lanes: 16 };
const shape =
  /^\$(argon2id|argon2i|argon2d)\$(?:v=(\d{1,3})\$)?m=(\d{1,10}),t=(\d{1,10}),p=(\d{1,3})\$([A-Za-z0-9+/]{11,128})\$([A-Za-z0-9+/]{16,128})$/;

/** Takes an argon2 PHC string apart. Throws UnusableHash for another form or a cost above 256 MiB, 16 passes, 16 lanes. */
export function parseArgon2(phc: string): ParsedHash {
  const match = phc.length <= 400 ? shape.exec(phc) : null;
  if (!match) throw new UnusableHash('The stored password hash is not an argon2 hash.');
  const [, algorithm, version, memory, passes, lanes, salt, digest] = match;
  const parsed: ParsedHash = {
    algorithm: algorithm as ParsedHash['algorithm'],
    version: Number(version ?? 16),
    memoryKiB: Number(memory),
    passes: Number(passes),
    lanes: Number(lanes),
    salt: Buffer.from(salt!, 'base64'),
    digest: Buffer.from(digest!, 'base64'),
  };
  const costs = [parsed.memoryKiB, parsed.passes, parsed.lanes];
  const limits = [most.memoryKiB, most.passes, most.lanes];
  if (costs.some((cost, index) => cost < 1 || cost > limits[index]!)) {
    throw new UnusableHash('The stored password hash asks for more work than is allowed.');
  }
  return parsed;
}

function formatPhc(cost: Argon2Cost, salt: Buffer, digest: Buffer): string {
  const text = (bytes: Buffer) => bytes.toString('base64').replace(/=+$/, '');
  return `$argon2id$v=19$m=${cost.memoryKiB},t=${cost.passes},p=${cost.lanes}$${text(salt)}$${text(digest)}`;
}

function nodeDigest(
  password: string | Buffer,
  hash: Omit<ParsedHash, 'digest' | 'version'>,
  length: number,
): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const parameters = {
    message: password,
    nonce: hash.salt,
    parallelism: hash.lanes,
    tagLength: length,
    memory: hash.memoryKiB,
    passes: hash.passes,
  };
  nodeCrypto.argon2(hash.algorithm, parameters, (error, digest) => (error ? reject(error) : resolve(digest)));
  return promise;
}

const nodeEngine: Engine = {
  async hash(password, cost) {
    const salt = randomBytes(16);
    return formatPhc(
      cost,
      salt,
      await nodeDigest(password, { algorithm: 'argon2id', salt, ...cost }, digestBytes),
    );
  },
  async verify(phc, password) {
    const parsed = parseArgon2(phc);
    if (parsed.version !== 19) throw new UnusableHash('This version of argon2 cannot be checked here.');
    return constantTimeEqual(await nodeDigest(password, parsed, parsed.digest.length), parsed.digest);
  },
};

async function loadEngine(wanted: 'native' | 'node'): Promise<Engine> {
  if (wanted === 'node') return nodeEngine;
  try {
    const native = await import('@node-rs/argon2');
    return {
      hash: (password, cost) =>
        native.hash(password, {
          memoryCost: cost.memoryKiB,
          timeCost: cost.passes,
          parallelism: cost.lanes,
          outputLen: digestBytes,
        }),
      verify: (phc, password) => native.verify(phc, password),
    };
  } catch {
    // No prebuilt binary for this machine: node's own is slower by half but makes the same hashes.
    return nodeEngine;
  }
}

/** So many for each place may wait, however slow the work: a few at once are no crowd. */
const alwaysWait = 8;

/**
 * Lets `width` pieces of work run at once and `depth` wait in order of arrival; the rest is refused. So is who would
 * wait longer than `patienceMs`, going by how long the work took lately: on a slow or busy machine fewer may wait.
 */
export function createGate(width: number, depth: number, patienceMs = Number.POSITIVE_INFINITY) {
  const waiting: (() => void)[] = [];
  const herd = createHerd();
  let free = width;
  let usualMs = 0;
  const refuseWhenFull = () => {
    if (free > 0 || waiting.length < Math.min(depth, alwaysWait * width)) return;
    const waitMs = ((waiting.length + 1) * usualMs) / width;
    if (waiting.length < depth && waitMs <= patienceMs) return;
    throw new HashingBusy('Too many people are signing in at this moment.', herd.turnAway());
  };
  return {
    get waiting() {
      return waiting.length;
    },
    refuseWhenFull,
    async run<T>(work: () => Promise<T>): Promise<T> {
      refuseWhenFull();
      if (free > 0) free -= 1;
      else await new Promise<void>((resolve) => waiting.push(resolve));
      const began = performance.now();
      try {
        return await work();
      } finally {
        usualMs += (performance.now() - began - usualMs) * (usualMs === 0 ? 1 : 0.1);
        herd.served();
        const next = waiting.shift();
        if (next) next();
        else free += 1;
      }
    },
  };
}

/** Password hashing for the whole process, behind one gate as wide as the machine has cores. Defaults: OWASP's 19 MiB, 2 passes. */
export function createHasher(options: HasherOptions = {}): Hasher {
  const cost: Argon2Cost = {
    memoryKiB: options.memoryKiB ?? 19456,
    passes: options.passes ?? 2,
    lanes: options.lanes ?? 1,
  };
  const concurrency = options.concurrency ?? availableParallelism();
  const gate = createGate(concurrency, options.queue ?? concurrency * 64, options.patienceMs ?? 2500);
  const engine = loadEngine(options.engine ?? 'native');
  const nobody = formatPhc(cost, randomBytes(16), randomBytes(digestBytes));
  let hashes = 0;

  const counted = <T>(work: (engine: Engine) => Promise<T>) =>
    gate.run(async () => {
      hashes += 1;
      return work(await engine);
    });

  return {
    hash: (password) => counted((ready) => ready.hash(password, cost)),
    async verify(phc, password) {
      parseArgon2(phc);
      return counted((ready) => ready.verify(phc, password));
    },
    async burn() {
      await counted((ready) => ready.verify(nobody, 'nobody has this password'));
    },
    refuseWhenFull: gate.refuseWhenFull,
    needsRehash(phc) {
      if (!shape.test(phc)) return true;
      const parsed = parseArgon2(phc);
      return (
        parsed.algorithm !== 'argon2id' ||
        parsed.version !== 19 ||
        parsed.memoryKiB < cost.memoryKiB ||
        parsed.passes < cost.passes ||
        parsed.lanes !== cost.lanes ||
        parsed.digest.length < digestBytes
      );
    },
    stats: () => ({ hashes, waiting: gate.waiting }),
  };
}
