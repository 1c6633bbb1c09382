/**
 * A community with something of everything, for tests that look at pages: apps of every kind, attributes of every
 * type, people in every state with long and short names, someone with several addresses, sessions and sign-ins.
 */
import { giveConsent } from '#core/applications/applications.ts';
import { reopenSetup, setupToken } from '#core/operators/setup.ts';
import { findByUsername } from '#core/people/people.ts';
import { joinApplication, listSessions } from '#core/sessions/sessions.ts';
import { system } from '#kit/db/database.ts';
import { type Platform, startPlatform } from '#test/kit.ts';
import { ensureConsole } from '../../tools/console.ts';
import { mailOfAda } from './gallery-alias-mail.ts';
import { mailRecords } from './gallery-records.ts';
import { jiraTarget, planAtJira, startGalleryJira } from './gallery-targets.ts';

/** Passwords of the two who sign in. */
export const passwords = { ada: 'plum violin tractor', root: 'seven lanterns float' } as const;

const agents = [
  'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Mobile/15E148 Safari/604.1',
  'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0',
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/143.0 Safari/537.36 Edg/143.0',
];

const names = [
  'Bela Novák',
  'Chen Wei',
  'Dipo Adeyemi',
  'Elif Şahin',
  'Ursula Lindqvist-Featherstonehaugh von Hohenfriedberg',
  'محمد العبدالله',
  'Mia Õun',
  'Tomás Ó Súilleabháin',
];
const states = ['active', 'active', 'active', 'locked', 'active', 'suspended', 'unverified', 'left', 'spam'];

function manyPeople(): string {
  const one = (index: number) => {
    const [givenName, ...rest] = (names[index % names.length] as string).split(' ');
    return `  - username: member${String(index).padStart(3, '0')}
    names: { givenName: "${givenName}", familyName: "${rest.join(' ')}" }
    addresses: [{ address: "member${index}@${index % 7 === 4 ? 'universitaetsbibliothek.friedrichshafen.example' : 'example.org'}", verified: ${states[index % states.length] !== 'unverified'} }]
    state: ${states[index % states.length]}`;
  };
  return Array.from({ length: 70 }, (_, index) => one(index)).join('\n');
}

/** The community's own settings, as `apply` reads them. */
export function communityWith(more = ''): string {
  return `
community:
  name: Northlight Community
  help: /help
  contact: helpdesk@northlight.example
  aliasMailboxes: { domains: [members.northlight.example] }
  links:
    - { title: Issues, url: /go/issues }
    - { title: Wiki, url: /go/wiki }
    - { title: Forum, url: /go/forum }
  ${more}
`;
}

const file = `${communityWith()}
attributes:
  - { name: country, type: choice, title: Country, choices: [Finland, Kenya, Nigeria, Peru], signUp: true, required: true, editable: self }
  - { name: about, type: longText, title: About you, help: A few words others may read., visible: everyone, editable: self }
  - { name: years, type: number, title: Years in the community, editable: self }
  - { name: born, type: date, title: Date of birth, editable: self }
  - { name: site, type: url, title: Website, visible: everyone, editable: self }
  - { name: newsletter, type: boolean, title: Send me the newsletter, help: Once a month, signUp: true, editable: self }
  - { name: member_number, type: text, title: Member number, editable: operators }
  - { name: remarks, type: text, title: Remarks of the office, visible: operators, editable: operators }
applications:
  - { id: issues, title: Issues, description: "Report a bug, follow its way", alias: { address: mailbox }, url: "https://issues.northlight.example/", oidc: { redirectUris: ["https://issues.northlight.example/callback"] } }
  - { id: wiki, title: Wiki, description: How everything works, url: "https://wiki.northlight.example/", consent: trusted, oidc: { redirectUris: ["https://wiki.northlight.example/callback"] } }
  - { id: forum, title: Forum, description: "Ask, answer, get to know people", url: "https://forum.northlight.example/" }
  - { id: records, title: Medical records of the teaching hospital, description: "", access: { groups: [clinicians] } }
  - { id: intranet, title: Office intranet, privateHttp: true, access: { groups: [staff, board] }, oidc: { redirectUris: ["http://10.0.0.5/callback"] } }
  - { id: archive, title: Archive, enabled: false }
  - { id: rota, title: Duty rota, release: { claims: [name, username, email, groups], groups: all }, saml: { entityId: "https://rota.northlight.example/saml", acsUrls: ["https://rota.northlight.example/acs"], idpInitiated: { allowed: true } } }
  - { id: ledger, title: Ledger, access: { groups: [board] }, saml: { entityId: "https://ledger.northlight.example/saml", acsUrls: ["https://ledger.northlight.example/acs"], idpInitiated: { allowed: true } } }
  - { id: screen, title: Reading room screen, oidc: { clientAuth: none, grants: ["urn:ietf:params:oauth:grant-type:device_code", refresh_token] } }
  - { id: scanner, title: Archive scanner, access: { groups: [board] }, oidc: { clientAuth: none, grants: ["urn:ietf:params:oauth:grant-type:device_code"] } }
groups:
  - { name: clinicians, title: Clinicians, description: People who treat patients }
  - { name: staff, title: Staff }
  - { name: board, title: Board of the association }
targets:
  - { application: wiki, connector: scim, options: { baseUrl: 'http://127.0.0.1:9/scim/v2' }, credentials: { token: a-token-nobody-listens-to }, mode: automatic, scope: { groups: [clinicians] } }
people:
  - username: ada
    names: { givenName: Ada, familyName: Okonkwo-Lindqvist }
    password: ${passwords.ada}
    addresses: [ada@example.org, a.okonkwo-lindqvist@universitaetsbibliothek.friedrichshafen.example, { address: ada.new@example.net, verified: false }]
    groups: [clinicians]
    aliases: { wiki: AdaO }
    attributes: { country: Nigeria, about: "I look after the translations and water the plants.", years: 9, site: "https://ada.example.org/", newsletter: true, member_number: "000417" }
  - username: root
    names: { givenName: Ruth, familyName: Ottesen }
    password: ${passwords.root}
    addresses: [ruth@example.org]
    operator: owner
${manyPeople()}
`;

