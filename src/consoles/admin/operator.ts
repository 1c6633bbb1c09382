/** Every page of operators begins here: someone signed in whose roles allow what the page shows. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { rolesOf } from '#core/operators/operators.ts';
import { type Grant, may, type Permission } from '#core/operators/permissions.ts';
import { Problem } from '#core/problem.ts';
import { pathBack, sealSignOn } from '#signon/dispatch.ts';
import type { SignedOn } from '#signon/gate.ts';
import { type PageNeeds, type Visit, visit } from '#signon/visit.ts';
import { words } from './words.ts';

export interface Desk extends Visit {
  signedOn: SignedOn;
  grants: Grant[];
  tell: ReturnType<typeof words>;
}

/** Which right each section of the console needs, in the order of its navigation. */
export const sections = [
  { id: 'overview', url: '/admin', right: 'people.read' },
  { id: 'people', url: '/admin/people', right: 'people.read' },
  { id: 'groups', url: '/admin/groups', right: 'groups.read' },
  { id: 'applications', url: '/admin/apps', right: 'applications.read' },
  { id: 'targets', url: '/admin/targets', right: 'targets.read' },
  { id: 'upstreams', url: '/admin/upstreams', right: 'community.read' },
  { id: 'refusals', url: '/admin/refusals', right: 'people.read' },
  { id: 'factor-resets', url: '/admin/factor-resets', right: 'people.read' },
  { id: 'recovery-links', url: '/admin/recovery-links', right: 'people.read' },
  { id: 'mail', url: '/admin/mail', right: 'notices.read' },
  { id: 'relay', url: '/admin/relay', right: 'relay.read' },
  { id: 'events', url: '/admin/events', right: 'events.read' },
  { id: 'operators', url: '/admin/operators', right: 'operators.read' },
  { id: 'tokens', url: '/admin/tokens', right: 'tokens.read' },
] as const satisfies readonly { id: string; url: string; right: Permission }[];

/** A page opens to whoever may see all of it, and to owners of single apps where it can be cut down to theirs. */
function mayOpen(grants: readonly Grant[], right: Permission): boolean {
  if (may(grants, right)) return true;
  return (
    (right === 'applications.read' || right === 'targets.read' || right === 'relay.read') &&
    grants.some((one) => one.application && may(grants, right, one.application))
  );
}

/**
 * The operator at the desk. Whoever is not signed in is sent to sign in (undefined: the reply is on its way); whoever
 * lacks the right is refused, also for pages they could guess.
 */
export async function desk(
  needs: PageNeeds,
  request: FastifyRequest,
  reply: FastifyReply,
  right: Permission,
): Promise<Desk | undefined> {
  const here = await visit(needs, request);
  if (!here.signedOn) {
    if (request.method !== 'GET') throw new Problem('session-ended');
    const url = sealSignOn(needs.secrets, here, { front: 'admin', returnTo: pathBack(request.url) });
    reply.redirect(url, 303);
    return undefined;
  }
  const { person } = here.signedOn;
  const grants = await needs.database.read(here.context, (tx) => rolesOf(tx, person.id));
  if (!mayOpen(grants, right)) {
    const first = sections.find((one) => mayOpen(grants, one.right));
    if (!first || request.url !== '/admin') throw new Problem('operator-forbidden');
    reply.redirect(first.url, 303);
    return undefined;
  }
  const context = {
    ...here.context,
    actor: { ...here.context.actor, kind: 'operator' as const },
    cause: 'admin' as const,
  };
  return { ...here, context, signedOn: here.signedOn, grants, tell: words(here.locale) };
}
