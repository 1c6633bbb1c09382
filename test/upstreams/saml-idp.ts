/**
 * A SAML identity provider for tests, without a server of its own: it reads where the browser is sent, answers as it is
 * told, truly or not, and the browser posts the answer as another site's form does, without our cookies.
 */
import { randomBytes } from 'node:crypto';
import { type SamlKey, samlKey } from '#test/saml.ts';
import { decodeRedirect, encodeRedirect } from '#wire/saml/bindings.ts';
import {
  type LogoutRequestToMake,
  makeLogoutRequest,
  makeLogoutResponse,
  readLogoutRequest,
  readLogoutResponse,
} from '#wire/saml/logout.ts';
import { makeIdpMetadata, readSpMetadata } from '#wire/saml/metadata.ts';
import { type AuthnRequest, readAuthnRequest } from '#wire/saml/requests.ts';
import { makeErrorResponse, makeResponse, type ResponseToMake } from '#wire/saml/responses.ts';
import { AUTHN_CONTEXT, BINDING, NAME_ID, STATUS } from '#wire/saml/saml.ts';
import { signElement, verifyRedirect } from '#wire/saml/signature.ts';
import { parseXml } from '#wire/saml/xml.ts';
import { postFrom } from '../flows/saml-party.ts';
import type { Platform } from '../kit.ts';
import type { Seen, Visitor } from '../visitor.ts';

export const newId = () => `_${randomBytes(16).toString('hex')}`;

/** What the browser brought from us. */
export interface Asked {
  request: AuthnRequest;
  relayState: string;
  /** The query exactly as it came. */
  rawQuery: string;
}

export type Answer = Partial<Omit<ResponseToMake, 'nameId'>> & { nameId?: Partial<ResponseToMake['nameId']> };

export class SamlIdp {
  readonly entityId: string;
  readonly key: SamlKey;
  readonly platform: Platform;
  /** Id of the upstream it is here. */
  readonly id: string;

  private constructor(platform: Platform, id: string, key: SamlKey, entityId: string) {
    this.platform = platform;
    this.id = id;
    this.key = key;
    this.entityId = entityId;
  }

  static async make(
    platform: Platform,
    id: string,
    entityId = `https://${id}.example.net/idp`,
  ): Promise<SamlIdp> {
    return new SamlIdp(platform, id, await samlKey({ name: id }), entityId);
  }

  get site(): string {
    return new URL(this.entityId).origin;
  }

  get sp() {
    const at = (name: string) => `${this.platform.origin}/upstream/${this.id}/${name}`;
    return { entityId: at('metadata'), acsUrl: at('callback'), sloUrl: at('slo') };
  }

  metadata(
    certificates: string[] = [this.key.certificate],
    more: { validUntil?: Date; sign?: SamlKey } = {},
  ): string {
    return makeIdpMetadata({
      id: newId(),
      entityId: this.entityId,
      sso: [{ binding: BINDING.redirect, url: `${this.site}/sso` }],
      slo: [{ binding: BINDING.redirect, url: `${this.site}/slo` }],
      certificates,
      wantAuthnRequestsSigned: true,
      ...more,
    });
  }

  /** The lines of a community file that make it an upstream; `saml` and `more` in flow style. */
  declared(saml = '', more = 'newPeople: create, authoritative: [example.net]'): string {
    const all = [
      `entityId: "${this.entityId}"`,
      `ssoUrl: "${this.site}/sso"`,
      `sloUrl: "${this.site}/slo"`,
      `certificates: [${JSON.stringify(this.key.certificate)}]`,
      saml,
    ];
    return `  - { id: ${this.id}, title: ${this.id}, ${more}, saml: { ${all.filter(Boolean).join(', ')} } }\n`;
  }

  /** Sends a browser out to it, and reads what it brings. */
  async asked(visitor: Visitor, path = `/upstream/${this.id}/start`): Promise<Asked> {
    return this.read(await visitor.open(path));
  }

  /** What a redirect to it says. */
  read(seen: Seen): Asked {
    const to = seen.headers.get('location') ?? seen.headers.get('refresh')?.replace(/^0; url=/, '') ?? '';
    if (!to.startsWith(`${this.site}/sso`))
      throw new Error(`not on the way: ${seen.status} ${to} ${seen.text}`);
    const rawQuery = to.slice(to.indexOf('?') + 1);
    const { xml, relayState = '' } = decodeRedirect(rawQuery);
    const root = parseXml(xml, { maxBytes: 100_000 }).documentElement!;
    return { request: readAuthnRequest(root), relayState, rawQuery };
  }

  /** Whether the query was signed by a key of our metadata. */
  async isSigned({ rawQuery }: Pick<Asked, 'rawQuery'>): Promise<boolean> {
    return verifyRedirect(
      rawQuery,
      (await this.us()).certificates.map(({ pem }) => pem),
    );
  }

  /** Our metadata as it reads it. */
  async us() {
    return readSpMetadata(await (await fetch(this.sp.entityId)).text());
  }

