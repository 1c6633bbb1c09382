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
  /** How often it was told. */
  attempts?: number;
  /** When it was confirmed or given up. */
  at?: Date;
  /** For a person, from the front: why it cannot be ended from here, or the address that ends it. */
  note?: string;
  url?: string;
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
  /** Whether this front opens the app for people who come by a front-door link. */
  launches?(application: Application): boolean;
  /** Lands someone whom the gate lets in (`admit` was asked) in the app. */
  launch?(application: Application, person: Person, here: Launching): Promise<LaunchAnswer>;
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
