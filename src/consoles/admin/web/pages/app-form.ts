/**
 * The settings of an app as fields: what each field is called, how it is read from the settings and written back. What a
 * form does not speak of stays as it is.
 */
import { settingWords as say } from '#consoles/admin/web/words-app-settings.ts';

export type Value = string | boolean | string[];
export type AppForm = Readonly<Record<string, Value>>;
type Settings = Record<string, unknown>;

export type Part = keyof typeof say.parts;
export const parts = Object.keys(say.parts) as Part[];

export interface Spec {
  /** Where it stands in the settings, and what the API calls it in a refusal. */
  path: keyof typeof say.fields;
  kind:
    | 'text'
    | 'long'
    | 'lines'
    | 'pems'
    | 'pairs'
    | 'lists'
    | 'number'
    | 'flag'
    | 'choice'
    | 'checks'
    | 'json';
  part: Part;
  /** What counts where the settings say nothing. */
  usual?: Value;
  /** Of what kinds a file may be whose text is taken. */
  file?: string;
  /** Whether it is asked now. */
  when?(form: AppForm): boolean;
  required?: boolean;
}

const is =
  (path: string, ...values: Value[]) =>
  (form: AppForm) =>
    values.some((one) => form[path] === one);
const oidc = is('oidc', true);
const saml = is('saml', true);
const byKey = (form: AppForm) => oidc(form) && is('oidc.clientAuth', 'private_key_jwt')(form);
const xmlFile = '.xml,application/xml,text/xml,application/samlmetadata+xml';
const pemFile = '.pem,.crt,.cer,application/x-pem-file,application/pkix-cert';

export const specs: readonly Spec[] = [
  { part: 'general', path: 'title', kind: 'text', required: true },
  { part: 'general', path: 'description', kind: 'text' },
  { part: 'general', path: 'url', kind: 'text' },
  { part: 'general', path: 'enabled', kind: 'flag', usual: true },
  { part: 'general', path: 'consent', kind: 'choice', usual: 'ask' },
  { part: 'general', path: 'signOut.url', kind: 'text' },
  { part: 'general', path: 'signOut.note', kind: 'text' },
  { part: 'general', path: 'privateHttp', kind: 'flag' },

  { part: 'people', path: 'access', kind: 'choice', usual: 'all' },
  { part: 'people', path: 'access.groups', kind: 'lines', when: is('access', 'groups') },
  { part: 'people', path: 'release.claims', kind: 'checks' },
  { part: 'people', path: 'release.groups', kind: 'choice', usual: 'none' },
  { part: 'people', path: 'release.groups.list', kind: 'lines', when: is('release.groups', 'list') },
  { part: 'people', path: 'groupNames', kind: 'pairs' },
  { part: 'people', path: 'roles', kind: 'lists' },
  { part: 'people', path: 'alias.rule', kind: 'choice', usual: 'username' },
  { part: 'people', path: 'alias.address', kind: 'choice', usual: 'own' },
  { part: 'people', path: 'subject', kind: 'choice', usual: 'pairwise' },

  { part: 'assurance', path: 'assurance.secondFactor', kind: 'choice', usual: 'default' },
  { part: 'assurance', path: 'assurance.maxAgeMinutes', kind: 'number' },
  { part: 'assurance', path: 'upstream', kind: 'text' },

  { part: 'oidc', path: 'oidc', kind: 'flag' },
  { part: 'oidc', path: 'oidc.redirectUris', kind: 'lines', when: oidc },
  { part: 'oidc', path: 'oidc.postLogoutRedirectUris', kind: 'lines', when: oidc },
  { part: 'oidc', path: 'oidc.backchannelLogoutUri', kind: 'text', when: oidc },
  { part: 'oidc', path: 'oidc.initiateLoginUri', kind: 'text', when: oidc },
  { part: 'oidc', path: 'oidc.clientAuth', kind: 'choice', usual: 'client_secret_basic', when: oidc },
  { part: 'oidc', path: 'oidc.jwksUri', kind: 'text', when: byKey },
  { part: 'oidc', path: 'oidc.jwks', kind: 'json', when: byKey, file: '.json,application/json' },
  {
    part: 'oidc',
    path: 'oidc.grants',
    kind: 'checks',
    usual: ['authorization_code', 'refresh_token'],
    when: oidc,
  },
  { part: 'oidc', path: 'oidc.pkce', kind: 'choice', usual: 'optional', when: oidc },
  { part: 'oidc', path: 'oidc.dpop', kind: 'choice', usual: 'optional', when: oidc },
  { part: 'oidc', path: 'oidc.idTokenAlg', kind: 'choice', usual: 'RS256', when: oidc },
  { part: 'oidc', path: 'oidc.claimsInIdToken', kind: 'flag', when: oidc },
  { part: 'oidc', path: 'oidc.refreshDays', kind: 'number', usual: '30', when: oidc },

  { part: 'saml', path: 'saml', kind: 'flag' },
  { part: 'saml', path: 'saml.metadata', kind: 'choice', usual: 'none', when: saml },
  { part: 'saml', path: 'saml.metadata.url', kind: 'text', when: is('saml.metadata', 'url') },
  { part: 'saml', path: 'saml.metadata.refreshHours', kind: 'number', when: is('saml.metadata', 'url') },
  {
    part: 'saml',
    path: 'saml.metadata.certificates',
    kind: 'pems',
    when: is('saml.metadata', 'url'),
    file: pemFile,
  },
  { part: 'saml', path: 'saml.metadata.xml', kind: 'long', when: is('saml.metadata', 'xml'), file: xmlFile },
  { part: 'saml', path: 'saml.entityId', kind: 'text', when: saml, required: true },
  { part: 'saml', path: 'saml.acsUrls', kind: 'lines', when: saml },
  { part: 'saml', path: 'saml.certificates', kind: 'pems', when: saml, file: pemFile },
  { part: 'saml', path: 'saml.nameId.format', kind: 'choice', usual: 'persistent', when: saml },
  { part: 'saml', path: 'saml.nameId.source', kind: 'choice', usual: '', when: saml },
  { part: 'saml', path: 'saml.nameId.force', kind: 'flag', when: saml },
  { part: 'saml', path: 'saml.attributes', kind: 'choice', usual: 'all', when: saml },
  { part: 'saml', path: 'saml.attributes.list', kind: 'long', when: is('saml.attributes', 'list') },
  { part: 'saml', path: 'saml.sign', kind: 'choice', usual: 'both', when: saml },
  { part: 'saml', path: 'saml.encrypt', kind: 'flag', when: saml },
  { part: 'saml', path: 'saml.wantSignedRequests', kind: 'flag', when: saml },
  { part: 'saml', path: 'saml.idpInitiated.allowed', kind: 'flag', when: saml },
  {
    part: 'saml',
    path: 'saml.idpInitiated.relayState',
    kind: 'text',
    when: is('saml.idpInitiated.allowed', true),
  },
  { part: 'saml', path: 'saml.sessionMinutes', kind: 'number', when: saml },
  { part: 'saml', path: 'saml.sloUrl', kind: 'text', when: saml },
  { part: 'saml', path: 'saml.sloResponseUrl', kind: 'text', when: saml },
  { part: 'saml', path: 'saml.sloBinding', kind: 'choice', usual: 'redirect', when: saml },
];

