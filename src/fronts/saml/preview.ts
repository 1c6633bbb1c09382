/** What an answer would say, without being one: the same rendering and the same message, its signatures left empty. */
import { nameIdSource } from '#core/applications/saml-settings.ts';
import { Problem } from '#core/problem.ts';
import type { Teller, Telling } from '#signon/preview.ts';
import type { NameId } from '#wire/saml/messages.ts';
import { makeResponse } from '#wire/saml/responses.ts';
import { AUTHN_CONTEXT } from '#wire/saml/saml.ts';
import { keysNow, type OursNeeds } from './ours.ts';
import { newMessageId, ourselves } from './place.ts';
import { attributeSource, renderAttributes, renderNameId } from './profile.ts';
import { answerPlace, serviceProvider } from './service.ts';

const deliveryMs = 300_000;

/** Tells what SAML would; reads the signing key, as the message names its certificate. */
export function samlTeller(needs: OursNeeds): Teller {
  const we = ourselves(needs);
  return async (tx, application, profile): Promise<Telling | undefined> => {
    const sp = await serviceProvider(tx, application);
    if (!sp) return undefined;
    const { saml } = sp;
    const now = tx.now();
    let nameId: NameId;
    try {
      nameId = renderNameId(profile, saml, we.entityId);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      return { speaks: 'saml', told: [], nameless: error.code, message: '' };
    }
    const attributes = renderAttributes(profile, saml);
    const { active } = await keysNow(needs);
    const signed = await makeResponse({
      id: newMessageId(),
      assertionId: newMessageId(),
      issuer: we.entityId,
      issueInstant: now,
      audience: sp.entityId,
      // An app whose metadata did not come yet has no address; its answer is shown without one.
      acsUrl: answerPlace(sp, {}) ?? '',
      nameId,
      attributes,
      notBefore: new Date(now.getTime() - 60_000),
      notOnOrAfter: new Date(now.getTime() + deliveryMs),
      authnInstant: now,
      authnContext: AUTHN_CONTEXT.passwordProtectedTransport,
      sessionIndex: newMessageId(),
      sign: saml.sign,
      signer: active,
    });
    return {
      speaks: 'saml',
      told: [
        { name: 'NameID', values: [nameId.value], from: nameIdSource(saml), more: nameId.format },
        ...attributes.map(({ name, values, nameFormat }) => ({
          name,
          values,
          from: attributeSource(saml, name),
          more: nameFormat,
        })),
      ],
      message: withoutSignatures(signed),
    };
  };
}

/** Whoever copies this has nothing an app would believe. */
function withoutSignatures(xml: string): string {
  return xml.replaceAll(/(<ds:(SignatureValue|DigestValue)>)[^<]*(?=<\/ds:\2>)/g, '$1');
}
