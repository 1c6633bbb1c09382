/** The settings of an app, as far as its page shows them. The API hands them on as the core keeps them. */
export interface AppSettings {
  title: string;
  description: string;
  url?: string;
  enabled: boolean;
  oidc?: {
    redirectUris: string[];
    postLogoutRedirectUris?: string[];
    backchannelLogoutUri?: string;
    clientAuth?: string;
    pkce?: string;
    grants?: string[];
    dpop?: string;
    registered?: { token: string; at: string };
  };
  saml?: {
    entityId: string;
    acsUrls: string[];
    metadata?: { url?: string };
    nameId: { format: 'persistent' | 'transient' | 'emailAddress' | 'unspecified' };
    sign: 'response' | 'assertion' | 'both';
    encrypt: boolean;
    idpInitiated: { allowed: boolean };
    sloUrl?: string;
  };
  access: { groups?: string[] };
  release: { claims: string[]; groups: 'none' | 'all' | string[] };
  alias: { rule: 'username' | 'lowercase' | 'address' };
  subject: 'pairwise' | 'public' | 'username';
  consent: 'ask' | 'trusted';
  privateHttp: boolean;
}

export function settingsOf(application: { settings: Record<string, unknown> }): AppSettings {
  return application.settings as unknown as AppSettings;
}

/** Whether people sign in to it by OpenID Connect: in a browser, or on a device. */
export function signsInByOidc({ oidc }: AppSettings): boolean {
  const signingIn = ['authorization_code', 'urn:ietf:params:oauth:grant-type:device_code'];
  return oidc?.grants?.some((grant) => signingIn.includes(grant)) ?? false;
}

/** Whether it proves itself by a secret. */
export function usesSecret({ oidc }: Pick<AppSettings, 'oidc'>): boolean {
  return oidc !== undefined && oidc.clientAuth !== 'none' && oidc.clientAuth !== 'private_key_jwt';
}