/** Whether a field is asked in this form: a section that is off asks nothing. */
export function isAsked(spec: Spec, form: AppForm): boolean {
  if (spec.path.startsWith('oidc.') && !oidc(form)) return false;
  if (spec.path.startsWith('saml.') && !saml(form)) return false;
  return spec.when?.(form) ?? true;
}

function at(settings: unknown, path: string): unknown {
  let one = settings;
  for (const key of path.split('.')) one = (one as Settings | undefined)?.[key];
  return one;
}

function put(settings: Settings, path: string, value: unknown): void {
  const keys = path.split('.');
  const last = keys.pop() ?? '';
  let one = settings;
  for (const key of keys) {
    one[key] ??= {};
    one = one[key] as Settings;
  }
  if (value === undefined) delete one[last];
  else one[last] = value;
}

const pairsOf = (value: unknown) => Object.entries((value ?? {}) as Settings);

/** The settings as a form: every field there could be. */
export function readForm(settings: Settings): AppForm {
  const {
    access,
    release,
    saml: section,
  } = settings as {
    access?: { groups?: string[] };
    release?: { groups?: unknown };
    saml?: { metadata?: { url?: string; xml?: string }; attributes?: Settings };
  };
  const form: Record<string, Value> = {};
  for (const spec of specs) form[spec.path] = readField(spec, at(settings, spec.path));
  form.oidc = settings.oidc !== undefined;
  form.saml = section !== undefined;
  form.access = access?.groups === undefined ? 'all' : 'groups';
  const groups = release?.groups;
  form['release.groups'] = Array.isArray(groups) ? 'list' : String(groups ?? 'none');
  form['release.groups.list'] = Array.isArray(groups) ? groups.join('\n') : '';
  const from = section?.metadata;
  form['saml.metadata'] = from?.url !== undefined ? 'url' : from?.xml !== undefined ? 'xml' : 'none';
  form['saml.attributes'] = section?.attributes === undefined ? 'all' : 'list';
  form['saml.attributes.list'] = pairsOf(section?.attributes)
    .map(([name, value]) => `${name} = ${attributeText(value)}`)
    .join('\n');
  return form;
}

function readField({ kind, usual }: Spec, value: unknown): Value {
  if (kind === 'flag') return value === undefined ? usual === true : value === true;
  if (kind === 'checks') return (value as string[] | undefined) ?? (usual as string[] | undefined) ?? [];
  if (value === undefined) return usual ?? '';
  if (kind === 'lines' || kind === 'pems') return (value as string[]).map((one) => one.trim()).join('\n');
  if (kind === 'json') return JSON.stringify(value, undefined, 2);
  if (kind === 'pairs')
    return pairsOf(value)
      .map(([name, one]) => `${name} = ${String(one)}`)
      .join('\n');
  if (kind === 'lists')
    return pairsOf(value)
      .map(([name, one]) => `${name} = ${(one as string[]).join(', ')}`)
      .join('\n');
  return String(value);
}

