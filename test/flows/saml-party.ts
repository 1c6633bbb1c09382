/** A service provider for tests: node-saml asks and believes, and everything it sends can be made wrong on purpose. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { type Profile, SAML, type SamlConfig, ValidateInResponseTo } from '@node-saml/node-saml';
import { type SamlKey, samlKey } from '#test/saml.ts';
import { encodeRedirect } from '#wire/saml/bindings.ts';
import { makeAuthnRequest } from '#wire/saml/requests.ts';
import { signElement } from '#wire/saml/signature.ts';
import { freePort, type Platform } from '../kit.ts';
import type { Seen, Visitor } from '../visitor.ts';

export const passwords = { ada: 'river-stone-lamp', bob: 'copper-kettle-hill', eve: 'quiet-orchard-nine' };

/** Three people, and apps the test names. */
export function communityFile(applications: string, more = ''): string {
  return `
community: { name: Harbour }
attributes:
  - { name: organisation, type: text, title: Organisation, releasedTo: ["*"] }
groups: [{ name: staff }, { name: developers }]
people:
  - { username: ada, names: { givenName: Ada, familyName: Łovelace }, password: ${passwords.ada}, addresses: [ada@example.org],
      groups: [staff, developers], attributes: { organisation: Engines } }
  - { username: bob, names: { givenName: Bob, familyName: Stone }, password: ${passwords.bob}, addresses: [bob@example.org], groups: [staff] }
  - { username: eve, names: { givenName: Eve, familyName: Moss }, password: ${passwords.eve},
      addresses: [{ address: eve@example.org, verified: false }] }
applications:
${applications}
${more}`;
}

/** One app as the community file says it; \`saml\` and the rest in flow style. */
export function application(id: string, saml: string, more = 'consent: trusted'): string {
  const entity = `entityId: https://${id}.example.org/saml, acsUrls: [https://${id}.example.org/acs]`;
  return `  - { id: ${id}, title: ${id}, ${more}, saml: { ${entity}${saml ? `, ${saml}` : ''} } }`;
}

/** A PEM as one line of a YAML file. */
export function inline(key: SamlKey): string {
  return JSON.stringify(key.certificate);
}

/** What came to the app. */
export interface Delivered {
  action: string;
  relayState?: string;
  /** The message as XML. */
  xml: string;
  /** Who signed in, as node-saml believes it; throws its words when it does not. */
  believe(): Promise<Profile>;
}

/** Certificates in our metadata, PEM. */
export async function publishedCertificates(origin: string): Promise<string[]> {
  const text = await (await fetch(`${origin}/saml/metadata`)).text();
  const found = [...text.matchAll(/<md:KeyDescriptor[\s\S]*?<ds:X509Certificate>([^<]+)</g)];
  return found.map(
    ([, base64]) =>
      `-----BEGIN CERTIFICATE-----\n${base64!.match(/.{1,64}/g)!.join('\n')}\n-----END CERTIFICATE-----`,
  );
}

export class SamlParty {
  readonly origin: string;
  readonly id: string;
  readonly entityId: string;
  readonly acsUrl: string;
  readonly key: SamlKey | undefined;
  readonly saml: SAML;

  constructor(
    origin: string,
    id: string,
    idpCert: string[],
    options: Partial<SamlConfig> & { key?: SamlKey } = {},
  ) {
    const { key, ...more } = options;
    this.origin = origin;
    this.id = id;
    this.entityId = `https://${id}.example.org/saml`;
    this.acsUrl = `https://${id}.example.org/acs`;
    this.key = key;
    this.saml = new SAML({
      issuer: this.entityId,
      callbackUrl: this.acsUrl,
      entryPoint: `${origin}/saml/sso`,
      logoutUrl: `${origin}/saml/slo`,
      idpCert,
      idpIssuer: `${origin}/saml/metadata`,
      audience: this.entityId,
      identifierFormat: null,
      wantAssertionsSigned: true,
      wantAuthnResponseSigned: true,
      validateInResponseTo: ValidateInResponseTo.ifPresent,
      signatureAlgorithm: 'sha256',
      digestAlgorithm: 'sha256',
      disableRequestedAuthnContext: true,
      ...(key && { privateKey: key.key, publicCert: key.certificate }),
      ...more,
    });
  }

  /** Where the app sends a browser. */
  startUrl(relayState = '', options: object = {}): Promise<string> {
    return this.saml.getAuthorizeUrlAsync(relayState, undefined, options);
  }

