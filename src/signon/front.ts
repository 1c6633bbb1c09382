/**
 * What a front (a protocol others speak to us) is to the house. Each front's own front page makes one of these;
 * `main.ts` passes the list to sign-out, to the front-door links and to the server.
 */

import type { Application } from '#core/applications/applications.ts';
import type { LogReader } from '#core/events/reader.ts';
import type { Person } from '#core/people/people.ts';
import type { Session } from '#core/sessions/sessions.ts';
import type { Tx } from '#kit/db/tx.ts';
import type { App } from '#kit/http/server.ts';

/** How signing out went at one app: told and confirmed, told without an answer yet, or out of our reach. */
export interface SignOutOutcome {
  application: string;
  state: 'ended' | 'asked' | 'unreachable';
  /** For a person: why it cannot be ended from here, or the address that ends it. */
  note?: string;
  url?: string;
}

/** Sign-outs that only the person's own browser can carry to apps, one after the other (SAML Single Logout). */
export interface SignOutChain {
  /** Core session that ended a moment ago, in which `endSession` said what would be asked. */
  session: string;
  /** Browser that signed out; nobody else's browser goes on with the chain. */
  browser: string;
  /** Path on our own origin the front brings the browser back to when nobody is left to ask, or time is up. */
  returnTo: string;
}

export interface Front {
  name: string;
  register(app: App): void | Promise<void>;
  /** Readers of the log this front needs (back-channel logout is one). */
  readers?: LogReader[];
  /** Where a front-door link sends someone who is signed in here; undefined = this front cannot launch the app. */
  launch?(application: Application, person: Person): Promise<URL | undefined>;
  /** Called in the transaction that ends a session: what this front can say about each app that took part. */
  endSession?(tx: Tx, session: Session): Promise<SignOutOutcome[]>;
  /**
   * Called in the same transaction, after every front's `endSession`: where to send the browser so that apps can be
   * asked through it; undefined = there is no such app. The address is a page of our own origin. However the asking
   * goes, the browser ends at `returnTo`; what came of it is then in `signOutOutcomes`.
   */
  continueSignOut?(tx: Tx, chain: SignOutChain): Promise<URL | undefined>;
  /** How it went at each app of a session that ended, as far as it is known now: answers may come late. */
  signOutOutcomes?(tx: Tx, session: string): Promise<SignOutOutcome[]>;
  /** Seals everything this front keeps under the current master key; returns how much changed. */
  rewrap?(): Promise<number>;
  /** Background work with a life (workers, timers); stopped on drain. `settle` resolves when nothing is left to do. */
  start?(): Promise<{ stop(): Promise<void>; settle?(): Promise<void> }>;
}