/** An attribute: what stands in it, and where needed the format of its name and a friendly one. */
function attributeText(value: unknown): string {
  if (typeof value === 'string') return value;
  const { from = '', nameFormat, friendlyName } = value as Record<string, string | undefined>;
  return [from, nameFormat ?? (friendlyName ? '-' : undefined), friendlyName]
    .filter((one) => one !== undefined)
    .join(' | ');
}

/** A line that is not read, by the field it stands in. */
export class LineRefused extends Error {
  readonly path: string;
  constructor(path: string, line: string) {
    super(say.lineRefused(line));
    this.path = path;
  }
}

const linesOf = (text: Value | undefined) =>
  String(text ?? '')
    .split('\n')
    .map((one) => one.trim())
    .filter((one) => one !== '');

/** `name = value`, a line each; names of attributes may hold an equals sign but no space. */
function pairsIn(path: string, text: Value | undefined): [string, string][] {
  return linesOf(text).map((line) => {
    const cut = / = /.exec(line) ?? /=/.exec(line);
    const name = cut ? line.slice(0, cut.index).trim() : '';
    const value = cut ? line.slice(cut.index + cut[0].length).trim() : '';
    if (name === '' || value === '') throw new LineRefused(path, line);
    return [name, value];
  });
}

function pemsIn(text: string): string[] {
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g);
  return blocks ?? (text.trim() === '' ? [] : [text.trim()]);
}

/**
 * The settings as the form has them.
 * @throws LineRefused
 */
export function writeForm(before: Settings, form: AppForm): Settings {
  const settings = structuredClone(before);
  if (form.oidc !== true) delete settings.oidc;
  if (form.saml !== true) delete settings.saml;
  for (const spec of specs) {
    const { path, kind } = spec;
    if (path === 'oidc' || path === 'saml' || path === 'access' || path.endsWith('.list')) continue;
    if (path === 'saml.metadata' || path === 'saml.attributes' || path === 'release.groups') continue;
    const section = path.split('.')[0];
    if ((section === 'oidc' || section === 'saml') && form[section] !== true) continue;
    if (!isAsked(spec, form)) put(settings, path, kind === 'flag' ? false : undefined);
    else put(settings, path, writeField(spec, form[path]));
  }
  if (form.access === 'all') put(settings, 'access.groups', undefined);
  const groups = form['release.groups'];
  put(settings, 'release.groups', groups === 'list' ? linesOf(form['release.groups.list']) : groups);
  if (form.saml === true) {
    put(settings, 'saml.attributes', attributesIn(form));
    if (form['saml.metadata'] === 'none') put(settings, 'saml.metadata', undefined);
  }
  for (const empty of ['signOut', 'assurance'] as const)
    if (Object.keys((settings[empty] ?? {}) as Settings).length === 0) delete settings[empty];
  return settings;
}

/** What is not written where it is as usual: a section of its own, and PKCE, which public apps always need. */
const unsaid = new Set<string>(['assurance.secondFactor', 'oidc.pkce']);

function writeField({ path, kind, usual }: Spec, value: Value | undefined): unknown {
  if (kind === 'flag' || kind === 'checks') return value;
  const text = String(value ?? '').trim();
  if (kind === 'lines') return linesOf(value);
  if (kind === 'pems') return pemsIn(text);
  if (kind === 'pairs') return Object.fromEntries(pairsIn(path, value));
  if (kind === 'lists')
    return Object.fromEntries(
      pairsIn(path, value).map(([name, list]) => [
        name,
        list
          .split(',')
          .map((one) => one.trim())
          .filter(Boolean),
      ]),
    );
  // What is no option of its own, like "as usual", stands for nothing said.
  if (text === '') return path === 'description' ? '' : undefined;
  if (kind === 'choice') return text === usual && unsaid.has(path) ? undefined : text;
  if (kind === 'number') return Number.isFinite(Number(text)) ? Number(text) : text;
  return kind === 'json' ? jsonIn(path, text) : text;
}

function jsonIn(path: string, text: string): unknown {
  try {
    const given = JSON.parse(text) as Settings;
    return 'kty' in given ? { keys: [given] } : given;
  } catch {
    throw new LineRefused(path, text.slice(0, 40));
  }
}

function attributesIn(form: AppForm): Settings | undefined {
  if (form['saml.attributes'] !== 'list') return undefined;
  return Object.fromEntries(
    pairsIn('saml.attributes.list', form['saml.attributes.list']).map(([name, value]) => {
      const [from = '', nameFormat, friendlyName] = value.split('|').map((one) => one.trim());
      if (nameFormat === undefined) return [name, from];
      const format = nameFormat === '' || nameFormat === '-' ? {} : { nameFormat };
      return [name, { from, ...format, ...(friendlyName ? { friendlyName } : {}) }];
    }),
  );
}