  /** The answer on the page this browser sees, which would post itself to the app. */
  delivered(visitor: Visitor): Delivered {
    const { action, fields } = visitor.formOf(undefined);
    const { SAMLResponse = '', RelayState } = fields;
    if (!SAMLResponse) throw new Error(`no answer on ${visitor.page.url}:\n${visitor.page.text}`);
    return {
      action,
      relayState: RelayState,
      xml: Buffer.from(SAMLResponse, 'base64').toString(),
      believe: async () => {
        const { profile } = await this.saml.validatePostResponseAsync({ SAMLResponse });
        if (!profile) throw new Error('nobody signed in');
        return profile;
      },
    };
  }

  /** The whole way in a browser that is signed in, or is asked for a password. */
  async enter(visitor: Visitor, relayState = '', options: object = {}): Promise<Delivered> {
    await visitor.open(await this.startUrl(relayState, options));
    return this.delivered(visitor);
  }

  /** An AuthnRequest by Redirect that node-saml would not make. */
  request(
    more: Partial<Parameters<typeof makeAuthnRequest>[0]> & { relayState?: string; signWith?: SamlKey } = {},
  ): string {
    const { relayState, signWith, ...made } = more;
    return encodeRedirect(
      `${this.origin}/saml/sso`,
      { name: 'SAMLRequest', xml: makeAuthnRequest(this.#made(made)) },
      relayState,
      signWith,
    );
  }

  /** The same as the form fields of the POST binding. */
  postedRequest(
    more: Partial<Parameters<typeof makeAuthnRequest>[0]> & {
      signWith?: SamlKey;
      change?(xml: string): string;
    } = {},
  ): Record<string, string> {
    const { signWith, change = (xml: string) => xml, ...made } = more;
    const whole = this.#made(made);
    const xml = makeAuthnRequest(whole);
    const signed = signWith ? signElement(xml, { id: whole.id, ...signWith }) : xml;
    return { SAMLRequest: Buffer.from(change(signed)).toString('base64') };
  }

  #made(made: Partial<Parameters<typeof makeAuthnRequest>[0]>): Parameters<typeof makeAuthnRequest>[0] {
    return {
      id: newId(),
      issuer: this.entityId,
      issueInstant: new Date(),
      destination: `${this.origin}/saml/sso`,
      acsUrl: this.acsUrl,
      ...made,
    };
  }
}

export function newId(): string {
  return `_${randomBytes(16).toString('hex')}`;
}

/** Posts fields from another site: without our cookies, and with its Origin. */
export function postFrom(visitor: Visitor, url: string, fields: Record<string, string>): Promise<Seen> {
  return visitor.open(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/x-www-form-urlencoded',
      origin: 'https://app.example.org',
      cookie: 'none=0',
    },
    body: new URLSearchParams(fields).toString(),
  });
}

/** Another node of the same installation, under the same name. Returns how an address is asked of it, or a form is posted there. */
export async function secondNode(
  platform: Platform,
): Promise<(url: string, form?: Record<string, string>) => Promise<Pick<Seen, 'status' | 'text'>>> {
  const port = await freePort();
  await platform.again({ GATEHOUSE_PORT: String(port), GATEHOUSE_PUBLIC_URL: platform.origin });
  return async (url, form) => {
    const { host, pathname, search } = new URL(url);
    const asking = request({
      host: '127.0.0.1',
      port,
      path: pathname + search,
      method: form ? 'POST' : 'GET',
      headers: { host, ...(form && { 'content-type': 'application/x-www-form-urlencoded' }) },
    });
    asking.end(form && new URLSearchParams(form).toString());
    const [answer] = (await once(asking, 'response')) as [IncomingMessage];
    return { status: answer.statusCode ?? 0, text: await text(answer) };
  };
}

/** A browser that is signed in. */
export async function signedIn(platform: Platform, username: keyof typeof passwords): Promise<Visitor> {
  const visitor = platform.visitor();
  await visitor.signIn(username, passwords[username]);
  return visitor;
}

/** What a status response says: the code on top and the one below. */
export function statusOf(xml: string): string[] {
  return [...xml.matchAll(/<samlp:StatusCode Value="[^"]*:([^":]+)"/g)].map(([, code]) => code!);
}

/** Values of an attribute, as another reader than ours sees them. */
export function attributesOf(profile: Profile): Record<string, unknown> {
  return (profile.attributes ?? {}) as Record<string, unknown>;
}

export { samlKey };
