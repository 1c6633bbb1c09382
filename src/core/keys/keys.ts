/**
 * The life of a key of the house, whatever it signs: next → active → retiring → gone. It is published before it signs and
 * stays so after, and one lock for all nodes lets each step be taken once.
 *
 * Owns no table: each kind of key is kept by those who use it, and they say when a step is due. Records key.created,
 * key.activated, key.retired, key.withdrawn. Refuses nothing.
 */
import { record } from '#core/events/events.ts';
import type { Tx } from '#kit/db/tx.ts';

export type KeyState = 'next' | 'active' | 'retiring' | 'gone';

export interface Key {
  kid: string;
  alg: string;
  state: KeyState;
  createdAt: Date;
  activeAt: Date | null;
  retiringAt: Date | null;
}

/** Where one kind of key is kept. */
export interface Keeping<Kept extends Key> {
  /** Everyone who changes keys does so one after the other, on all nodes. */
  lockKeys(tx: Tx): Promise<void>;
  /** Those that are not gone, oldest first. */
  listKeys(tx: Tx): Promise<Kept[]>;
  /** A key that is gone keeps its row as a record, without its private part. */
  moveKey(tx: Tx, kid: string, state: Exclude<KeyState, 'next'>): Promise<void>;
  /** Says to all nodes that the keys are others now. */
  announceKeys(tx: Tx): Promise<void>;
}

/** Makes a key and keeps it in this state; returns its kid. */
export type MakeKey = (state: 'next' | 'active') => Promise<string>;

/**
 * Takes every step that is due: `advance` those of its own line or lines, and keys that retired long enough ago go.
 * Returns the kids that moved (none = nothing was due).
 */
export async function rotate<Kept extends Key>(
  tx: Tx,
  keeping: Keeping<Kept>,
  work: { advance(keys: readonly Kept[]): Promise<string[]>; isOver(retiredAt: Date): boolean },
): Promise<string[]> {
  await keeping.lockKeys(tx);
  const keys = await keeping.listKeys(tx);
  const moved = await work.advance(keys);
  for (const { kid, state, retiringAt } of keys) {
    if (state !== 'retiring' || !retiringAt || !work.isOver(retiringAt)) continue;
    await takeAway(tx, keeping, kid);
    moved.push(kid);
  }
  if (moved.length > 0) await keeping.announceKeys(tx);
  return moved;
}

/** The step that is due in one line of keys, which follow one another: the first, the next, or the change to it. */
export async function advance<Kept extends Key>(
  tx: Tx,
  keeping: Keeping<Kept>,
  line: readonly Kept[],
  due: { isNextDue(active: Kept): boolean; isChangeDue(active: Kept, next: Kept): boolean; make: MakeKey },
): Promise<string[]> {
  const active = line.find((key) => key.state === 'active');
  const next = line.find((key) => key.state === 'next');
  if (!active) return [next ? await activate(tx, keeping, next) : await due.make('active')];
  if (!next) return due.isNextDue(active) ? [await due.make('next')] : [];
  if (!due.isChangeDue(active, next)) return [];
  await keeping.moveKey(tx, active.kid, 'retiring');
  await record(tx, 'key.retired', { data: { kid: active.kid } });
  return [active.kid, await activate(tx, keeping, next)];
}

/** Records that a key was made, in the state it begins in. */
export async function noteMade(
  tx: Tx,
  { kid, alg, state }: Pick<Key, 'kid' | 'alg'> & { state: 'next' | 'active' },
): Promise<void> {
  await record(tx, 'key.created', { data: { kid, alg } });
  if (state === 'active') await record(tx, 'key.activated', { data: { kid, alg } });
}

async function activate<Kept extends Key>(
  tx: Tx,
  keeping: Keeping<Kept>,
  { kid, alg }: Kept,
): Promise<string> {
  await keeping.moveKey(tx, kid, 'active');
  await record(tx, 'key.activated', { data: { kid, alg } });
  return kid;
}

async function takeAway<Kept extends Key>(tx: Tx, keeping: Keeping<Kept>, kid: string): Promise<void> {
  await keeping.moveKey(tx, kid, 'gone');
  await record(tx, 'key.withdrawn', { data: { kid } });
}

/**
 * The emergency: this key is no longer published, signs nothing and proves nothing, from this commit on. A key that was
 * signing is followed by the next one of its algorithm at once, or by one that `make` makes. Returns false for a kid that
 * is not in use.
 */
export async function withdraw<Kept extends Key>(
  tx: Tx,
  keeping: Keeping<Kept>,
  kid: string,
  make: (lost: Kept) => Promise<string>,
): Promise<boolean> {
  await keeping.lockKeys(tx);
  const keys = await keeping.listKeys(tx);
  const key = keys.find((one) => one.kid === kid);
  if (!key) return false;
  await takeAway(tx, keeping, kid);
  if (key.state === 'active') {
    const next = keys.find((one) => one.alg === key.alg && one.state === 'next');
    if (next) await activate(tx, keeping, next);
    else await make(key);
  }
  await keeping.announceKeys(tx);
  return true;
}

/** One published key as operators see it; what it signs with stays sealed. */
export interface PublishedKey<Alg extends string = string> {
  kid: string;
  alg: Alg;
  state: 'next' | 'active' | 'retiring';
  createdAt: Date;
  activeAt?: Date;
  retiringAt?: Date;
}

/** One of those that are not gone, as operators see it. */
export function published<Alg extends string>(key: Key & { alg: Alg }): PublishedKey<Alg> {
  const { kid, alg, state, createdAt, activeAt, retiringAt } = key;
  return {
    kid,
    alg,
    state: state as PublishedKey['state'],
    createdAt,
    activeAt: activeAt ?? undefined,
    retiringAt: retiringAt ?? undefined,
  };
}
