/** GET /saml/metadata: what apps need to know of us, signed, with every certificate they may meet (SA-17). */
import { community } from '#core/community/community.ts';
import { type Database, system } from '#kit/db/database.ts';
import type { App } from '#kit/http/server.ts';
import type { Engine } from '#signon/saml-keys/engine.ts';
import { makeIdpMetadata } from '#wire/saml/metadata.ts';
import { BINDING } from '#wire/saml/saml.ts';
import { nameIdFormats, newMessageId, type Ourselves, paths } from './place.ts';

export interface MetadataNeeds {
  database: Database;
  engine: Engine;
  we: Ourselves;
  publicUrl: URL;
}

export function metadataRoutes(app: App, needs: MetadataNeeds): void {
  let made: { of: string; text: string } | undefined;
  app.get(paths.metadata, { config: { door: 'public' } }, async (_request, reply) => {
    const { name } = await needs.database.look(system('request'), community);
    const keys = await needs.engine.keys();
    const of = `${keys.fingerprint} ${name}`;
    // Signed once, not at every request of anyone who asks.
    if (made?.of !== of) made = { of, text: await describe(needs, name) };
    return reply
      .type('application/samlmetadata+xml; charset=utf-8')
      .header('content-disposition', 'inline; filename="gatehouse-metadata.xml"')
      .send(made.text);
  });
}

/** Without an end: many apps keep it as a file, and would stop working on that day. */
async function describe({ engine, we, publicUrl }: MetadataNeeds, name: string): Promise<string> {
  const { active, certificates } = await engine.keys();
  return makeIdpMetadata({
    id: newMessageId(),
    entityId: we.entityId,
    sso: [BINDING.redirect, BINDING.post].map((binding) => ({ binding, url: we.sso })),
    slo: [BINDING.redirect, BINDING.post].map((binding) => ({ binding, url: we.slo })),
    certificates,
    nameIdFormats,
    wantAuthnRequestsSigned: false,
    displayName: name,
    homeUrl: publicUrl.href,
    sign: active,
  });
}
