/**
 * Whether an answer tells that somebody has an account (AU-07): names that are known against names that are not, at
 * the doors that must not tell them apart. Signing in is measured without the floor that holds refusals back, so that
 * what is seen is the work itself; recovery writes more for someone who is here, which a short floor must hide.
 */
import { randomInt } from 'node:crypto';
import { Client } from 'undici';
import { stringify } from 'yaml';
import { startHouse } from './house.ts';
import { type Bench, type Measured, median, rounded } from './measure.ts';

const unlikely = 0.01;
const widestGap = 0.05;

interface Sample {
  ms: number;
  /** Status and text of the answer without what differs between any two. */
  answer: string;
}

interface Door {
  path: string;
  samples: number;
  floorMs: number;
  fields(name: string): Record<string, string>;
}

const doors: Record<string, Door> = {
  'sign-in': {
    path: '/sign-in',
    samples: 200,
    floorMs: 0,
    fields: (username) => ({ username, password: 'surely not the password' }),
  },
  recovery: { path: '/recover', samples: 100, floorMs: 60, fields: (username) => ({ username }) },
};

async function run(): Promise<Measured> {
  const figures: Measured['figures'] = {};
  let goalMet = true;
  for (const [title, door] of Object.entries(doors)) {
    const { known, unknown, answers } = await measureDoor(door);
    // Of pairs, so that a slow moment of the machine falls on both.
    const gap = median(known.map((ms, at) => ms - unknown[at]!)) / median(unknown);
    const p = rankTest(known, unknown);
    figures[`${title}: median of a known name, ms`] = rounded(median(known), 1);
    figures[`${title}: median gap to an unknown one`] = `${rounded(gap * 100, 1)} %`;
    figures[`${title}: rank test, p`] = rounded(p, 3);
    figures[`${title}: different answers`] = answers;
    goalMet &&= p > unlikely && Math.abs(gap) < widestGap && answers === 1;
  }
  return { figures, goalMet };
}

async function measureDoor(door: Door): Promise<{ known: number[]; unknown: number[]; answers: number }> {
  const house = await startHouse({ GATEHOUSE_SIGN_IN_FLOOR_MS: String(door.floorMs) });
  try {
    const people = Array.from({ length: door.samples }, (_, at) => declare(nameOf('k', at)));
    await house.apply(stringify({ people }));
    const { known, unknown } = await sampleDoor(house.origin, door);
    const answers = new Set([...known, ...unknown].map(({ answer }) => answer)).size;
    return { known: known.map(({ ms }) => ms), unknown: unknown.map(({ ms }) => ms), answers };
  } finally {
    await house.stop();
  }
}

/** Known and unknown names look alike and have one length. */
function nameOf(kind: 'k' | 'u', at: number): string {
  return `${kind}person${String(at).padStart(3, '0')}`;
}

function declare(username: string) {
  return {
    username,
    password: `a password of ${username}`,
    names: { givenName: 'Given', familyName: 'Family' },
    addresses: [`${username}@example.org`],
  };
}

/** Pairs of a known and an unknown name, who is first decided by chance. */
async function sampleDoor(origin: string, door: Door): Promise<{ known: Sample[]; unknown: Sample[] }> {
  const client = new Client(origin);
  const page = await client.request({ method: 'GET', path: door.path });
  const token = /name="form_token" value="([^"]+)"/.exec(await page.body.text())?.[1] ?? '';
  const cookie = [page.headers['set-cookie'] ?? []].flat().map((one) => one.split(';')[0]!)[0]!;
  let address = 0;
  const ask = async (name: string): Promise<Sample> => {
    address += 1;
    const began = performance.now();
    const { statusCode, body } = await client.request({
      method: 'POST',
      path: door.path,
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        'x-forwarded-for': `10.1.${address >> 8}.${address & 255}`,
        origin,
        cookie,
      },
      body: new URLSearchParams({ form_token: token, ...door.fields(name) }).toString(),
    });
    const text = await body.text();
    const ms = performance.now() - began;
    const same = text.replaceAll(name, 'NAME').replace(/nonce="[^"]+"/g, '');
    return { ms, answer: `${statusCode} ${same}` };
  };
  const known: Sample[] = [];
  const unknown: Sample[] = [];
  // Nobody's answer is measured until the code is warm; these names are nobody's.
  for (let at = 0; at < 60; at += 1) await ask(nameOf('u', 900 - at));
  for (let at = 0; at < door.samples; at += 1) {
    const turns: [Sample[], string][] = [
      [known, nameOf('k', at)],
      [unknown, nameOf('u', at)],
    ];
    if (randomInt(2) === 1) turns.reverse();
    for (const [kept, name] of turns) kept.push(await ask(name));
  }
  await client.close();
  return { known, unknown };
}

/** Mann-Whitney: the chance that two samples of one kind would differ in rank as much as these, both sides. */
function rankTest(one: readonly number[], other: readonly number[]): number {
  let wins = 0;
  for (const a of one) for (const b of other) wins += a > b ? 1 : a === b ? 0.5 : 0;
  const pairs = one.length * other.length;
  const spread = Math.sqrt((pairs * (one.length + other.length + 1)) / 12);
  return 2 * normalTail(Math.abs(wins - pairs / 2) / spread);
}

/** Chance of a standard normal value above z (Abramowitz and Stegun 26.2.17, good to seven digits). */
function normalTail(z: number): number {
  const t = 1 / (1 + 0.2316419 * z);
  const terms = [0.31938153, -0.356563782, 1.781477937, -1.821255978, 1.330274429];
  const sum = terms.reduce((total, term, power) => total + term * t ** (power + 1), 0);
  return (Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI)) * sum;
}

export const bench: Bench = {
  name: 'timing',
  text: 'Known against unknown names at the doors that must not tell them apart (AU-07), in pairs, one after the other',
  goal: `rank test p > ${unlikely}, median gap below ${widestGap * 100} %, one answer`,
  run,
};
