/**
 * A double of Atlassian Cloud beside the gallery, as the target of its app `issues`: some accounts are there already, some
 * belong to nobody, everyone is planned, a few were approved and have arrived.
 */
import { after } from 'node:test';
import { createToken } from '#core/operators/tokens.ts';
import { system } from '#kit/db/database.ts';
import { createLog } from '#kit/log/log.ts';
import { type AtlassianSimulator, startAtlassianSimulator } from '#simulators/scim/atlassian/atlassian.ts';
import { eventually } from '#test/jira.ts';
import type { Platform } from '#test/kit.ts';

export const galleryAliasDomain = 'members.northlight.example';

const alreadyThere = [
  ['member001', `member001@${galleryAliasDomain}`, 'Chen W.'],
  ['member002', `member002@${galleryAliasDomain}`, 'Dipo Adeyemi'],
  ['build-bot', 'build-bot@northlight.example', 'Build Bot'],
  ['old.account', 'old.account@members.northlight.example', 'Somebody from before'],
  ['m.schmidt', 'm.schmidt@universitaetsbibliothek.friedrichshafen.example', 'Margarete Schmidt-Löwenherz'],
] as const;

const doubles = new Set<AtlassianSimulator>();
// Where a test file ends, not where the hook that began it does.
after(async () => {
  for (const one of doubles) await one.stop();
});

export async function startGalleryJira(): Promise<AtlassianSimulator> {
  const jira = await startAtlassianSimulator({
    log: createLog({ level: 'silent' }),
    domains: { [galleryAliasDomain]: 'VERIFIED', 'northlight.example': 'VERIFIED' },
  });
  doubles.add(jira);
  for (const [userName, email, displayName] of alreadyThere)
    await addThere(jira, userName, email, displayName);
  return jira;
}

async function addThere(jira: AtlassianSimulator, userName: string, email: string, displayName: string) {
  const answer = await fetch(`${jira.url}/Users`, {
    method: 'POST',
    headers: { authorization: `Bearer ${jira.directoryKey}`, 'content-type': 'application/scim+json' },
    body: JSON.stringify({
      schemas: ['urn:ietf:params:scim:schemas:core:2.0:User'],
      userName,
      displayName,
      name: { givenName: displayName.split(' ')[0], familyName: displayName.split(' ').at(-1) },
      emails: [{ value: email, primary: true }],
      active: true,
    }),
  });
  if (!answer.ok) throw new Error(`the double refused ${userName}: ${answer.status} ${await answer.text()}`);
}

export const jiraTarget = (jira: AtlassianSimulator) => `
targets:
  - application: issues
    connector: atlassian
    mode: plan
    options: { baseUrl: "${jira.url}", apiUrl: "${jira.origin}", orgId: "${jira.organisationId}" }
    credentials: { directoryKey: "${jira.directoryKey}", organisationKey: "${jira.organisationKey}" }
    groups: [clinicians]
`;

/** As an operator would: read and plan, approve some, wait for them to arrive. */
export async function planAtJira(platform: Platform): Promise<void> {
  const { token } = await platform.database.transact(system('admin'), (tx) =>
    createToken(tx, { name: 'gallery', scopes: ['admin'] }),
  );
  const api = async (method: string, url: string, body?: object) => {
    const headers = {
      authorization: `Bearer ${token}`,
      ...(body ? { 'content-type': 'application/json' } : {}),
    };
    const answer = await fetch(`${platform.origin}/api/v1${url}`, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${url}: ${answer.status} ${text}`);
    // biome-ignore lint/suspicious/noExplicitAny: answers are looked into by name
    return (text === '' ? undefined : JSON.parse(text)) as any;
  };
  const look = () => api('GET', '/targets/issues/plan');
  await api('POST', '/targets/issues/sweep', {});
  await eventually(look, (plan) => plan.listing?.state === 'complete' && plan.proposals.length > 0, 30_000);
  const [ada] = await platform.database.query<{ id: string }>(`select id from people where username = 'ada'`);
  const { items } = await api('GET', '/targets/issues/plan/entries?limit=20&verdict=create');
  const some = [`person:${ada?.id}`, ...items.slice(0, 4).map((one: { subject: string }) => one.subject)];
  await api('POST', '/targets/issues/plan/approve', { subjects: some });
  await eventually(
    () => api('GET', `/targets/issues/timeline?subject=person:${ada?.id}`),
    (timeline) => timeline.items[0]?.kind === 'settled',
    20_000,
  );
  await api('POST', '/targets/issues/plan', {});
  await eventually(look, (plan) => plan.run?.state === 'done', 30_000);
}
