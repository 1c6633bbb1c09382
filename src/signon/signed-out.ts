/**
 * `/signed-out/<token>`: the honest map after signing out. What is ended, what was asked and has not answered, what
 * cannot be ended from here, why, and where it can. Known by its unguessable address alone, for ten minutes, and with no
 * name on it: on a shared computer the next person may look at it.
 */
import type { FastifyReply } from 'fastify';
import { type Application, listApplications } from '#core/applications/applications.ts';
import { Problem } from '#core/problem.ts';
import { hashToken } from '#kit/crypto/ids.ts';
import type { Tx } from '#kit/db/tx.ts';
import type { App } from '#kit/http/server.ts';
import { refreshScript } from '#kit/page/assets.ts';
import { type Html, html } from '#kit/page/html.ts';
import { lines, linkButton, time } from '#kit/page/parts.ts';
import type { Front, SignOutOutcome } from './front.ts';
import { signOutWords } from './sign-out.words.ts';
import * as store from './store.ts';
import { type PageNeeds, show, type Visit, visit } from './visit.ts';

type Say = ReturnType<typeof signOutWords>;

/** One app on the map. */
interface Stop extends SignOutOutcome {
  title: string;
  application: string;
  settings?: Application['settings'];
}

/** GET /signed-out, /signed-out/:token and /signed-out/:token/back. */
export function signedOutRoutes(app: App, needs: PageNeeds, fronts: readonly Front[]): void {
  app.get('/signed-out', { config: { door: 'page' } }, async (request, reply) => {
    const here = await visit(needs, request);
    if (here.signedOn) return reply.redirect('/sign-out', 303);
    return outPage(here, reply, {});
  });

  app.get('/signed-out/:token', { config: { door: 'page' } }, async (request, reply) => {
    const here = await visit(needs, request);
    const found = await needs.database.read(here.context, async (tx) => {
      const row = await rowOf(tx, request.params);
      return row && { row, stops: await stopsOf(tx, fronts, row) };
    });
    return found ? outPage(here, reply, found) : overPage(here, reply);
  });

  app.get('/signed-out/:token/back', { config: { door: 'page' } }, async (request, reply) => {
    const here = await visit(needs, request);
    const row = await needs.database.read(here.context, (tx) => rowOf(tx, request.params));
    if (!row?.returnTo) throw new Problem('request-expired');
    return reply.redirect(row.returnTo, 303);
  });
}

function rowOf(tx: Tx, params: unknown): Promise<store.SignOutRow | undefined> {
  const token = String((params as Record<string, unknown>).token ?? '').slice(0, 200);
  return store.signOutOf(tx, hashToken(token));
}

const weight = { ended: 0, asked: 1, unreachable: 2 } as const;

/** How it stands now: one line an app, and of several sessions the one that is least ended. */
async function stopsOf(tx: Tx, fronts: readonly Front[], row: store.SignOutRow): Promise<Stop[]> {
  const known = new Map<string, SignOutOutcome>();
  for (const session of row.sessions)
    for (const front of fronts)
      for (const outcome of (await front.signOutOutcomes?.(tx, session)) ?? []) put(known, outcome);
  const stops = new Map<string, SignOutOutcome>();
  for (const outcome of row.outcomes) {
    // What is out of reach at this very moment stays so; what was asked is as the front says by now.
    put(stops, outcome.state === 'unreachable' ? outcome : (known.get(outcome.application) ?? outcome));
  }
  const applications = new Map((await listApplications(tx)).map((one) => [one.id, one.settings]));
  return [...stops.values()]
    .map((stop) => {
      const settings = applications.get(stop.application);
      return { ...stop, settings, title: settings?.title ?? stop.application };
    })
    .sort((one, other) => one.title.localeCompare(other.title));
}

function put(into: Map<string, SignOutOutcome>, outcome: SignOutOutcome): void {
  const there = into.get(outcome.application);
  if (!there || weight[outcome.state] > weight[there.state]) into.set(outcome.application, outcome);
}

