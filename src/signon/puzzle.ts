/**
 * The puzzle of sign-up: a proof of work in the form ALTCHA gives it (PBKDF2, challenge format 2), so that making
 * accounts by the thousand costs, and nobody is asked to click on pictures or told on to anyone. We sign it, it belongs
 * to one browser for an hour, and it makes one account: `usePuzzle` is called in the transaction that makes it.
 */
import { randomInt } from 'node:crypto';
import { type Challenge, createChallenge, type Solution, verifySolution } from 'altcha-lib';
import { deriveKey } from 'altcha-lib/algorithms/pbkdf2';
import { z } from 'zod';
import type { Secrets } from '#kit/crypto/secrets.ts';

/** Iterations of one derivation; fixed, so that `work` alone says how much a puzzle takes. */
const iterations = 2000;
const lifetimeMs = 3600_000;
/** Our own are a third of this. */
const longest = 4000;

export interface PuzzleNeeds {
  secrets: Secrets;
  /** The most derivations a puzzle takes; half as many at least. */
  signUpWork: number;
}

/** A puzzle that was solved, for `usePuzzle`. */
export interface SolvedPuzzle {
  id: Buffer;
  expiresAt: Date;
}

/** A new puzzle for this browser. Making one costs a single derivation. */
export async function makePuzzle(
  needs: PuzzleNeeds,
  here: { browser: string; now: Date },
): Promise<Challenge> {
  const [signature, key] = keysOf(needs.secrets)[0]!;
  return createChallenge({
    algorithm: 'PBKDF2/SHA-256',
    cost: iterations,
    counter: randomInt(Math.ceil(needs.signUpWork / 2), needs.signUpWork + 1),
    deriveKey,
    hmacSignatureSecret: signature,
    hmacKeySignatureSecret: key,
    // Beside the library's own `expiresAt`, which knows only the machine's clock.
    data: { browser: browserMark(needs.secrets, here.browser)[0]!, until: here.now.getTime() + lifetimeMs },
  });
}

const solved = z.strictObject({
  challenge: z.strictObject({
    parameters: z.strictObject({
      algorithm: z.literal('PBKDF2/SHA-256'),
      cost: z.literal(iterations),
      data: z.strictObject({ browser: z.string(), until: z.number() }),
      keyLength: z.number(),
      keyPrefix: z.string(),
      keySignature: z.string(),
      nonce: z.string().regex(/^[0-9a-f]{32}$/),
      salt: z.string(),
    }),
    signature: z.string(),
  }),
  solution: z.object({ counter: z.number(), derivedKey: z.string() }),
});

/** Reads what a form brought: a puzzle of ours, of this browser, solved in time. Whether it was used is asked later. */
export async function readPuzzle(
  { secrets }: Pick<PuzzleNeeds, 'secrets'>,
  here: { browser: string; now: Date },
  text: string,
): Promise<SolvedPuzzle | 'wrong' | 'over'> {
  const given = parse(text);
  if (!given) return 'wrong';
  const { challenge, solution } = given;
  const { browser, until } = challenge.parameters.data;
  let verified = false;
  // A puzzle given out before the master key changed still counts.
  for (const [hmacSignatureSecret, hmacKeySignatureSecret] of keysOf(secrets)) {
    const input = { challenge: challenge as Challenge, solution: solution as Solution, deriveKey };
    verified ||= (await verifySolution({ ...input, hmacSignatureSecret, hmacKeySignatureSecret })).verified;
  }
  if (!verified || !browserMark(secrets, here.browser).includes(browser)) return 'wrong';
  if (until <= here.now.getTime()) return 'over';
  return { id: Buffer.from(challenge.parameters.nonce, 'hex'), expiresAt: new Date(until) };
}

function parse(text: string): z.infer<typeof solved> | undefined {
  if (text.length > longest) return undefined;
  try {
    return solved.safeParse(JSON.parse(Buffer.from(text, 'base64').toString())).data;
  } catch {
    return undefined;
  }
}

/** Signs the puzzle, and the key that solves it; under every master key there is, the current one first. */
function keysOf(secrets: Secrets): [string, string][] {
  const keys = secrets.macs('sign-up puzzle', 'key').map((key) => key.toString('hex'));
  return secrets
    .macs('sign-up puzzle', 'challenge')
    .map((signature, index) => [signature.toString('hex'), keys[index]!]);
}

function browserMark(secrets: Secrets, browser: string): string[] {
  return secrets
    .macs('sign-up puzzle', 'browser', browser)
    .map((mark) => mark.toString('base64url').slice(0, 22));
}
