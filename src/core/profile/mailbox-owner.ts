/** Who stands behind alias mailboxes, for whoever passes mail on. */
import type { PersonState } from '#core/people/people.ts';
import type { Tx } from '#kit/db/tx.ts';
import { mailboxOwnerRows } from './store.ts';

export interface MailboxOwner {
  person: string;
  state: PersonState;
  locale?: string;
  /** Main address, confirmed: where they read mail. */
  address?: string;
}

/** Whose these mailboxes are, in any case, by what was asked; none where it is nobody's. The same work for whatever is asked. */
export async function mailboxOwners(
  tx: Tx,
  mailboxes: readonly string[],
): Promise<Map<string, MailboxOwner>> {
  const rows = await mailboxOwnerRows(tx, [...new Set(mailboxes.map((one) => one.toLowerCase()))]);
  const found = new Map<string, MailboxOwner>();
  for (const mailbox of mailboxes) {
    const row = rows.get(mailbox.toLowerCase());
    if (row)
      found.set(mailbox, { ...row, locale: row.locale ?? undefined, address: row.address ?? undefined });
  }
  return found;
}
