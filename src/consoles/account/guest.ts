/** Every account page begins here: someone signed in, or the way to sign in and back. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { type Application, findApplication, listApplications } from '#core/applications/applications.ts';
import { groupKey, groupsOf } from '#core/groups/groups.ts';
import { Problem } from '#core/problem.ts';
import { mayEnter } from '#core/profile/profile.ts';
import type { Tx } from '#kit/db/tx.ts';
import { pathBack, sealSignOn } from '#signon/dispatch.ts';
import type { SignedOn } from '#signon/gate.ts';
import { type PageNeeds, type Visit, visit } from '#signon/visit.ts';
import { words } from './words.ts';

export interface Home extends Visit {
  signedOn: SignedOn;
  tell: ReturnType<typeof words>;
}

/** As many apps as a menu can hold; the page of apps has them all. */
const menuSize = 12;

/**
 * The visit of someone signed in. Others are sent to sign in (and the reply is already on its way: undefined), where
 * they read which app they are on the way to.
 */
export async function home(
  needs: PageNeeds,
  request: FastifyRequest,
  reply: FastifyReply,
  wayTo?: string,
): Promise<Home | undefined> {
  const here = await visit(needs, request);
  if (here.signedOn) return atHome(needs, here, here.signedOn);
  if (request.method !== 'GET') throw new Problem('session-ended');
  const application =
    wayTo && (await needs.database.read(here.context, (tx) => findApplication(tx, wayTo)))?.id;
  const url = sealSignOn(needs.secrets, here, {
    front: 'account',
    returnTo: pathBack(request.url),
    ...(application && { application }),
  });
  reply.redirect(url, 303);
  return undefined;
}

/** The same visit with the words and the menu of the account pages. */
export async function atHome(needs: PageNeeds, here: Visit, signedOn: SignedOn): Promise<Home> {
  const apps = await needs.database.read(here.context, (tx) => menuOf(tx, signedOn.person.id));
  return { ...here, signedOn, apps, tell: words(here.locale) };
}

/** The apps this person may enter and has an address for. */
async function menuOf(tx: Tx, person: string): Promise<{ title: string; url: string }[]> {
  const [all, groups] = await Promise.all([listApplications(tx), groupsOf(tx, [person])]);
  const keys = (groups.get(person) ?? []).map(({ name }) => groupKey(name));
  return all
    .filter((one) => one.settings.enabled && hasWayIn(one) && mayEnter(one, keys))
    .slice(0, menuSize)
    .map((one) => ({ title: one.settings.title, url: `/go/${one.id}` }));
}

/** As `launches` of the fronts says it, from the settings alone. */
function hasWayIn({ settings }: Application): boolean {
  const { url, oidc, saml } = settings;
  return url !== undefined || oidc?.initiateLoginUri !== undefined || saml?.idpInitiated.allowed === true;
}