function outPage(
  here: Visit,
  reply: FastifyReply,
  found: { row?: store.SignOutRow; stops?: Stop[] },
): FastifyReply {
  const say = signOutWords(here.locale);
  const { community, now, locale } = here;
  const { row, stops = [] } = found;
  const past = here.signedOn && row;
  const waiting = stops.some(({ state }) => state === 'asked');
  // Without a script the page is loaded again by hand.
  const again = html`<noscript>${linkButton({ label: say('lookAgain'), url: '', style: 'quiet', full: true })}</noscript>`;
  const ways = here.signedOn
    ? ''
    : linkButton({ label: say('signInAgain'), url: '/sign-in', style: 'quiet', full: true });
  return show(here, reply, {
    title: past ? say('pastTitle') : say('outTitle'),
    lede: past
      ? say.html('pastLede', {
          community: community.name,
          when: time({ at: row.createdAt, now, locale }),
        })
      : say('outLede', { community: community.name }),
    scripts: waiting ? [refreshScript.url] : undefined,
    body: html`${stops.length > 0 ? map(here, say, stops) : ''}${waiting ? again : ''}${ways}`,
  });
}

/** The three kinds, each only where there is one. While something is open, `refresh.js` looks again by itself. */
function map(here: Visit, say: Say, stops: readonly Stop[]): Html {
  const of = (state: Stop['state']) => stops.filter((one) => one.state === state);
  const own = { what: here.community.name, more: say('endedHere') };
  const ended = [own, ...of('ended').map((one) => ({ what: one.title, more: say('endedThere') }))];
  const asked = of('asked');
  const open = of('unreachable');
  const parts = html`${group(say('ended'), 'ended', lines({ items: ended, label: say('ended') }))}
    ${asked.length > 0 ? group(say('asked'), 'asked', askedPart(say, asked)) : ''}
    ${open.length > 0 ? group(say('open'), 'open', openPart(say, open)) : ''}`;
  const looking = asked.length > 0 ? html` data-refresh="sign-out-map"` : '';
  return html`<div class="stack" id="sign-out-map" aria-live="polite"${looking}>${parts}</div>`;
}

function group(title: string, id: string, body: Html): Html {
  return html`<div class="stack-s" id="map-${id}"><h2>${title}</h2>${body}</div>`;
}

function askedPart(say: Say, asked: readonly Stop[]): Html {
  const items = asked.map((one) => ({
    what: one.title,
    more: one.attempts ? say('askedAgain', { count: one.attempts }) : say('askedOnce'),
  }));
  return lines({ items, label: say('asked') });
}

function openPart(say: Say, open: readonly Stop[]): Html {
  const because = { 'no-way': 'noWay', 'no-answer': 'noAnswer', refused: 'refused' } as const;
  const items = open.map((one) => ({
    what: one.title,
    more: html`${one.settings?.signOut?.note ?? one.note ?? say(because[one.because ?? 'no-way'])}${wayOut(say, one)}`,
  }));
  const nowhere = open.some((one) => !addressOf(one));
  return html`${lines({ items, label: say('open') })}${nowhere ? html`<p class="muted small">${say('closeBrowser')}</p>` : ''}`;
}

function addressOf({ settings, url }: Stop): string | undefined {
  return settings?.signOut?.url ?? url ?? settings?.url;
}

function wayOut(say: Say, stop: Stop): Html | undefined {
  const address = addressOf(stop);
  if (!address) return undefined;
  const ends = stop.settings?.signOut?.url ?? stop.url;
  const label = say(ends ? 'endThere' : 'openThere', { application: stop.title });
  return html`<br><a href="${address}" rel="noreferrer">${label}</a>`;
}

function overPage(here: Visit, reply: FastifyReply): FastifyReply {
  const say = signOutWords(here.locale);
  return show(here, reply, {
    title: say('overTitle'),
    lede: say('overLede'),
    status: 410,
    body: linkButton({
      label: here.signedOn ? say('stay') : say('signInAgain'),
      url: here.signedOn ? '/account' : '/sign-in',
      style: 'quiet',
      full: true,
    }),
  });
}
