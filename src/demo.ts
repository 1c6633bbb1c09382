/**
 * The demo: one command that starts the house with a community in it. Two apps on another site than ours, a mail
 * catcher, a double of Jira that accounts arrive in, a few people whose passwords everyone may know, and a legacy
 * directory of 2,000 accounts to import. It
 * listens on loopback only. The community is a community file, applied the way an operator would (`gatehouse apply`).
 */
import { createHash } from 'node:crypto';
import { createWriteStream, existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { stringify } from 'yaml';
import type { Config } from '#config/config.ts';
import { makeSecret } from '#config/kinds.ts';
import { openSetup, setupToken } from '#core/operators/setup.ts';
import { applyDeclared } from '#declared/declared.ts';
import { randomToken } from '#kit/crypto/ids.ts';
import { system } from '#kit/db/database.ts';
import { houseFact, setHouseFact } from '#kit/db/facts.ts';
import { createLog, type Log } from '#kit/log/log.ts';
import { createMailer } from '#kit/smtp/smtp.ts';
import { demoAppAddresses, startDemoApp } from '#simulators/demo-app/demo-app.ts';
import { knownAccounts, makeLegacyLdif } from '#simulators/legacy-directory/legacy-directory.ts';
import { startMailCatcher } from '#simulators/mail-catcher/mail-catcher.ts';
import { type AtlassianSimulator, startAtlassianSimulator } from '#simulators/scim/atlassian/atlassian.ts';
import { notificationsDomain } from '#simulators/scim/atlassian/notifications.ts';
import { type ScimSimulator, startScimSimulator } from '#simulators/scim/scim.ts';
import { rememberNeighbours } from './house.ts';
import { type RunningHouse, serve } from './main.ts';

/** The people of the demo; their passwords are printed on the terminal. */
export const demoPeople = [
  {
    username: 'amara',
    password: 'river-stone-lamp',
    givenName: 'Amara',
    familyName: 'Okafor',
    address: 'amara@example.org',
    groups: ['developers', 'moderators'],
  },
  {
    username: 'jonas',
    password: 'copper-kettle-hill',
    givenName: 'Jonas',
    familyName: 'Lindqvist',
    address: 'jonas@example.net',
    groups: ['developers'],
    alias: 'jlindqvist',
  },
  {
    username: 'mei',
    password: 'quiet-orchard-nine',
    givenName: 'Mei',
    familyName: 'Tanaka',
    address: 'mei.tanaka@example.com',
    groups: ['translators'],
  },
] as const;

const communityName = 'Harbour';

/** The domain of the demo's alias mailboxes, which its Jira takes for the community's own. */
const aliasDomain = 'people.harbour.test';

/** The doubles accounts arrive in. */
interface Doubles {
  jira: Pick<
    AtlassianSimulator,
    'url' | 'origin' | 'rangesUrl' | 'organisationId' | 'directoryKey' | 'organisationKey'
  >;
  commons: Pick<ScimSimulator, 'url' | 'token'>;
}

const demoGroups = [
  { name: 'developers', title: 'Developers' },
  { name: 'moderators', title: 'Moderators' },
  { name: 'translators', title: 'Translators' },
];

const demoAttributes = [
  {
    name: 'organisation',
    type: 'text',
    title: 'Organisation',
    help: 'Where you work or study.',
    signUp: true,
    visible: 'everyone',
    releasedTo: ['commons'],
  },
  {
    name: 'skills',
    type: 'choice',
    title: 'What you like to do',
    choices: ['Code', 'Translate', 'Test', 'Write', 'Organise'],
    signUp: true,
  },
];

/** The community file of the demo. */
export function demoCommunityFile(input: {
  publicUrl: URL;
  secret(app: string): string;
  apps: { tracker: URL; commons: URL };
  doubles: Doubles;
}): string {
  const app = (id: 'tracker' | 'commons', rest: Record<string, unknown>) => {
    const addresses = demoAppAddresses(input.apps[id].origin);
    return {
      id,
      secret: input.secret(id),
      url: input.apps[id].origin + '/',
      oidc: {
        redirectUris: [addresses.redirectUri],
        postLogoutRedirectUris: [addresses.postLogoutRedirectUri],
        initiateLoginUri: addresses.initiateLoginUri,
        backchannelLogoutUri: addresses.backchannelLogoutUri,
      },
      ...rest,
    };
  };
  return stringify({
    community: {
      name: communityName,
      accent: '#0b6e74',
      links: [
        { title: 'Tracker', url: new URL('/go/tracker', input.publicUrl).href },
        { title: 'Commons', url: new URL('/go/commons', input.publicUrl).href },
        { title: 'Jira', url: new URL('/go/jira', input.publicUrl).href },
      ],
    },
    attributes: demoAttributes,
    groups: demoGroups,
    applications: [
      app('tracker', {
        title: 'Tracker',
        description: 'Issues and plans.',
        consent: 'trusted',
        release: { claims: ['name', 'username', 'email', 'groups', 'roles', 'updated_at'], groups: 'all' },
        roles: { developers: ['editor'], moderators: ['administrator'] },
      }),
      app('commons', {
        title: 'Commons',
        description: 'Talk, questions and answers.',
        consent: 'ask',
        release: { claims: ['name', 'username', 'email', 'groups'], groups: ['moderators', 'translators'] },
      }),
      {
        id: 'jira',
        title: 'Jira (simulated)',
        description: 'Keeps accounts of its own: yours arrives there by itself.',
        url: `${input.doubles.jira.origin}/`,
        // It knows everyone by their alias mailbox, whatever address they signed up with.
        alias: { address: 'mailbox' },
      },
    ],
    targets: demoTargets(input.doubles),
    // It writes from this machine; what it writes is passed on to where people read mail.
    relay: demoRelay(input.doubles),
    people: demoPeople.map((person) => ({
      username: person.username,
      names: { givenName: person.givenName, familyName: person.familyName },
      addresses: [person.address],
      password: person.password,
      groups: [...person.groups],
      ...('alias' in person && { aliases: { tracker: person.alias } }),
    })),
  });
}

/** Jira gets everyone at once; what Commons would get waits for somebody to approve it. */
function demoTargets({ jira, commons }: Doubles): object[] {
  return [
    {
      application: 'jira',
      connector: 'atlassian',
      mode: 'automatic',
      options: { baseUrl: jira.url, apiUrl: jira.origin, orgId: jira.organisationId },
      credentials: { directoryKey: jira.directoryKey, organisationKey: jira.organisationKey },
      groups: ['developers', 'moderators'],
    },
    {
      application: 'commons',
      connector: 'scim',
      mode: 'plan',
      options: { baseUrl: commons.url },
      credentials: { token: commons.token },
    },
  ];
}

/** Mail of the simulated Jira comes from this machine, which no publisher would name: it is in its list by hand. */
function demoRelay({ jira }: Doubles): object {
  return {
    senders: { jira: { networks: ['list:atlassian'], domains: [notificationsDomain], require: [] } },
    allowlists: {
      atlassian: {
        url: jira.rangesUrl,
        product: 'email',
        direction: 'egress',
        networks: ['127.0.0.0/8', '::1/128'],
      },
    },
  };
}

/** Ports of the demo, counted from the main one. */
export function demoPorts(port: number) {
  return {
    tracker: port + 1,
    commons: port + 2,
    mail: port + 3,
    jira: port + 4,
    accounts: port + 5,
    relay: port + 6,
  };
}

export interface RunningDemo {
  house: RunningHouse;
  /** For the terminal: addresses, accounts, the one-time link of the first owner, where data lives, how to stop. */
  banner: string;
  stop(): Promise<void>;
}

/** Starts everything and answers when every page can be opened. Throws what `serve` throws. */
export async function startDemo(config: Config): Promise<RunningDemo> {
  const began = performance.now();
  const ports = demoPorts(config.port);
  await mkdir(config.data, { recursive: true });
  const file = createWriteStream(path.join(config.data, 'gatehouse.log'), { flags: 'a', mode: 0o600 });
  const log = createLog({ level: config.logLevel, destination: file });
  const closers: (() => Promise<unknown>)[] = [];
  const stop = async () => {
    for (const closer of closers.splice(0).reverse()) await closer();
    await new Promise((resolve) => file.end(resolve));
  };
  try {
    const catcher = await startMailCatcher({ log, httpPort: ports.mail });
    closers.push(() => catcher.stop());
    const mailer = createMailer({ urls: [catcher.smtpUrl], from: config.mailFrom, log });
    closers.push(() => mailer.close());
    const { jira, accounts, doubles } = await startDoubles(config, ports, log);
    closers.push(
      () => jira.stop(),
      () => accounts.stop(),
    );
    const near = Object.values(ports).map((port) => `127.0.0.1:${port}`);
    const house = await serve(
      {
        ...config,
        aliasDomain: config.aliasDomain ?? aliasDomain,
        smtpUrl: makeSecret(catcher.smtpUrl),
        smtpPort: config.sources.smtpPort === 'default' ? ports.relay : config.smtpPort,
        outboundAllow: [...config.outboundAllow, ...near],
      },
      { log, mailer },
    );
    closers.push(() => house.stop());
    if (house.relay?.port) jira.writeThrough(`smtp://127.0.0.1:${house.relay.port}`);
    await house.database.transact(system('demo'), (tx) => rememberNeighbours(tx, near));
    const secret = (app: string) => house.secrets.mac('demo-app', app).toString('base64url');
    await settleCommunity(house, secret, doubles);
    for (const product of ['tracker', 'commons'] as const) {
      const app = await startDemoApp({
        product,
        communityName,
        issuer: new URL(config.issuer),
        clientId: product,
        clientSecret: secret(product),
        log,
        port: ports[product],
      });
      closers.push(() => app.stop());
    }
    const ldif = await placeLegacyDirectory(config.data);
    const seconds = (performance.now() - began) / 1000;
    return { house, stop, banner: await drawBanner(house, { ldif, seconds }) };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Starts the doubles of Jira and of another app's accounts; they keep what they have in the data folder. */
async function startDoubles(config: Config, ports: ReturnType<typeof demoPorts>, log: Log) {
  const domain = config.aliasDomain ?? aliasDomain;
  const keys = await demoKeys(config.data);
  const jira = await startAtlassianSimulator({
    ...keys,
    log,
    port: ports.jira,
    directoryId: 'harbour',
    organisationId: 'harbour',
    domains: { [domain]: 'VERIFIED' },
    state: path.join(config.data, 'demo-jira.json'),
    look: { communityName: 'Jira (simulated)', links: [] },
  });
  const accounts = await startScimSimulator({
    log,
    port: ports.accounts,
    token: keys.token,
    state: path.join(config.data, 'demo-commons.json'),
    look: { communityName: 'Accounts of Commons (simulated)', links: [] },
  });
  return { jira, accounts, doubles: { jira, commons: accounts } satisfies Doubles };
}

/** What the doubles ask for: made once, and the same at every start. */
async function demoKeys(
  folder: string,
): Promise<{ directoryKey: string; organisationKey: string; token: string }> {
  const file = path.join(folder, 'demo-keys.json');
  if (!existsSync(file)) {
    const keys = { directoryKey: randomToken(), organisationKey: randomToken(), token: randomToken() };
    await writeFile(file, JSON.stringify(keys), { mode: 0o600 });
  }
  return JSON.parse(await readFile(file, 'utf8'));
}

/** Applies the community file when it is new or other than last time; an operator's own changes stay otherwise. */
async function settleCommunity(
  house: RunningHouse,
  secret: (app: string) => string,
  doubles: Doubles,
): Promise<void> {
  const ports = demoPorts(house.config.port);
  const text = demoCommunityFile({
    publicUrl: new URL(house.config.publicUrl),
    secret,
    apps: {
      tracker: new URL(`http://127.0.0.1:${ports.tracker}`),
      commons: new URL(`http://127.0.0.1:${ports.commons}`),
    },
    doubles,
  });
  const fingerprint = createHash('sha256').update(text).digest('base64url');
  if ((await house.database.read(system(), (tx) => houseFact(tx, 'demo'))) === fingerprint) return;
  await applyDeclared({ ...house, context: system('demo') }, { text });
  await house.database.transact(system('demo'), (tx) => setHouseFact(tx, 'demo', fingerprint));
}

/** Puts the legacy directory where it can be imported from, once. Returns the file. */
async function placeLegacyDirectory(dataDirectory: string): Promise<string> {
  const file = path.join(dataDirectory, 'legacy-2000.ldif');
  if (!existsSync(file)) await writeFile(file, makeLegacyLdif({ people: 2000 }).ldif, { mode: 0o600 });
  return file;
}

async function drawBanner(house: RunningHouse, facts: { ldif: string; seconds: number }): Promise<string> {
  const { config } = house;
  const ports = demoPorts(config.port);
  const setup = await house.database.transact(system(), openSetup);
  const here = path.relative(process.cwd(), facts.ldif) || facts.ldif;
  const folder = path.relative(process.cwd(), config.data) || config.data;
  // A command of another terminal finds the usual folder by itself, and any other one by name.
  const command = folder === '.gatehouse' ? './gatehouse' : `./gatehouse --data ${folder}`;
  const legacy = knownAccounts[0]!;
  const lines = [
    `${communityName} is open.  One ID for a community, running on this machine only.  (${facts.seconds.toFixed(1)} s)`,
    '',
    `  Gatehouse     ${config.publicUrl}`,
    `  Tracker       http://127.0.0.1:${ports.tracker}/      an app that trusts it`,
    `  Commons       http://127.0.0.1:${ports.commons}/      an app that asks first`,
    `  Mail          http://127.0.0.1:${ports.mail}/      every mail that was sent`,
    `  Jira          http://127.0.0.1:${ports.jira}/      a double of it: who signs up arrives there by themselves`,
    ...(house.relay?.port
      ? [`  Mail for Jira 127.0.0.1:${house.relay.port}              passed on to people, as Mail shows`]
      : []),
    `  More accounts http://127.0.0.1:${ports.accounts}/      those of Commons, which wait to be approved`,
    '',
    '  Accounts      user name and password',
    ...demoPeople.map((person) => `                ${person.username.padEnd(10)} ${person.password}`),
    '',
    ...(setup
      ? ['  First owner   (this link works once)', `                ${setupLink(house, setup)}`]
      : [`  Operators     ${new URL('/admin', config.publicUrl).href}`]),
    '',
    `  2,000 legacy accounts are waiting in ${here}`,
    `                ${command} import ldif ${here}`,
    `                then sign in as ${legacy.username}, password ${legacy.password}`,
    '',
    `  Data and log  ${folder}`,
    '  Stop          Ctrl-C',
  ];
  return lines.join('\n');
}

function setupLink(house: RunningHouse, setup: { id: string }): string {
  const url = new URL('/admin/setup', house.config.publicUrl);
  url.searchParams.set('token', setupToken(house.secrets, setup));
  return url.href;
}
