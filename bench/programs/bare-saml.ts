/** Bench program: AuthnRequests read and answers signed, with nothing around it: no person, no session, no database. */
import { createPrivateKey, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { samlKey } from '#test/saml.ts';
import { decodeRedirect, postPage } from '#wire/saml/bindings.ts';
import { readAuthnRequest } from '#wire/saml/requests.ts';
import { makeResponse } from '#wire/saml/responses.ts';
import { AUTHN_CONTEXT, MESSAGE_LIMIT, NAME_ID } from '#wire/saml/saml.ts';
import { parseXml } from '#wire/saml/xml.ts';
import { answerParent } from '../program.ts';

const path = '/saml/sso';
const made = await samlKey();
const signer = { ...made, key: createPrivateKey(made.key) };
const newId = () => `_${randomBytes(20).toString('base64url')}`;

/** The page that takes a signed answer to the app. */
async function answerTo(query: string, idp: string): Promise<string> {
  const root = parseXml(decodeRedirect(query).xml, { maxBytes: MESSAGE_LIMIT }).documentElement!;
  const asked = readAuthnRequest(root);
  const now = new Date();
  const xml = await makeResponse({
    id: newId(),
    assertionId: newId(),
    issuer: idp,
    issueInstant: now,
    audience: asked.issuer,
    acsUrl: asked.acsUrl!,
    inResponseTo: asked.id,
    nameId: { value: newId(), format: NAME_ID.persistent },
    attributes: [
      { name: 'name', values: ['Given Person'] },
      { name: 'email', values: ['person@example.org'] },
    ],
    notBefore: new Date(now.getTime() - 60_000),
    notOnOrAfter: new Date(now.getTime() + 300_000),
    authnInstant: now,
    authnContext: AUTHN_CONTEXT.passwordProtectedTransport,
    sessionIndex: newId(),
    sign: 'both',
    signer,
  });
  const { action, fields } = postPage(asked.acsUrl!, { name: 'SAMLResponse', xml });
  const inputs = Object.entries(fields).map(([name, value]) => `<input name="${name}" value="${value}">`);
  return `<form action="${action}" method="post">${inputs.join('')}</form>`;
}

const server = createServer();
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const origin = `http://localhost:${(server.address() as AddressInfo).port}`;
const idp = `${origin}/saml/metadata`;
server.on('request', (request, response) => {
  answerTo(request.url!.slice(request.url!.indexOf('?') + 1), idp).then(
    (page) => response.setHeader('content-type', 'text/html').end(page),
    (error) => response.writeHead(500).end(String(error)),
  );
});

answerParent({ start: async () => ({ origin, path, idp, certificates: [made.certificate] }) }, async () => {
  server.close();
  server.closeAllConnections();
});
