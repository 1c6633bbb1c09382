/** The fields of an upstream's kind (its addresses, its client, how it names people) and its credentials. */
import type { Refusal } from '#consoles/admin/web/client.ts';
import { SelectField, TextField } from '#consoles/admin/web/parts/fields.tsx';
import { upstreamWords } from '#consoles/admin/web/words-upstreams.ts';
import { CredentialFields, numberOf, titleOf } from './target-options.tsx';
import { faultOf } from './target-save.tsx';
import {
  type Field,
  fieldsOf,
  kindOf,
  type Preset,
  type Schema,
  type Settings,
  valueAt,
  withoutIdle,
  withValue,
} from './upstream-settings.ts';

const say = upstreamWords;

export interface PartProps {
  settings: Settings;
  refusal: Refusal | undefined;
  onInput(settings: Settings): void;
}

/** @param props.some only what is looked at first; the rest takes what is usual */
export function KindFields(props: PartProps & { preset: Preset; some?: boolean }) {
  const { preset, settings, refusal, onInput, some } = props;
  const kind = kindOf(settings);
  const schema = preset.options as Schema;
  const section = settings[kind] ?? {};
  const all = fieldsOf(schema);
  const isFirst = ({ path, required }: Field) => required || preset.first.includes(path);
  const first = all.filter(isFirst).sort((one, other) => place(preset, one) - place(preset, other));
  const rest = some ? [] : all.filter((one) => !isFirst(one));
  const field = (one: Field) => (
    <KindField
      key={one.path}
      field={one}
      value={valueAt(section, one.path)}
      error={faultOf(refusal, `${kind}.${one.path}`)}
      onInput={(value) =>
        onInput({ ...settings, [kind]: withoutIdle(withValue(section, one.path, value), schema) })
      }
    />
  );
  const isTouched = rest.some(
    ({ path, schema: one }) =>
      valueAt(section, path) !== undefined &&
      JSON.stringify(valueAt(section, path)) !== JSON.stringify(one.default),
  );
  return (
    <>
      {first.map(field)}
      {rest.length > 0 && (
        <details class="more-of" open={isTouched}>
          <summary>{say.more}</summary>
          <div class="stack-s inside">
            <p class="help">{say.moreHelp}</p>
            {rest.map(field)}
          </div>
        </details>
      )}
    </>
  );
}

/** As the preset names them; what is needed and not named comes before. */
const place = (preset: Preset, { path }: Field) => preset.first.indexOf(path);

interface FieldProps {
  field: Field;
  value: unknown;
  error?: string;
  onInput(value: unknown): void;
}

const yesNo = (value: unknown) => (value === true ? say.yes : say.no);

function KindField(props: FieldProps) {
  const { field, value, error, onInput } = props;
  const { path, schema, required } = field;
  const shared = {
    name: `kind-${path.replaceAll('.', '-')}`,
    label: titleOf(path, say.names),
    help: schema.description,
    required,
    error,
  };
  if (schema.enum || schema.type === 'boolean') {
    const usual = schema.default ?? (schema.type === 'boolean' ? false : '');
    const choices = schema.enum ?? [true, false];
    const label = (one: unknown) => (schema.enum ? String(one) : yesNo(one));
    return (
      <SelectField
        {...shared}
        required
        value={String(value ?? usual)}
        options={choices.map((one) => ({
          value: String(one),
          label: one === usual ? say.usual(label(one)) : label(one),
        }))}
        onInput={(typed) => onInput(choices.find((one) => String(one) === typed))}
      />
    );
  }
  if (schema.type === 'array') return <ManyField {...props} shared={shared} />;
  const numeric = schema.type === 'integer' || schema.type === 'number';
  const long = (schema.maxLength ?? 0) > 10_000;
  return (
    <TextField
      {...shared}
      value={value === undefined ? '' : String(value)}
      placeholder={schema.default === undefined ? undefined : String(schema.default)}
      numeric={numeric}
      long={long}
      rows={long ? 5 : undefined}
      code
      literal
      onInput={(typed) =>
        onInput(typed === '' ? undefined : numeric ? numberOf(typed) : long ? typed : typed.trim())
      }
    />
  );
}

/** Texts one a line; certificates one after another, each within its own lines. */
function ManyField(
  props: FieldProps & { shared: Omit<Parameters<typeof TextField>[0], 'value' | 'onInput'> },
) {
  const { field, value, onInput, shared } = props;
  const blocks = (field.schema.items?.maxLength ?? 0) > 2000;
  const given = Array.isArray(value) ? value.map(String) : [];
  const how = blocks ? say.oneAfterAnother : say.onePerLine;
  return (
    <TextField
      {...shared}
      help={[shared.help, how].filter(Boolean).join(' ')}
      value={given.join('\n')}
      long
      rows={blocks ? 5 : 2}
      code
      literal
      onInput={(typed) => onInput(typed.trim() === '' ? undefined : (blocks ? blocksOf : linesOf)(typed))}
    />
  );
}

/** What is being typed stays as it is; blank lines go when it is read by the house. */
const linesOf = (typed: string): string[] => typed.split('\n').map((line) => line.trimStart());

function blocksOf(typed: string): string[] {
  const end = '-----END CERTIFICATE-----';
  const parts = typed.split(end);
  if (parts.length === 1) return [typed];
  const rest = parts.pop() ?? '';
  const whole = parts.map((part) => `${part.trimStart()}${end}`);
  return rest.trim() === '' ? whole : [...whole, rest.trimStart()];
}

/** Lines and blocks without the empty ones, as they are saved. */
export function tidied(settings: Settings): Settings {
  const clean = (value: unknown): unknown => {
    if (Array.isArray(value))
      return value.map((one) => (typeof one === 'string' ? one.trim() : one)).filter((one) => one !== '');
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, clean(one)]));
  };
  return clean(settings) as Settings;
}

export function CredentialPart(props: {
  preset: Preset;
  values: Readonly<Record<string, string>>;
  areSet: boolean;
  refusal: Refusal | undefined;
  onInput(values: Record<string, string>): void;
}) {
  const { preset, ...rest } = props;
  if (preset.credentials.length === 0) return null;
  return <CredentialFields connector={preset} {...rest} />;
}

export function PrivateField({ settings, onInput }: Omit<PartProps, 'refusal'>) {
  return (
    <SelectField
      name="private"
      label={say.private}
      value={String(settings.privateNetwork)}
      required
      options={[
        { value: 'false', label: say.no },
        { value: 'true', label: say.yes },
      ]}
      onInput={(typed) => onInput({ ...settings, privateNetwork: typed === 'true' })}
    />
  );
}
