/** Signing in with a password, whole, against what the password hash alone allows on this machine. */
import { stringify } from 'yaml';
import { startHouse } from './house.ts';
import { type LoadResult, startLoad } from './load.ts';
import { alternate, type Bench, type Measured, median, rounded } from './measure.ts';
import { startProgram } from './program.ts';

const callers = 16;
const peopleEach = 4;
const rounds = 10;
const seconds = 1.2;
const warmUpSeconds = 12;
const goal = 0.85;

async function run(): Promise<Measured> {
  const house = await startHouse();
  const load = await startLoad();
  const ceiling = await startProgram('argon2');
  const least = await startProgram('bare-sign-in');
  try {
    const people = makePeople(callers * peopleEach);
    await house.apply(stringify({ people: people.map(declare) }));
    const facts = Array.from({ length: callers }, (_, at) =>
      people.slice(at * peopleEach, (at + 1) * peopleEach),
    );
    const bareOrigin = await least.ask<string>('start', people);
    // Servers that have been up for a while: their code is compiled, their statements are prepared.
    await load.prepare({ scenario: 'sign-in', origin: bareOrigin, callers, facts });
    await load.run(warmUpSeconds / 3);
    const bareRates: number[] = [];
    for (let round = 0; round < 3; round += 1) bareRates.push((await load.run(seconds)).perSecond);
    await load.prepare({ scenario: 'sign-in', origin: house.origin, callers, facts });
    await load.run(warmUpSeconds);
    const bare = (atOnce: number) => ceiling.ask<number>('run', { seconds, atOnce });
    await bare(callers);
    const results: LoadResult[] = [];
    const { one, other, ratio, ratios } = await alternate(
      rounds,
      async () => {
        const result = await load.run(seconds);
        results.push(result);
        return result.perSecond;
      },
      () => bare(callers),
    );
    const middle = results.sort((a, b) => a.medianMs - b.medianMs)[results.length >> 1]!;
    return {
      figures: {
        'sign-ins a second': rounded(one, 1),
        'argon2id alone, a second': rounded(other, 1),
        'one lookup, the hash and one durable commit, a second': rounded(median(bareRates), 1),
        'time of one sign-in among sixteen, median ms': rounded(middle.medianMs, 0),
        'time of one sign-in among sixteen, p99 ms': rounded(middle.p99Ms, 0),
        'ratios of the rounds': ratios.map((value) => value.toFixed(2)).join(' '),
      },
      ratio: rounded(ratio),
      goalMet: ratio >= goal,
    };
  } finally {
    await Promise.all([load.stop(), ceiling.stop(), least.stop()]);
    await house.stop();
  }
}

function makePeople(count: number): { username: string; password: string }[] {
  return Array.from({ length: count }, (_, at) => ({
    username: `person${at}`,
    password: `a password of person ${at}`,
  }));
}

function declare({ username, password }: { username: string; password: string }) {
  return {
    username,
    password,
    names: { givenName: 'Given', familyName: username },
    addresses: [`${username}@example.org`],
  };
}

export const bench: Bench = {
  name: 'sign-in',
  text: 'POST /sign-in by 16 callers in another process, against argon2id (19 MiB, 2 passes) with nothing around it',
  goal: `ratio of at least ${goal}`,
  run,
};
