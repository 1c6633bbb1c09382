/** The connector's own options as fields, made from their JSON Schema, and its credentials, which only go in. */
import type { Refusal } from '#consoles/admin/web/client.ts';
import { ChecksField, type Choice } from '#consoles/admin/web/parts/choices.tsx';
import { SelectField, TextField } from '#consoles/admin/web/parts/fields.tsx';
import { setupWords } from '#consoles/admin/web/words-target-setup.ts';
import type { Connector } from './target-connectors.ts';
import { faultOf } from './target-save.tsx';

const say = setupWords;

interface Schema {
  type?: string;
  description?: string;
  default?: unknown;
  enum?: readonly unknown[];
  items?: Schema;
  properties?: Record<string, Schema>;
  required?: readonly string[];
}

type Options = Readonly<Record<string, unknown>>;

/** What a target cannot do without, beside what its connector requires; everything else is folded away. */
const first: readonly string[] = ['directoryId', 'baseUrl', 'orgId', 'outsiders', 'authentication', 'url'];

interface OptionsProps {
  connector: Connector;
  options: Options;
  refusal: Refusal | undefined;
  onInput(options: Record<string, unknown>): void;
}

export function OptionFields({ connector, options, refusal, onInput }: OptionsProps) {
  const schema = connector.options as Schema;
  const all = Object.entries(schema.properties ?? {});
  const field = ([name, one]: [string, Schema]) => (
    <OptionField
      key={name}
      name={name}
      schema={one}
      required={schema.required?.includes(name) ?? false}
      value={options[name]}
      error={faultOf(refusal, `options.${name}`)}
      onInput={(value) => {
        const { [name]: _, ...others } = options;
        onInput(value === undefined ? others : { ...others, [name]: value });
      }}
    />
  );
  const isFirst = ([name]: [string, Schema]) => first.includes(name) || schema.required?.includes(name);
  const rest = all.filter((one) => !isFirst(one));
  return (
    <>
      {all.filter(isFirst).map(field)}
      {rest.length > 0 && (
        <details class="more-of" open={rest.some(([name]) => options[name] !== undefined)}>
          <summary>{say.moreOptions}</summary>
          <div class="stack-s inside">
            <p class="help">{say.moreOptionsHelp}</p>
            {rest.map(field)}
          </div>
        </details>
      )}
    </>
  );
}

/** "orgId" is "Org id" where nobody wrote it better. */
export function titleOf(name: string, known: Record<string, string>): string {
  const spaced = name.replaceAll(/([A-Z])/g, (letter) => ` ${letter.toLowerCase()}`);
  return known[name] ?? spaced.charAt(0).toUpperCase() + spaced.slice(1);
}

interface OptionProps {
  name: string;
  schema: Schema;
  required: boolean;
  value: unknown;
  error?: string;
  onInput(value: unknown): void;
}

function OptionField(props: OptionProps) {
  const { name, schema, required, value, error, onInput } = props;
  const shared = {
    name: `option-${name}`,
    label: titleOf(name, say.optionNames),
    help: schema.description,
    required,
    error,
  };
  if (schema.enum || schema.type === 'boolean') {
    const choices = schema.enum ?? [true, false];
    const labels = (one: unknown) => (one === true ? say.yes : one === false ? say.no : String(one));
    const usual = schema.default === undefined ? say.asProfile : say.asStands(labels(schema.default));
    const options = [
      { value: '', label: usual },
      ...choices
        .filter((one) => one !== schema.default)
        .map((one) => ({ value: String(one), label: labels(one) })),
    ];
    return (
      <SelectField
        {...shared}
        value={value === undefined || value === schema.default ? '' : String(value)}
        options={options}
        onInput={(typed) => onInput(choices.find((one) => String(one) === typed))}
      />
    );
  }
  if (schema.type === 'array') return <LinesField {...props} shared={shared} />;
  const numeric = schema.type === 'integer' || schema.type === 'number';
  return (
    <TextField
      {...shared}
      value={value === undefined ? '' : String(value)}
      placeholder={schema.default === undefined ? undefined : String(schema.default)}
      numeric={numeric}
      literal
      onInput={(typed) => onInput(typed === '' ? undefined : numeric ? numberOf(typed) : typed)}
    />
  );
}

/** A number where it is one; else what was typed, for the house to refuse in words. */
export function numberOf(typed: string): number | string {
  const value = Number(typed.replace(',', '.'));
  return typed.trim() !== '' && Number.isFinite(value) ? value : typed;
}

function LinesField(
  props: OptionProps & { shared: Omit<Parameters<typeof TextField>[0], 'value' | 'onInput'> },
) {
  const { schema, value, error, onInput, shared } = props;
  const { items } = schema;
  const given = Array.isArray(value) ? value : [];
  if (items?.enum) {
    const options: Choice<string>[] = items.enum.map((one) => ({ value: String(one), label: String(one) }));
    return (
      <ChecksField
        name={shared.name}
        label={shared.label}
        options={options}
        values={given.map(String)}
        error={error}
        onInput={(values) => onInput(values.length > 0 ? values : undefined)}
      />
    );
  }
  const names = Object.keys(items?.properties ?? {});
  const lines = given.map((one) =>
    names.length > 0 ? names.map((name) => (one as Options)[name] ?? '').join(' ') : String(one),
  );
  const read = (typed: string) => {
    if (typed.trim() === '') return undefined;
    return typed.split('\n').map((line) => {
      if (names.length === 0) return line.trim();
      const parts = line.trim().split(/\s+/);
      return Object.fromEntries(names.map((name, index) => [name, parts[index] ?? '']));
    });
  };
  const how = names.length > 0 ? say.wordsPerLine(names.join(', ')) : say.onePerLine;
  return (
    <TextField
      {...shared}
      help={[shared.help, how].filter(Boolean).join(' ')}
      value={lines.join('\n')}
      long
      rows={2}
      literal
      onInput={(typed) => onInput(read(typed))}
    />
  );
}

export function CredentialFields(props: {
  connector: Pick<Connector, 'credentials'>;
  values: Readonly<Record<string, string>>;
  areSet: boolean;
  refusal: Refusal | undefined;
  onInput(values: Record<string, string>): void;
}) {
  const { connector, values, areSet, refusal, onInput } = props;
  return (
    <>
      <p class="muted small">
        {areSet ? `${say.credentialsSet} ${say.credentialKeep}` : say.credentialsHelp}{' '}
        {areSet && say.credentialsAgain}
      </p>
      {connector.credentials.map(({ name, text, required }) => (
        <TextField
          key={name}
          name={`credential-${name}`}
          label={titleOf(name, say.credentialNames)}
          help={text}
          value={values[name] ?? ''}
          onInput={(typed) => onInput({ ...values, [name]: typed })}
          error={faultOf(refusal, `credentials.${name}`)}
          required={required && !areSet}
          literal
          secret
        />
      ))}
    </>
  );
}