  /** An answer about `name`, as XML. `asked` undefined: nobody asked. */
  async response(name: string, asked: Asked | undefined, answer: Answer = {}): Promise<string> {
    const now = this.platform.clock.now();
    const { nameId, ...more } = answer;
    const at = (seconds: number) => new Date(now.getTime() + seconds * 1000);
    return makeResponse({
      id: newId(),
      assertionId: newId(),
      issuer: this.entityId,
      issueInstant: now,
      audience: this.sp.entityId,
      acsUrl: this.sp.acsUrl,
      inResponseTo: asked?.request.id,
      nameId: { value: `${name}-there`, format: NAME_ID.persistent, ...nameId },
      notOnOrAfter: at(300),
      authnInstant: now,
      authnContext: AUTHN_CONTEXT.passwordProtectedTransport,
      sessionIndex: `_session-${name}`,
      attributes: [
        { name: 'uid', values: [name] },
        { name: 'givenName', values: [name] },
        { name: 'mail', values: [`${name}@example.net`] },
      ],
      sign: 'assertion',
      signer: this.key,
      ...more,
    });
  }

  /** An answer that says no. */
  refusal(asked: Asked, subStatus: string): string {
    return makeErrorResponse({
      id: newId(),
      issuer: this.entityId,
      issueInstant: this.platform.clock.now(),
      destination: this.sp.acsUrl,
      inResponseTo: asked.request.id,
      status: STATUS.responder,
      subStatus,
      signer: this.key,
    });
  }

  /** The browser posts an answer to us, from the provider's site, and follows. */
  post(visitor: Visitor, xml: string, relayState?: string, to = this.sp.acsUrl): Promise<Seen> {
    const fields = { SAMLResponse: Buffer.from(xml).toString('base64') };
    return postFrom(visitor, to, relayState === undefined ? fields : { ...fields, RelayState: relayState });
  }

  /** The whole way: out, an answer about `name`, and back. */
  async comes(visitor: Visitor, name: string, answer: Answer = {}): Promise<Seen> {
    const asked = await this.asked(visitor);
    return this.post(visitor, await this.response(name, asked, answer), asked.relayState);
  }

  /** A request to end sessions, signed unless told otherwise: where the browser is sent with it. */
  logoutUrl(
    name: string,
    more: Partial<LogoutRequestToMake> = {},
    signer: SamlKey | undefined = this.key,
    relayState?: string,
  ): string {
    const xml = this.logout(name, more);
    return encodeRedirect(this.sp.sloUrl, { name: 'SAMLRequest', xml }, relayState, signer);
  }

  /** The same as the form of the POST binding. */
  postLogout(visitor: Visitor, name: string, more: Partial<LogoutRequestToMake> = {}): Promise<Seen> {
    const id = newId();
    const xml = signElement(this.logout(name, { id, ...more }), { id: more.id ?? id, ...this.key });
    return postFrom(visitor, this.sp.sloUrl, { SAMLRequest: Buffer.from(xml).toString('base64') });
  }

  logout(name: string, more: Partial<LogoutRequestToMake>): string {
    return makeLogoutRequest({
      id: newId(),
      issuer: this.entityId,
      issueInstant: this.platform.clock.now(),
      destination: this.sp.sloUrl,
      nameId: { value: `${name}-there`, format: NAME_ID.persistent },
      sessionIndexes: [`_session-${name}`],
      ...more,
    });
  }

  /** Our answer to its request, which must be signed by us. */
  async loggedOut(seen: Seen) {
    const { rawQuery, relayState, xml } = await this.believed(seen);
    return {
      ...readLogoutResponse(parseXml(xml, { maxBytes: 100_000 }).documentElement!),
      relayState,
      rawQuery,
    };
  }

  /** Our request to sign somebody out there, which must be signed by us. */
  async logoutAsked(seen: Seen) {
    const { relayState = '', xml } = await this.believed(seen);
    return { ...readLogoutRequest(parseXml(xml, { maxBytes: 100_000 }).documentElement!), relayState };
  }

  private async believed(seen: Seen) {
    const to = seen.headers.get('location') ?? '';
    if (!to.startsWith(`${this.site}/slo`))
      throw new Error(`not on the way: ${seen.status} ${to} ${seen.text}`);
    const rawQuery = to.slice(to.indexOf('?') + 1);
    if (!(await this.isSigned({ rawQuery }))) throw new Error('not signed by us');
    return { ...decodeRedirect(rawQuery), rawQuery };
  }

  /** An answer to our request: where the browser is sent with it. */
  answerUrl(
    to: { id: string; relayState: string },
    more: { status?: string; inResponseTo?: string; signer?: SamlKey } = {},
  ): string {
    const xml = makeLogoutResponse({
      id: newId(),
      issuer: this.entityId,
      issueInstant: this.platform.clock.now(),
      destination: this.sp.sloUrl,
      inResponseTo: more.inResponseTo ?? to.id,
      status: more.status ?? STATUS.success,
    });
    const message = { name: 'SAMLResponse' as const, xml };
    return encodeRedirect(this.sp.sloUrl, message, to.relayState, 'signer' in more ? more.signer : this.key);
  }
}
