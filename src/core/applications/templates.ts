/**
 * Apps known by name: a few values only the operator knows become whole settings, and the values to paste on the other
 * side. Pure: what we are to apps (addresses, certificates) is handed in by whoever asks. An app made from a template is
 * an app like any other; it keeps the name of its template, so that a test can say what that app cannot do without.
 */
import { misfits } from '#kit/spelling/misfits.ts';
import { anyOidc, anySaml } from './any-app.ts';
import { type ApplicationSettings, applicationSettings } from './applications.ts';
import { atlassianCloud, atlassianDataCenter, atlassianDataCenterOidc, discourse } from './known-apps.ts';
import type { TemplateField } from './template-fields.ts';

/** What was given, by the names of the fields; a field without a value is not there. */
export type Values = Readonly<Record<string, string>>;

/** What we are to apps. */
export interface Ours {
  saml: {
    entityId: string;
    ssoUrl: string;
    sloUrl: string;
    metadataUrl: string;
    /** PEM: first the one that signs. */
    certificates: readonly string[];
  };
  oidc: { issuer: string; discoveryUrl: string };
}

/** One value to paste on the other side, under the name it has there. */
export interface Paste {
  label: string;
  value?: string;
  /** Known only where the app is made: its id, and its secret, which is shown once. */
  from?: 'client-id' | 'client-secret';
  /** Several lines. */
  long?: boolean;
}

/** What of a person such an app cannot do without. */
export interface TemplateNeed {
  value: 'givenName' | 'familyName' | 'name' | 'username' | 'email' | 'emailVerified' | 'nameId';
  why: string;
}

export interface AppTemplate {
  name: string;
  title: string;
  about: string;
  speaks: 'saml' | 'oidc';
  /** What such an app is mostly called here. */
  usual: { id: string; title: string };
  /** The other side wants our values before it shows those we ask for. */
  firstThere?: boolean;
  fields: readonly TemplateField[];
  /** Settings as a community file would say them; what is left out takes its default. */
  settings(values: Values): object;
  /** What fields cannot say one by one. */
  wrong?(values: Values): TemplateFault | undefined;
  /** What to paste on the other side; without settings, what does not hang on them. */
  there(settings: ApplicationSettings | undefined, ours: Ours): Paste[];
  needs: readonly TemplateNeed[];
  notes: readonly string[];
}

export interface TemplateFault {
  /** The value at fault; empty where it is the whole. */
  field: string;
  text: string;
}

export const templates: readonly AppTemplate[] = [
  atlassianCloud,
  atlassianDataCenter,
  atlassianDataCenterOidc,
  discourse,
  anySaml,
  anyOidc,
];

export function findTemplate(name: string): AppTemplate | undefined {
  return templates.find((one) => one.name === name);
}

export type ReadValues = { values: Values } | { faults: TemplateFault[] };

/** Reads what was given; a blank text is no value. Every fault at once. */
export function readValues(template: AppTemplate, given: Readonly<Record<string, string>>): ReadValues {
  const faults: TemplateFault[] = Object.keys(given)
    .filter((name) => !template.fields.some((field) => field.name === name))
    .map((field) => ({ field, text: `is no value of the template ${template.name}` }));
  const values: Record<string, string> = {};
  for (const { name, required, read } of template.fields) {
    const text = given[name]?.trim() ?? '';
    if (text === '') {
      if (required) faults.push({ field: name, text: 'is needed' });
      continue;
    }
    try {
      values[name] = read(text);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      faults.push({ field: name, text: error.message });
    }
  }
  const wrong = faults.length === 0 ? template.wrong?.(values) : undefined;
  if (wrong) faults.push(wrong);
  return faults.length > 0 ? { faults } : { values };
}

/** The settings a template makes, as a community file would say them: other keys may be laid over before they are read. */
export function plainSettings(template: AppTemplate, values: Values): Record<string, unknown> {
  return { title: template.usual.title, ...template.settings(values), template: template.name };
}

export type MadeSettings = { values: Values; settings: ApplicationSettings } | { faults: TemplateFault[] };

/** Values → whole settings, or what is wrong with which value. */
export function makeSettings(template: AppTemplate, given: Readonly<Record<string, string>>): MadeSettings {
  const read = readValues(template, given);
  if ('faults' in read) return read;
  const made = applicationSettings.safeParse(plainSettings(template, read.values));
  if (made.success) return { values: read.values, settings: made.data };
  return {
    faults: misfits(made.error).map(({ path, text }) => ({ field: fieldOf(template, path), text })),
  };
}

/** The value a refused setting came from: its key mostly has the same name. */
function fieldOf(template: AppTemplate, path: string): string {
  const names = path.split('.');
  const direct = template.fields.find(({ name }) => names.includes(name));
  const several = template.fields.find(({ name }) => names.includes(`${name}s`));
  return (direct ?? several)?.name ?? names.join('.');
}

/** The template an app was made from, or the one that fits the protocol it speaks. */
export function templateOf(settings: ApplicationSettings): AppTemplate | undefined {
  const known = settings.template === undefined ? undefined : findTemplate(settings.template);
  return known ?? (settings.saml ? anySaml : settings.oidc ? anyOidc : undefined);
}

/** What to paste on the other side. Without an app, what does not hang on it. */
export function pastes(
  template: AppTemplate,
  app: { id?: string; settings?: ApplicationSettings },
  ours: Ours,
): Paste[] {
  return template
    .there(app.settings, ours)
    .map((one) => (one.from === 'client-id' && app.id !== undefined ? { ...one, value: app.id } : one));
}
