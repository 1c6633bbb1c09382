/** The settings of an upstream as the console changes them, and the fields of its kind, made from their JSON Schema. */
import { type Answer, call } from '#consoles/admin/web/client.ts';
import { forgetAll, useLoad } from '#consoles/admin/web/load.ts';

export type Upstream = Answer<'GET /upstreams/:id'>;
export type Preset = Answer<'GET /upstream-presets'>['items'][number];
export type Kind = 'oidc' | 'github' | 'saml' | 'ldap';
export type Section = Readonly<Record<string, unknown>>;

export interface GroupRule {
  from: string;
  to: string;
  owned: boolean;
}

/** The API hands them on as the house keeps them. */
export interface Settings extends Partial<Record<Kind, Section>> {
  title: string;
  enabled: boolean;
  button: boolean;
  privateNetwork: boolean;
  newPeople: 'ask' | 'create' | 'refuse';
  domains: string[];
  authoritative: string[];
  trustAddresses?: boolean;
  require: { amr: string[]; acr: string[] };
  secondFactor: { amr: string[]; acr: string[] };
  sync: 'first' | 'always';
  mapping: {
    [field: string]: string | Record<string, string> | undefined;
    attributes: Record<string, string>;
  };
  groups: GroupRule[];
}

export const settingsOf = (upstream: { settings: Record<string, unknown> }): Settings =>
  upstream.settings as unknown as Settings;

/** What a new one begins with: nobody sees it before somebody has tried it. */
export function usualSettings(preset: Preset): Settings {
  return {
    title: preset.title,
    enabled: false,
    button: true,
    privateNetwork: false,
    newPeople: 'ask',
    domains: [],
    authoritative: [],
    require: { amr: [], acr: [] },
    secondFactor: { amr: [], acr: [] },
    sync: 'first',
    mapping: { attributes: {} },
    groups: [],
    ...preset.usual.settings,
  };
}

/** The fields of the kind as JSON Schema says them. */
export interface Schema {
  type?: string;
  description?: string;
  default?: unknown;
  enum?: readonly unknown[];
  maxLength?: number;
  items?: Schema;
  properties?: Record<string, Schema>;
  required?: readonly string[];
}

export interface Field {
  /** Names from the section inwards, with dots. */
  path: string;
  schema: Schema;
  required: boolean;
}

/** What is no choice of this form: the preset was chosen before. */
const decided = new Set(['preset']);

export function fieldsOf(schema: Schema, before = ''): Field[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, one]) => {
    const path = `${before}${name}`;
    if (decided.has(path)) return [];
    if (one.properties) return fieldsOf(one, `${path}.`);
    // What is within an optional part is needed only with it.
    const required = before === '' && one.default === undefined && (schema.required?.includes(name) ?? false);
    return [{ path, schema: one, required }];
  });
}

export function valueAt(section: Section, path: string): unknown {
  let at: unknown = section;
  for (const name of path.split('.')) at = (at as Record<string, unknown> | undefined)?.[name];
  return at;
}

/** The section with one value changed; with undefined it is taken out. */
export function withValue(section: Section, path: string, value: unknown): Section {
  const [name = '', ...rest] = path.split('.');
  const { [name]: old, ...others } = section;
  const next = rest.length > 0 ? withValue((old as Section | undefined) ?? {}, rest.join('.'), value) : value;
  return next === undefined ? others : { ...others, [name]: next };
}

/** Without parts that say nothing but what is usual anyway: an optional part that is there would have to be whole. */
export function withoutIdle(section: Section, schema: Schema): Section {
  return Object.fromEntries(
    Object.entries(section).filter(([name, value]) => {
      const part = schema.properties?.[name];
      if (!part?.properties || schema.required?.includes(name)) return true;
      return Object.entries(value as Section).some(
        ([inner, one]) =>
          JSON.stringify(one) !== JSON.stringify(part.properties?.[inner]?.default) && one !== undefined,
      );
    }),
  );
}

export function kindOf(settings: Settings): Kind {
  return (['oidc', 'github', 'saml', 'ldap'] as const).find((kind) => settings[kind]) ?? 'oidc';
}

export function usePresets() {
  const { data, error, slow, reload } = useLoad('upstream presets', () => call('GET /upstream-presets'));
  return { all: data?.items, error, slow, reload };
}

/** The preset an upstream was set up by, as far as its own settings tell. */
export function presetOf(all: readonly Preset[] | undefined, settings: Settings): Preset | undefined {
  const kind = kindOf(settings);
  const fits = all?.filter((one) => one.kind === kind);
  const habit = (section: unknown) => (section as { preset?: string } | undefined)?.preset ?? 'generic';
  const own = fits?.find((one) => habit(one.usual.settings[kind]) === habit(settings[kind]));
  return own ?? fits?.[0];
}

export async function saveUpstream(
  id: string,
  settings: Settings,
  more: { credentials?: Record<string, string>; version?: number } = {},
): Promise<Upstream> {
  const body = { settings, ...more } as never;
  const saved = await call('PUT /upstreams/:id', { params: { id }, body });
  forgetAll();
  return saved;
}
