import { randomToken } from '#kit/crypto/ids.ts';
import type { LogoutOrder } from './logout-token.ts';

/** One browser signed in to this app. */
export interface AppSession {
  id: string;
  sub: string;
  sid?: string;
  signedInAt: Date;
  idToken: string;
  idTokenClaims: Record<string, unknown>;
  userinfo: Record<string, unknown>;
  accessToken: string;
  accessTokenExpiresAt?: Date;
  refreshToken?: string;
  refreshes: number;
}

/** A sign-in under way: made before the browser leaves, used once when it comes back. */
export interface PendingSignIn {
  browser: string;
  state: string;
  nonce: string;
  codeVerifier: string;
  target: string;
  startedAt: Date;
}

const mostEntries = 1000;
const sessionLife = 8 * 60 * 60 * 1000;
const signInLife = 30 * 60 * 1000;

/** The app's own memory, gone when it stops. */
export function createAppSessions(now: () => Date = () => new Date()) {
  const sessions = new Map<string, AppSession>();
  const pending = new Map<string, PendingSignIn>();

  return {
    begin(browser: string, parts: Omit<PendingSignIn, 'browser' | 'startedAt'>): void {
      pending.set(parts.state, { ...parts, browser, startedAt: now() });
      dropOldest(pending);
    },
    /** The sign-in with this state, when this very browser began it; it cannot be used again. */
    finish(browser: string | undefined, state: string | null): PendingSignIn | undefined {
      const found = state === null ? undefined : pending.get(state);
      if (!found || found.browser !== browser) return undefined;
      pending.delete(found.state);
      return now().getTime() - found.startedAt.getTime() > signInLife ? undefined : found;
    },
    add(parts: Omit<AppSession, 'id' | 'signedInAt' | 'refreshes'>): AppSession {
      const session = { ...parts, id: randomToken(), signedInAt: now(), refreshes: 0 };
      sessions.set(session.id, session);
      dropOldest(sessions);
      return session;
    },
    find(id: string | undefined): AppSession | undefined {
      const session = id === undefined ? undefined : sessions.get(id);
      if (!session || now().getTime() - session.signedInAt.getTime() > sessionLife) return undefined;
      return session;
    },
    end(id: string): void {
      sessions.delete(id);
    },
    /** Ends what a logout token orders; returns how many. */
    endAll(order: LogoutOrder): number {
      const ended = [...sessions.values()].filter(
        ({ sid, sub }) =>
          (order.sid === undefined || order.sid === sid) && (order.sub === undefined || order.sub === sub),
      );
      for (const { id } of ended) sessions.delete(id);
      return ended.length;
    },
    count: () => sessions.size,
  };
}

export type AppSessions = ReturnType<typeof createAppSessions>;

function dropOldest(map: Map<string, unknown>): void {
  const [oldest] = map.keys();
  if (map.size > mostEntries && oldest !== undefined) map.delete(oldest);
}
