/** How profiles get into ID tokens and userinfo: the library's two classes that cut claims, taught about ours. */
import type { Client, KoaContextWithOIDC, Provider } from 'oidc-provider';
import { applicationOf } from './clients.ts';
import { attributesKey } from './profile.ts';

/** What the library's Claims object holds beside its declared types. */
interface CutClaims {
  available: { [attributesKey]?: Record<string, string> };
  scope(value?: string): this;
  mask(value: object): void;
  rejected(value?: readonly string[]): void;
  result(): Promise<Record<string, unknown>>;
}

interface IssuedToken {
  ctx?: KoaContextWithOIDC;
  client: Client;
  scope?: string;
  payload(): Promise<Record<string, unknown>>;
}

/** Adds the community's attributes to the `profile` scope, and claims to the ID tokens of apps that read nothing else. */
export function renderClaimsOf(provider: Provider): void {
  const BaseClaims = provider.Claims as unknown as new (...given: unknown[]) => CutClaims;
  class Claims extends BaseClaims {
    #attributes = false;

    override scope(value = ''): this {
      this.#attributes = value.split(' ').includes('profile');
      return super.scope(value);
    }

    override async result(): Promise<Record<string, unknown>> {
      const own = this.#attributes ? this.available[attributesKey] : undefined;
      return { ...own, ...(await super.result()) };
    }
  }
  Object.defineProperty(provider, 'Claims', { value: Claims });

  const BaseToken = provider.IdToken as unknown as new (...given: unknown[]) => IssuedToken;
  class IdToken extends BaseToken {
    override async payload(): Promise<Record<string, unknown>> {
      const granted = this.ctx?.oidc.entities.AccessToken?.scope;
      if (granted && applicationOf(this.client).settings.oidc?.claimsInIdToken) this.scope = granted;
      return super.payload();
    }
  }
  Object.defineProperty(provider, 'IdToken', { value: IdToken });
}
