/**
 * The account console: who I am, my attributes, my addresses, my sessions, my apps, my password, my latest sign-ins.
 * Owns no table; every change goes through the core. Refuses whoever is not signed in, and anything about others:
 * the person is always the one of the session, never a parameter. Also `/apps` and `/go/<app>`.
 */
import type { App } from '#kit/http/server.ts';
import type { Front } from '#signon/front.ts';
import type { UpstreamNeeds } from '#signon/upstream/upstream.ts';
import { addressForRoutes } from './address-for.ts';
import { addressRoutes } from './addresses.ts';
import { appRoutes } from './apps.ts';
import { factorRoutes } from './factors.ts';
import { goRoutes } from './go.ts';
import { linkRoutes } from './links.ts';
import { mailRoutes } from './mail.ts';
import { overviewRoutes } from './overview.ts';
import { profileRoutes } from './profile.ts';
import { securityRoutes } from './security.ts';

/** Registers every account page. */
export function registerAccount(app: App, needs: UpstreamNeeds, fronts: readonly Front[]): void {
  overviewRoutes(app, needs);
  profileRoutes(app, needs);
  addressRoutes(app, needs);
  addressForRoutes(app, needs);
  mailRoutes(app, needs);
  securityRoutes(app, needs, fronts);
  factorRoutes(app, needs);
  linkRoutes(app, needs);
  appRoutes(app, needs, fronts);
  goRoutes(app, needs, fronts);
}
