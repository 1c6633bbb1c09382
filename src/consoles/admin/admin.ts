/**
 * The operators' console: the set-up page for the first owner, and the frame of the browser app in `web/`, which shows
 * and changes everything over /api/v1. Owns no table. Refuses whoever lacks the right, section by section; what a
 * section may show is the API's to decide.
 */
import type { App } from '#kit/http/server.ts';
import type { PageNeeds } from '#signon/visit.ts';
import { consoleRoutes } from './console.ts';
import { setupRoutes } from './setup.ts';

/** Registers everything below /admin. */
export function registerAdmin(app: App, needs: PageNeeds): void {
  setupRoutes(app, needs);
  consoleRoutes(app, needs);
}