export interface Gallery extends Platform {
  setupLink: string;
}

/** The whole product with this community in it; ada has been here before. */
export async function startGallery(): Promise<Gallery> {
  await ensureConsole();
  const jira = await startGalleryJira();
  const platform = await startPlatform({
    realTime: true,
    env: {
      GATEHOUSE_OUTBOUND_ALLOW: new URL(jira.origin).host,
      GATEHOUSE_DNS_SERVERS: (await mailRecords()).server,
      GATEHOUSE_SMTP_NAME: 'mx.northlight.example',
    },
  });
  await platform.apply(file);
  await platform.apply(jiraTarget(jira));
  // Naming an owner closed the setup; as an owner at the machine would, we open it again to see its page.
  const setup = await platform.database.transact(system(), reopenSetup);
  const setupLink = `/admin/setup?token=${setupToken(platform.secrets, setup)}`;
  for (const agent of agents) await platform.visitor({ 'user-agent': agent }).signIn('ada', passwords.ada);
  await platform.visitor({ 'user-agent': agents[1] ?? '' }).signIn('ada', 'not this one');
  await platform.database.transact(system(), async (tx) => {
    const ada = await findByUsername(tx, 'ada');
    const [session] = await listSessions(tx, ada?.id ?? '');
    if (!ada || !session) throw new Error('ada has no session');
    for (const app of ['issues', 'wiki', 'records']) await joinApplication(tx, session, app, 'oidc');
    const consent = { person: ada.id, application: 'issues', textVersion: '1' };
    await giveConsent(tx, { ...consent, scopes: ['openid', 'profile', 'email'], claims: ['name', 'email'] });
  });
  await age(platform);
  await mailOfAda(platform);
  await planAtJira(platform);
  return { ...platform, setupLink };
}

/** Things that all happened just now look like nothing: they are put into the past. */
async function age(platform: Platform): Promise<void> {
  const past = [
    `update people set created_at = created_at - interval '4 years' - (random() * interval '900 days')`,
    `update passwords set set_at = set_at - interval '8 months'`,
    `update sessions set last_seen_at = last_seen_at - n * interval '190 minutes', created_at = created_at - n * interval '200 minutes'
       from (select id as sid, row_number() over (order by id desc) as n from sessions) as r where r.sid = id`,
    `update sign_ins set at = at - n * n * interval '170 minutes'
       from (select id as sid, row_number() over (order by id desc) as n from sign_ins) as r where r.sid = id`,
    `update last_sign_ins set at = at - (ascii(application || 'a') - 96) * interval '20 hours'`,
  ];
  for (const statement of past) await platform.database.query(statement);
}
