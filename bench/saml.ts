import { createPrivateKey } from 'node:crypto';
import { SAML, ValidateInResponseTo } from '@node-saml/node-saml';
import { samlKey } from '#test/saml.ts';
import { makeResponse, type ResponseToMake, readResponse } from '#wire/saml/responses.ts';
import { AUTHN_CONTEXT, NAME_ID } from '#wire/saml/saml.ts';
import { alternate, type Bench, median, rounded, warmUpMs } from './measure.ts';

const roundMs = 1000;
const rounds = 5;

/** How often a second something ends, one after another on one core. */
async function rate(work: () => unknown, ms = roundMs): Promise<number> {
  const began = performance.now();
  let done = 0;
  for (; performance.now() - began < ms; done += 1) await work();
  return (done * 1000) / (performance.now() - began);
}

/** An answer as Jira gets one: name, mail and ten groups. */
function answer(signer: ResponseToMake['signer']): ResponseToMake {
  const now = new Date();
  const later = new Date(now.getTime() + 600_000);
  return {
    id: '_5a2f0c9e8b7d6a5f4e3d2c1b0a998877',
    assertionId: '_77889900a1b2c3d4e5f60718293a4b5c',
    issuer: 'https://id.example.org/saml',
    issueInstant: now,
    audience: 'https://sp.example.org/metadata',
    acsUrl: 'https://sp.example.org/acs',
    nameId: { value: 'ada.lovelace@example.org', format: NAME_ID.emailAddress },
    notBefore: now,
    notOnOrAfter: later,
    authnInstant: now,
    authnContext: AUTHN_CONTEXT.passwordProtectedTransport,
    sessionIndex: '_c0ffee00c0ffee00c0ffee00c0ffee00',
    attributes: [
      { name: 'name', values: ['Ada Lovelace'] },
      { name: 'mail', values: ['ada.lovelace@example.org'] },
      { name: 'groups', values: Array.from({ length: 10 }, (_, at) => `community-group-${at}`) },
    ],
    sign: 'assertion',
    signer,
  };
}

async function run() {
  const idp = await samlKey();
  const sp = await samlKey();
  // As the front holds it: a key object, so that the PEM is not read anew for each signature.
  const made = answer({ ...idp, key: createPrivateKey(idp.key) });
  const peer = new SAML({
    callbackUrl: made.acsUrl,
    issuer: made.audience,
    audience: made.audience,
    idpIssuer: made.issuer,
    idpCert: idp.certificate,
    decryptionPvk: sp.key,
    wantAuthnResponseSigned: false,
    validateInResponseTo: ValidateInResponseTo.never,
  });
  const { audience, acsUrl, issuer } = made;
  const place = { entityId: audience, acsUrl, idpEntityId: issuer, skewSeconds: 60 };
  const keys = { certificates: [idp.certificate], decryptionKeys: [sp.key] };
  const compare = async (text: string) => {
    const SAMLResponse = Buffer.from(text).toString('base64');
    const ours = () =>
      readResponse(Buffer.from(SAMLResponse, 'base64').toString(), { ...place, ...keys, now: new Date() });
    const theirs = () => peer.validatePostResponseAsync({ SAMLResponse });
    await rate(ours, warmUpMs);
    await rate(theirs, warmUpMs);
    return await alternate(
      rounds,
      () => rate(ours),
      () => rate(theirs),
    );
  };
  const signing = async (over: Partial<ResponseToMake>) => {
    const all: number[] = [];
    for (let round = 0; round <= rounds; round += 1)
      all.push(await rate(() => makeResponse({ ...made, ...over })));
    return median(all.slice(1));
  };
  const clear = await compare(await makeResponse(made));
  const encrypted = await compare(await makeResponse({ ...made, encryptFor: sp.certificate }));
  const figures = {
    'signed responses/s': Math.round(await signing({})),
    'signed twice (response and assertion)/s': Math.round(await signing({ sign: 'both' })),
    'signed and encrypted/s': Math.round(await signing({ encryptFor: sp.certificate })),
    'validations/s': Math.round(clear.one),
    'validations/s, node-saml': Math.round(clear.other),
    'encrypted validations/s': Math.round(encrypted.one),
    'encrypted validations/s, node-saml': Math.round(encrypted.other),
    'ratio, encrypted': rounded(encrypted.ratio),
  };
  return { figures, ratio: rounded(clear.ratio), goalMet: clear.ratio >= 1 && encrypted.ratio >= 1 };
}

export const bench: Bench = {
  name: 'saml',
  text: 'SAML responses signed and encrypted a second, and validated against node-saml, on one core',
  goal: 'validations at least as many as node-saml, signed and encrypted',
  run,
};
