/**
 * The operators' console: the set-up page for the first owner, API tokens, and read-only lists of people, groups,
 * apps, operators and events. Owns no table. Refuses whoever lacks the right, page by page; a list shows no secret.
 */
import type { App } from '#kit/http/server.ts';
import type { PageNeeds } from '#signon/visit.ts';
import { eventRoutes } from './events.ts';
import { listRoutes } from './lists.ts';
import { peopleRoutes } from './people.ts';
import { setupRoutes } from './setup.ts';
import { tokenRoutes } from './tokens.ts';

/** Registers everything below /admin. */
export function registerAdmin(app: App, needs: PageNeeds): void {
  setupRoutes(app, needs);
  peopleRoutes(app, needs);
  listRoutes(app, needs);
  eventRoutes(app, needs);
  tokenRoutes(app, needs);
}
