/**
 * The one place where a typed password meets a stored one. Every refusal costs the same number of argon2
 * computations, whoever the account belongs to or does not (AU-07): one for each spelling of what was typed.
 */
import { createGate, type Hasher, HashingBusy } from '#kit/crypto/passwords.ts';
import type { Log } from '#kit/log/log.ts';
import { identifyHash, isWrapped, passwordForms, verifyLegacy, verifyWrapped } from '#wire/hashes/hashes.ts';
import type { StoredPassword } from './credentials.ts';

/**
 * Imported hashes of costly schemes, two at a time: one may take as much memory as an import allows (256 MiB), and
 * they do not pass the gate that `hasher` counts its own memory by.
 */
const costlyLegacy = createGate(2, 64);

const longestPassword = 1024;

/**
 * Whether this is the person's password. A password of ours is compared byte for byte; imported ones also in the
 * composed and decomposed spelling. For legacy hashes the argon2 computations are spent beside the legacy check.
 * Several imported hashes of one person cost one more each once they are wrapped, until the first sign-in.
 * A stored text that cannot be read is never right; `log` hears of it.
 */
export async function verifyPassword(
  hasher: Hasher,
  stored: StoredPassword | undefined,
  password: string,
  log?: Pick<Log, 'error'>,
): Promise<boolean> {
  const usable = password !== '' && password.length <= longestPassword;
  const owed = usable ? passwordForms(password).length : 1;
  if (!stored || !usable) {
    await spend(hasher, owed);
    return false;
  }
  const meter = meterOf(hasher, stored, log);
  const lines = stored.hash.split('\n');
  const ours = lines.some((line) => line.startsWith('$argon2id$') || isWrapped(line));
  // Beside the check rather than after it, so that both together take as long as for nobody.
  const spent = ours ? undefined : spend(hasher, owed);
  const checked = anyLine(lines, (line) => verifyLine(meter, line, password));
  const [right] = await Promise.all([checked, spent]);
  if (!right && ours) await spend(hasher, owed - meter.spent());
  return right;
}

async function anyLine(
  lines: readonly string[],
  check: (line: string) => Promise<boolean>,
): Promise<boolean> {
  for (const line of lines) if (await check(line)) return true;
  return false;
}

function verifyLine(meter: Meter, line: string, password: string): Promise<boolean> {
  if (line.startsWith('$argon2id$')) return meter.verify(line, password);
  if (isWrapped(line)) return verifyWrapped(line, password, meter);
  const { verifiable, fast } = identifyHash(line);
  return verifiable && !fast
    ? costlyLegacy.run(() => verifyLegacy(line, password))
    : verifyLegacy(line, password);
}

async function spend(hasher: Hasher, times: number): Promise<void> {
  for (let left = times; left > 0; left--) await hasher.burn();
}

interface Meter {
  hash: Hasher['hash'];
  verify(phc: string, password: string): Promise<boolean>;
  spent(): number;
}

/** The hasher, counting; a stored text it cannot use is wrong and costs what a usable one does. */
function meterOf(hasher: Hasher, { person, scheme }: StoredPassword, log?: Pick<Log, 'error'>): Meter {
  let spent = 0;
  return {
    hash: hasher.hash,
    async verify(phc, password) {
      spent += 1;
      try {
        return await hasher.verify(phc, password);
      } catch (error) {
        if (error instanceof HashingBusy) throw error;
        log?.error(
          { code: 'password-unreadable', person, scheme, err: error },
          'a stored password cannot be read',
        );
        await hasher.burn();
        return false;
      }
    },
    spent: () => spent,
  };
}
