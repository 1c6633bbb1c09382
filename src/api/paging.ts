/** Pages of a list: a limit, and a cursor that only we can make, so that it is never input to anything. */
import { z } from 'zod';
import { Problem } from '#core/problem.ts';
import type { Secrets } from '#kit/crypto/secrets.ts';

const macBytes = 16;

export const pageQuery = {
  limit: z.coerce.number().int().min(1).max(200).default(50).describe('How many at most.'),
  cursor: z.string().max(2000).optional().describe('`next` of the page before.'),
};

/** The shape of a page in answers. */
export function pageOf<Item extends z.ZodType>(item: Item) {
  return z.object({
    items: z.array(item),
    next: z.string().optional().describe('Cursor of the page after this one; missing on the last.'),
  });
}

export interface Cursors {
  /** The value a cursor stands for. Refuses those that were made for another list, or not by us. */
  read(list: string, cursor: string | undefined): string | undefined;
  /** Makes a page of what was read with `limit + 1`. */
  page<Item>(
    list: string,
    found: readonly Item[],
    limit: number,
    place: (last: Item) => string,
  ): { items: Item[]; next?: string };
}

export function createCursors(secrets: Secrets): Cursors {
  const macOf = (list: string, place: string) => secrets.mac('api cursor', list, place).subarray(0, macBytes);
  return {
    read(list, cursor) {
      if (cursor === undefined) return undefined;
      const bytes = Buffer.from(cursor, 'base64url');
      const place = bytes.subarray(macBytes).toString();
      const mac = bytes.subarray(0, macBytes);
      const ours = secrets.macs('api cursor', list, place).map((one) => one.subarray(0, macBytes));
      if (!ours.some((one) => one.equals(mac)))
        throw new Problem('input-malformed', { fields: { cursor: 'input-malformed' } });
      return place;
    },
    page(list, found, limit, place) {
      const items = found.slice(0, limit);
      const last = items.at(-1);
      if (found.length <= limit || last === undefined) return { items };
      const at = place(last);
      return { items, next: Buffer.concat([macOf(list, at), Buffer.from(at)]).toString('base64url') };
    },
  };
}
