/** What a directory says about itself: ServiceProviderConfig, Schemas, ResourceTypes (RFC 7643 §5 to §7). */
import type { Attribute, Body, Extension, Json, ResourceSchema } from './schema.ts';

export interface Abilities {
  pageCap: number;
  etag: boolean;
}

const schemaUrn = 'urn:ietf:params:scim:schemas:core:2.0:Schema';
const typeUrn = 'urn:ietf:params:scim:schemas:core:2.0:ResourceType';

export function serviceProviderConfig(abilities: Abilities, base: string): Body {
  return {
    schemas: ['urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig'],
    patch: { supported: true },
    bulk: { supported: false, maxOperations: 0, maxPayloadSize: 0 },
    filter: { supported: true, maxResults: abilities.pageCap },
    changePassword: { supported: false },
    sort: { supported: false },
    etag: { supported: abilities.etag },
    authenticationSchemes: [
      {
        type: 'oauthbearertoken',
        name: 'Bearer token',
        description: 'A token of this simulator (RFC 6750).',
      },
    ],
    meta: { resourceType: 'ServiceProviderConfig', location: `${base}/ServiceProviderConfig` },
  };
}

export function resourceType(schema: ResourceSchema, base: string): Body {
  return {
    schemas: [typeUrn],
    id: schema.name,
    name: schema.name,
    endpoint: schema.endpoint,
    schema: schema.urn,
    schemaExtensions: schema.extensions.map(({ urn }) => ({ schema: urn, required: false })),
    meta: { resourceType: 'ResourceType', location: `${base}/ResourceTypes/${schema.name}` },
  };
}

export function schemaDocument(schema: Extension, base: string): Body {
  return {
    schemas: [schemaUrn],
    id: schema.urn,
    name: schema.name,
    attributes: schema.attributes.map(attributeDocument),
    meta: { resourceType: 'Schema', location: `${base}/Schemas/${schema.urn}` },
  };
}

function attributeDocument(attribute: Attribute): Json {
  return {
    name: attribute.name,
    type: attribute.type,
    multiValued: attribute.many ?? false,
    required: attribute.required ?? false,
    caseExact: attribute.caseExact ?? false,
    mutability: attribute.mutability ?? 'readWrite',
    returned: attribute.mutability === 'writeOnly' ? 'never' : 'default',
    uniqueness: attribute.uniqueness ?? 'none',
    ...(attribute.sub ? { subAttributes: attribute.sub.map(attributeDocument) } : {}),
  };
}
