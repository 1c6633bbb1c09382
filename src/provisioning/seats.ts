/**
 * Seats in groups: where a record is made anew because it lost its account, the new one takes the seats of the old one.
 * A person said yes to them before, so nobody is asked again.
 */
import { type GroupStep, Stop } from './connector.ts';
import * as store from './groups.store.ts';
import { contextOf, fenced, type Work } from './push.ts';
import { note } from './timeline.ts';

/**
 * Seats the accounts for which a seat was kept in this group there, as far as they should still be in.
 * Returns the accounts that are in now; a target may not show them at once.
 */
export async function takeSeats(
  work: Work,
  situation: { group: string; link?: store.GroupLink; members: readonly string[] },
): Promise<string[]> {
  const { target, connection, subject, push, needs } = work;
  const { group, link, members } = situation;
  if (link?.remoteId === undefined || target.mode === 'off' || target.mode === 'observe') return [];
  const at = { application: target.application, group, remoteGroup: link.remoteId };
  const kept = await needs.database.look(contextOf(push), (tx) => store.keptSeats(tx, at));
  if (kept.length === 0) return [];
  const wanted = new Set(members);
  const back = kept.filter((one) => wanted.has(one));
  const step: GroupStep = { do: 'add-members', id: link.remoteId, members: back };
  if (back.length > 0 && !(await seat(() => connection.applyGroup(step)))) return [];
  await fenced(work, async (tx) => {
    await store.addPutMembers(tx, at, back);
    await store.dropSeats(tx, at);
    if (back.length === 0) return;
    const { cause, actor } = push;
    const text = `${back.length} of its members had their record there made anew and are in it again.`;
    await note(tx, { application: target.application, subject, kind: 'settled', text, cause, actor });
  });
  return back;
}

/** False where the group is not there any more: then there are no seats in it, and planning finds out the rest. */
async function seat(send: () => Promise<unknown>): Promise<boolean> {
  try {
    await send();
    return true;
  } catch (error) {
    if (error instanceof Stop && error.code === 'gone') return false;
    throw error;
  }
}
