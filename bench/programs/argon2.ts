/** Bench program: argon2id verification and nothing else, as many at once as there are callers. */
import { hash, verify } from '@node-rs/argon2';
import { warmUpMs } from '../measure.ts';
import { answerParent } from '../program.ts';

const cost = { memoryCost: 19_456, timeCost: 2, parallelism: 1, outputLen: 32 };
const password = 'a password of middling length';
const stored = await hash(password, cost);

/** Verifications a second. */
async function run({ seconds, atOnce }: { seconds: number; atOnce: number }): Promise<number> {
  const began = performance.now() + warmUpMs;
  const end = began + seconds * 1000;
  let count = 0;
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      while (performance.now() < end) {
        if (!(await verify(stored, password))) throw new Error('the right password was wrong');
        const now = performance.now();
        if (now > began && now <= end) count += 1;
      }
    }),
  );
  return count / seconds;
}

answerParent({ run });
