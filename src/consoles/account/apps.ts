/** `/apps`: the person's apps, each a tile that leads in, and what each knows of them. */

import {
  type Application,
  listApplications,
  listConsents,
  withdrawConsent,
} from '#core/applications/applications.ts';
import type { Person } from '#core/people/people.ts';
import { profilesFor } from '#core/profile/profile.ts';
import { lastSignIns } from '#core/sessions/sessions.ts';
import type { Tx } from '#kit/db/tx.ts';
import type { App } from '#kit/http/server.ts';
import { html } from '#kit/page/html.ts';
import { emptyState, formButton, lines, section, tiles, time } from '#kit/page/parts.ts';
import type { Front } from '#signon/front.ts';
import { type PageNeeds, show } from '#signon/visit.ts';
import { doorWords } from './front-door.words.ts';
import { opens } from './go.ts';
import { type Home, home } from './guest.ts';

interface MyApp {
  application: Application;
  username: string;
  /** Set where it knows the person by their alias mailbox, or would. */
  address?: string;
  lastUsed?: Date;
  shared?: string[];
  /** Whether there is an address that /go can lead to. */
  opens: boolean;
}

/** GET /apps, POST /apps/:id/withdraw. */
export function appRoutes(app: App, needs: PageNeeds, fronts: readonly Front[]): void {
  app.get('/apps', { config: { door: 'page' } }, async (request, reply) => {
    const here = await home(needs, request, reply);
    if (!here) return reply;
    const mine = await needs.database.read(here.context, (tx) =>
      myApps(tx, needs, fronts, here.signedOn.person),
    );
    return show(here, reply, {
      title: here.tell('apps'),
      lede: here.tell('appsLede', { community: here.community.name }),
      width: 'wide',
      body: appsBody(here, mine),
    });
  });

  app.post('/apps/:id/withdraw', { config: { door: 'form' } }, async (request, reply) => {
    const here = await home(needs, request, reply);
    if (!here) return reply;
    const id = String((request.params as Record<string, unknown>).id ?? '');
    await needs.database.transact(here.context, (tx) => withdrawConsent(tx, here.signedOn.person.id, id));
    return reply.redirect('/account?said=consent', 303);
  });
}

/** The apps this person may enter, with what each knows of them. */
async function myApps(tx: Tx, needs: PageNeeds, fronts: readonly Front[], person: Person): Promise<MyApp[]> {
  const used = (await lastSignIns(tx, [person.id])).get(person.id);
  const consents = new Map((await listConsents(tx, person.id)).map((one) => [one.application, one]));
  const mine: MyApp[] = [];
  for (const application of await listApplications(tx)) {
    if (!application.settings.enabled) continue;
    const [profile] = await profilesFor(tx, needs.secrets, application, [person.id]);
    if (!profile?.mayEnter) continue;
    const consent = consents.get(application.id);
    mine.push({
      application,
      username: profile.username,
      ...(application.settings.alias.address === 'mailbox' && { address: profile.accountAddress }),
      lastUsed: used?.get(application.id),
      shared: consent?.scopes,
      opens: opens(application, fronts),
    });
  }
  return mine;
}

/** Scopes as a person would call them; what an app made up itself keeps its own name. */
function inWords({ tell, locale }: Home, scopes: readonly string[]): string {
  const known = {
    openid: 'scopeOpenid',
    profile: 'scopeProfile',
    email: 'scopeEmail',
    groups: 'scopeGroups',
    saml: 'scopeSaml',
    offline_access: 'scopeOffline',
  } as const;
  const named = scopes.map((scope) =>
    Object.hasOwn(known, scope) ? tell(known[scope as keyof typeof known]) : scope,
  );
  return new Intl.ListFormat(locale, { type: 'conjunction' }).format(named);
}

function appsBody(here: Home, mine: readonly MyApp[]) {
  const { tell, locale, now } = here;
  const say = doorWords(locale);
  if (mine.length === 0) return emptyState({ title: tell('noApps'), text: tell('noAppsText') });
  // A tile is a way in; what has no address is in the list below alone.
  const ways = mine.filter((one) => one.opens);
  const grid =
    ways.length > 0 &&
    tiles(
      ways.map(({ application, lastUsed }) => ({
        title: application.settings.title,
        url: `/go/${application.id}`,
        text: application.settings.description,
        note: lastUsed ? say.html('used', { when: time({ at: lastUsed, now, locale }) }) : say('unused'),
      })),
    );
  const items = mine.map((one) => {
    const used = one.lastUsed
      ? tell.html('usedWhen', { when: time({ at: one.lastUsed, now, locale }) })
      : tell('neverUsed');
    const address =
      one.address && html` · <a href="/account/address-for/${one.application.id}">${one.address}</a>`;
    const shared = one.shared && html`<br>${tell('shared', { scopes: inWords(here, one.shared) })}`;
    return {
      what: one.application.settings.title,
      more: html`${tell.html('calledThere', { name: html`<strong>${one.username}</strong>` })}${address} · ${used}${one.opens ? '' : html`<br>${tell('cannotOpen')}`}${shared}`,
      actions:
        one.shared &&
        formButton({
          label: tell('withdraw'),
          url: `/apps/${one.application.id}/withdraw`,
          token: here.formToken,
          compact: true,
          describe: `${tell('withdraw')}: ${one.application.settings.title}`,
        }),
    };
  });
  const known = section({ title: tell('knownThere'), body: lines({ items, label: tell('knownThere') }) });
  return html`<div class="stack">${grid}${known}</div>`;
}
