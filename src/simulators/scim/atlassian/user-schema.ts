/** Users as Atlassian has them: department and organization stand in the core too (go-atlassian, scim/users, 2023). */
import {
  type Attribute,
  emails,
  enterpriseUrn,
  name,
  phoneNumbers,
  type ResourceSchema,
  userGroups,
  userName,
  userUrn,
} from '#simulators/scim/schema.ts';

export type ExtensionVersion = '1.0' | '1.1';

/** facts.extension. */
export const extensionUrn = (version: ExtensionVersion) =>
  `urn:scim:schemas:extension:atlassian-external:${version}`;

const text = (attribute: string, more: Partial<Attribute> = {}): Attribute => ({
  name: attribute,
  type: 'string',
  ...more,
});

export function atlassianUserSchema(version: ExtensionVersion): ResourceSchema {
  return {
    urn: userUrn,
    name: 'User',
    endpoint: '/Users',
    attributes: [
      userName,
      name,
      text('displayName', { required: true }),
      ...['nickName', 'title', 'preferredLanguage', 'department', 'organization', 'timezone'].map((one) =>
        text(one),
      ),
      { name: 'active', type: 'boolean' },
      emails,
      phoneNumbers,
      userGroups,
    ],
    extensions: [
      { urn: enterpriseUrn, name: 'EnterpriseUser', attributes: [text('organization'), text('department')] },
      {
        urn: extensionUrn(version),
        name: 'AtlassianExternal',
        attributes: [text('atlassianAccountId', { mutability: 'readOnly', caseExact: true })],
      },
    ],
  };
}
