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
import type { SignedOn } from './gate.ts';
import type { Visit } from './visit.ts';

/** How signing out went at one app: confirmed, told without an answer yet, or out of our reach. */
export interface SignOutOutcome {
  application: string;
  state: 'ended' | 'asked' | 'unreachable';
  /** Why it is out of reach: it cannot be told at all (`no-way`), never answered, or answered that it did not. */
  because?: 'no-way' | 'no-answer' | 'refused';
  /** What came back last, in a few words of the protocol ("HTTP 503"). */
  answer?: string;
  /** When it was confirmed or given up. */
  at?: Date;
  /** It is this person's browser that tells the app (`continueSignOut` leads it there), and it has not been there yet. */
  inBrowser?: boolean;
}

/** A step a browser takes elsewhere: an address it is led to, or a form it posts there. */
export type BrowserStep = { redirect: URL } | { post: { action: string; fields: Record<string, string> } };

/** How a front lands someone in an app; undefined = it does not open this app. */
export type LaunchAnswer = BrowserStep | undefined;

/** Someone who is signed in here and on the way into an app. */
export interface Launching extends Visit {
  signedOn: SignedOn;
  /** Where in the app they want to be: an address of the app's own origin. */
  target?: URL;
}

/** A browser on its way out, whose session has ended already. */
export interface Leaving {
  /** The id of the session that ended. */
  session: string;
  /** Random id of the browser that goes the way. */
  browser: string;
  /** Path on our origin it must come back to after each app, whatever the app answered. */
  returnTo: string;
}

export interface Front {
  name: string;
  register(app: App): void | Promise<void>;
  /** Readers of the log this front needs (back-channel logout is one). */
  readers?: LogReader[];
  /** Whether this front opens the app for people who come by a front-door link. */
  launches?(application: Application): boolean;
  /** Lands someone whom the gate lets in (`admit` was asked) in the app. */
  launch?(application: Application, person: Person, here: Launching): Promise<LaunchAnswer>;
  /** Called in the transaction that ends a session: what this front can say about each app that took part. */
  endSession?(tx: Tx, session: Session): Promise<SignOutOutcome[]>;
  /** How it stands by now at the apps of a session that ended; an app left out stands as `endSession` said. */
  signOutOutcomes?(tx: Tx, session: string): Promise<SignOutOutcome[]>;
  /**
   * The next app this browser must visit to be signed out there; undefined when none is left. Each app is handed out
   * once: whoever comes back without an answer is not sent there again.
   */
  continueSignOut?(tx: Tx, leaving: Leaving): Promise<BrowserStep | undefined>;
  /** Seals everything this front keeps under the current master key; returns how much changed. */
  rewrap?(): Promise<number>;
  /** Background work with a life (workers, timers); stopped on drain. `settle` resolves when nothing is left to do. */
  start?(): Promise<{ stop(): Promise<void>; settle?(): Promise<void> }>;
}
