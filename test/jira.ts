/** The whole product with a double of Jira as a target, on the real clock. */
import { after } from 'node:test';
import { createLog } from '#kit/log/log.ts';
import { startAtlassianSimulator } from '#simulators/scim/atlassian/atlassian.ts';
import { startPlatform } from './kit.ts';

export const aliasDomain = 'people.harbour.test';

const log = createLog({ level: 'silent' });
const doubles = new Set<{ stop(): Promise<void> }>();

after(async () => {
  for (const double of doubles) await double.stop();
});

/** @param mode of the target; the double is stopped when all tests of the file are over */
export async function startWithJira(mode: 'automatic' | 'plan' = 'automatic', more = '') {
  const jira = await startAtlassianSimulator({ log, domains: { [aliasDomain]: 'VERIFIED' } });
  doubles.add(jira);
  const platform = await startPlatform({
    realTime: true,
    env: { GATEHOUSE_ALIAS_DOMAIN: aliasDomain, GATEHOUSE_OUTBOUND_ALLOW: new URL(jira.origin).host },
  });
  await platform.apply(`
community: { name: Harbour }
groups: [{ name: developers }]
applications:
  - { id: jira, title: Jira, url: "${jira.origin}/", alias: { address: mailbox } }
targets:
  - application: jira
    connector: atlassian
    mode: ${mode}
    options: { baseUrl: "${jira.url}", apiUrl: "${jira.origin}", orgId: "${jira.organisationId}" }
    credentials: { directoryKey: "${jira.directoryKey}", organisationKey: "${jira.organisationKey}" }
    groups: [developers]
${more}`);
  return { jira, platform };
}

/** Waits until something is so; the last answer when it never is. */
export async function eventually<T>(
  ask: () => Promise<T> | T,
  so: (answer: T) => boolean,
  ms = 10_000,
): Promise<T> {
  const until = Date.now() + ms;
  for (;;) {
    const answer = await ask();
    if (so(answer) || Date.now() > until) return answer;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
