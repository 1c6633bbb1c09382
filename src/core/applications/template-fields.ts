/** What templates ask an operator: each value is one text, read into what settings need, or refused in a sentence. */
import { readSpMetadata } from '#wire/saml/metadata.ts';
import { SamlRefusal } from '#wire/saml/refusal.ts';
import { isServerUri } from './addresses.ts';
import { publicKeySet } from './client-keys.ts';

export interface TemplateField {
  /** The key under `values`. */
  name: string;
  title: string;
  help: string;
  example?: string;
  required: boolean;
  /** Where one of a few is meant; the first counts when nothing is said. */
  choices?: readonly { value: string; title: string }[];
  /** Several lines are typed. */
  long?: boolean;
  /** What is typed may as well be the text of a file, of these kinds. */
  file?: string;
  /** What settings need of the text that was typed; an Error whose message says what is wrong. */
  read(text: string): string;
}

type Asked = Omit<TemplateField, 'required' | 'read' | 'choices'> & { required?: boolean };

function refuse(text: string): never {
  throw new TypeError(text);
}

/** A text as it is. */
export function textField(asked: Asked & { most?: number }): TemplateField {
  const { most = 200, required = false, ...rest } = asked;
  return {
    ...rest,
    required,
    read: (text) => (text.length > most ? refuse(`is longer than ${most} characters`) : text),
  };
}

/** An address of an app, without a slash at its end. */
export function addressField({ required = false, ...rest }: Asked): TemplateField {
  return {
    ...rest,
    required,
    read(text) {
      const whole = /^[a-z][a-z0-9+.-]*:/i.test(text) ? text : `https://${text}`;
      if (!isServerUri(whole)) return refuse('must be an address such as https://app.example.org');
      return whole.replace(/\/+$/, '');
    },
  };
}

/** Several addresses: by lines, commas or spaces. They are kept letter by letter. */
export function addressesField({ required = false, ...rest }: Asked): TemplateField {
  return { ...rest, long: true, required, read: (text) => listOf(text).join('\n') };
}

/** The entries of a text that is a list: by lines, commas or spaces. */
export function listOf(text: string | undefined): string[] {
  return (text ?? '').split(/[\s,]+/).filter((one) => one !== '');
}

/** Names of groups: by lines or commas, as they may hold spaces. */
export function groupsField(): TemplateField {
  return {
    name: 'groups',
    title: 'Groups it hears of',
    help: 'Names of groups, one a line or with commas. Left out, it hears of none.',
    example: 'moderators',
    required: false,
    long: true,
    read: (text) => groupsOf(text).join('\n'),
  };
}

/** The names in such a text. */
export function groupsOf(text: string | undefined): string[] {
  return (text ?? '')
    .split(/[\n,]+/)
    .map((one) => one.trim())
    .filter((one) => one !== '');
}

/** One of a few. */
export function choiceField(
  asked: Asked & { choices: readonly { value: string; title: string }[] },
): TemplateField {
  const { choices, required = false, ...rest } = asked;
  const known = choices.map(({ value }) => value);
  return {
    ...rest,
    choices,
    required,
    read: (text) => (known.includes(text) ? text : refuse(`must be one of ${known.join(', ')}`)),
  };
}

/** The site of an Atlassian organisation: its name, its host or any address there. */
export function siteField(): TemplateField {
  return {
    name: 'site',
    title: 'Site',
    help: 'What stands before .atlassian.net where people open Jira or Confluence.',
    example: 'harbour',
    required: true,
    read(text) {
      const host = text.replace(/^https:\/\//i, '').replace(/\/.*$/s, '');
      const site = host.toLowerCase().replace(/\.atlassian\.net$/, '');
      if (!/^[a-z0-9][a-z0-9-]{0,62}$/.test(site)) return refuse('must be the name before .atlassian.net');
      return site;
    },
  };
}

/** The id Atlassian gives a connection: alone, or as part of the addresses it shows. */
export function connectionField(): TemplateField {
  return {
    name: 'uniqueId',
    title: 'Unique id',
    help: 'Atlassian shows it in “Service provider entity URL” once our values were saved there. The whole URL will do.',
    example: '0b1c4c2e-8f0a-4a3e-9d0b-1f2e3d4c5b6a',
    required: true,
    read(text) {
      const id = text
        .replace(/^https:\/\/auth\.atlassian\.com\/saml\//i, '')
        .replace(/^https:\/\/auth\.atlassian\.com\/login\/callback\?connection=saml-/i, '');
      if (!/^[A-Za-z0-9-]{6,80}$/.test(id))
        return refuse('must be the id at the end of https://auth.atlassian.com/saml/…');
      return id;
    },
  };
}

/** Public keys of an app, as the JSON of a key set or of one key. */
export function keysField(asked: Asked): TemplateField {
  return {
    ...asked,
    long: true,
    required: false,
    read(text) {
      const read = publicKeySet.safeParse(keySetOf(text));
      if (read.success) return JSON.stringify(read.data);
      const [issue] = read.error.issues;
      return refuse(issue?.code === 'custom' ? issue.message : 'must be a key set as JSON: {"keys": [ … ]}');
    },
  };
}

/** One key alone is a set of one. */
function keySetOf(text: string): unknown {
  try {
    const given: unknown = JSON.parse(text);
    return typeof given === 'object' && given !== null && 'kty' in given ? { keys: [given] } : given;
  } catch {
    return undefined;
  }
}

/** The metadata of a service provider, as text. */
export function metadataField(asked: Asked): TemplateField {
  return {
    ...asked,
    long: true,
    required: false,
    read(text) {
      if (text.length > 300_000) return refuse('is larger than 300 kB');
      try {
        readSpMetadata(text);
        return text;
      } catch (error) {
        if (error instanceof SamlRefusal) return refuse(error.message);
        throw error;
      }
    },
  };
}
