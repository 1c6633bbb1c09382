/** What a person reads about the accounts they have at apps that keep their own: ready, on its way, or being looked at. */
import type { Tx } from '#kit/db/tx.ts';
import { type Html, html } from '#kit/page/html.ts';
import { lines, section, time } from '#kit/page/parts.ts';
import { accountsOf } from '#provisioning/provisioning.ts';
import { words } from './accounts-there.words.ts';
import type { Home } from './guest.ts';

export interface MyAccount {
  title: string;
  state: 'ready' | 'off' | 'waiting' | 'asked' | 'stuck';
  /** When it was last looked at or changed. */
  since: Date;
  /** The address it stands on there. */
  address?: string;
}

/** The accounts this person has or is about to have, by title of the app. */
export async function myAccounts(
  tx: Tx,
  person: string,
  titles: ReadonlyMap<string, string>,
): Promise<MyAccount[]> {
  const found = (await accountsOf(tx, person)).flatMap(({ application, link, plain }): MyAccount[] => {
    const title = titles.get(application);
    if (title === undefined || !plain || plain.state === 'none') return [];
    if (plain.state !== 'there') return [{ title, state: plain.state, since: plain.since }];
    if (!link?.remoteId) return [];
    const { email } = link.remote ?? {};
    return [
      {
        title,
        state: link.remoteActive === false ? 'off' : 'ready',
        since: link.equalAt ?? link.settledAt ?? plain.since,
        ...(typeof email === 'string' && { address: email }),
      },
    ];
  });
  return found.sort((one, other) => one.title.localeCompare(other.title));
}

/** The part of the account page about them; nothing where there are none. */
export function accountsSection(here: Home, accounts: readonly MyAccount[]): Html | undefined {
  if (accounts.length === 0) return undefined;
  const tell = words(here.locale);
  const items = accounts.map(({ title: app, state, since, address }) => {
    if (state === 'off') return { what: tell('off', { app }) };
    if (state === 'waiting') return { what: tell('waiting', { app }), more: tell('waitingMore') };
    if (state === 'asked')
      return { what: tell('asked', { app }), more: tell('askedMore', { community: here.community.name }) };
    if (state === 'stuck')
      return { what: tell('stuck', { app }), more: tell('stuckMore', { community: here.community.name }) };
    const on = address && tell.html('readyOn', { address: html`<strong dir="auto">${address}</strong>` });
    const when = time({ at: since, now: here.now, locale: here.locale });
    return { what: tell('ready', { app }), more: html`${on}${tell.html('readyMore', { when })}` };
  });
  return section({
    title: tell('title'),
    id: 'accounts-section',
    body: lines({ items, label: tell('title') }),
  });
}
