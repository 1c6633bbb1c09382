/**
 * The library's session is a view of the core session, made anew for every request from the cookie of sign-on: no
 * cookie, no row and no clock of its own. So nothing can be left over when the core session ends, by whatever door.
 */
import type { KoaContextWithOIDC, Provider } from 'oidc-provider';
import type { Session } from '#core/sessions/sessions.ts';
import type { Database } from '#kit/db/database.ts';
import { type SignedOn, signedOn } from '#signon/gate.ts';
import { acrOfAal } from './asked.ts';
import { contextOf, exchangeOf } from './exchange.ts';

const hereKey = Symbol('signed on');

type LibrarySession = InstanceType<Provider['Session']>;
type SessionClass = Provider['Session'];

/** Who is signed in at this request, as the core says. */
export function signedOnAt(ctx: KoaContextWithOIDC): SignedOn | undefined {
  return (ctx.oidc.session as unknown as { [hereKey]?: SignedOn } | undefined)?.[hereKey];
}

/** What apps are told of how it happened: `mfa` that a provider told of and nobody believes is not ours to say. */
export function amrOf({ aal, amr }: Session): string[] {
  return aal >= 2 ? amr : amr.filter((one) => one !== 'mfa');
}

/** Authentication context class of a session: its assurance level by SP 800-63B. */
export function acrOf(session: Session): string {
  return acrOfAal(session.aal);
}

/** Replaces the provider's sessions by views of the core's. */
export function useCoreSessions(provider: Provider, database: Database): void {
  const Base = provider.Session as unknown as new () => LibrarySession;

  class Session extends Base {
    static async get(ctx: KoaContextWithOIDC): Promise<LibrarySession> {
      const { request } = exchangeOf(ctx);
      const token = cookieJarOf(request.server).read(request, 'session');
      const here = await database.read(contextOf(ctx), (tx) => signedOn(tx, token));
      const session = new Session();
      // The library keeps neither destroyed sessions nor cookies for them.
      Object.defineProperty(session, 'destroyed', { value: true, writable: true, configurable: true });
      if (here) {
        session.uid = here.session.id;
        session.accountId = here.person.id;
        session.loginTs = Math.floor(here.session.authTime.getTime() / 1000);
        session.amr = amrOf(here.session);
        session.acr = acrOf(here.session);
        Object.defineProperty(session, hereKey, { value: here });
      }
      ctx.oidc.entity('Session', session);
      return session;
    }

    static async findByUid(): Promise<undefined> {
      return undefined;
    }

    override sidFor(): string {
      return (this as unknown as { [hereKey]?: SignedOn })[hereKey]?.session.sid ?? '';
    }

    // Only the gate signs people in.
    override loginAccount(): void {}
    override resetIdentifier(): void {}
    override ensureClientContainer(): void {}
    override async save(): Promise<string> {
      return this.jti;
    }
    override async persist(): Promise<string> {
      return this.jti;
    }
    override async destroy(): Promise<void> {}
  }

  Object.defineProperty(provider, 'Session', { value: Session as unknown as SessionClass });
}

function cookieJarOf(server: object) {
  return (server as { cookieJar: import('#kit/http/server.ts').CookieJar }).cookieJar;
}
