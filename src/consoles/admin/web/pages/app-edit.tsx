/** `/admin/apps/:id/settings/:part`: every setting of an app, a page for each part, saved all together. */
import { useState } from 'preact/hooks';
import { type Answer, call, Refusal } from '#consoles/admin/web/client.ts';
import { useDraft } from '#consoles/admin/web/draft.ts';
import { forgetAll, useLoad } from '#consoles/admin/web/load.ts';
import { Button } from '#consoles/admin/web/parts/button.tsx';
import { Check } from '#consoles/admin/web/parts/check.tsx';
import { ChecksField, RadioField } from '#consoles/admin/web/parts/choices.tsx';
import { TextField } from '#consoles/admin/web/parts/fields.tsx';
import { FileText } from '#consoles/admin/web/parts/file-text.tsx';
import { Form } from '#consoles/admin/web/parts/form.tsx';
import { Notice, Refused } from '#consoles/admin/web/parts/notice.tsx';
import { Empty, Page, Skeleton, Tabs } from '#consoles/admin/web/parts/page.tsx';
import { useSession } from '#consoles/admin/web/session.tsx';
import { words } from '#consoles/admin/web/words.ts';
import { type FieldText, settingWords } from '#consoles/admin/web/words-app-settings.ts';
import {
  type AppForm,
  isAsked,
  LineRefused,
  type Part,
  parts,
  readForm,
  type Spec,
  specs,
  type Value,
  writeForm,
} from './app-form.ts';
import { settingsOf } from './app-settings.ts';

const say = settingWords;
type Application = Answer<'GET /applications/:id'>;
type Body = { settings: never; version?: number };

export function AppEdit({ id, part = 'general' }: { id: string; part?: string }) {
  const { can } = useSession();
  const { data, error, slow, reload } = useLoad(`app ${id}`, () =>
    call('GET /applications/:id', { params: { id } }),
  );
  const title = data ? settingsOf(data).title : id;
  const up = { href: `/admin/apps/${id}`, label: title };
  const known = parts.find((one) => one === part);
  if (!known || (data && !can('applications.write', id)))
    return (
      <Page title={words.notFound} up={up}>
        <Empty title={words.notFound} text={words.notFoundText} />
      </Page>
    );
  return (
    <Page title={say.title(title)} up={up}>
      {error && <Refused error={error} retry={reload} />}
      {slow && <Skeleton rows={8} />}
      {data && <Settings key={id} app={data} part={known} onSaved={reload} />}
    </Page>
  );
}

/** What is wrong, by the path of a field; a refusal of the API or a line that is not read. */
type Faults = Readonly<Record<string, string>>;

function Settings({ app, part, onSaved }: { app: Application; part: Part; onSaved(): void }) {
  const draft = useDraft<{ form: AppForm; version: number }>(`settings of ${app.id}`, {
    form: readForm(app.settings),
    version: app.version,
  });
  const { form, version } = draft.value;
  const [state, setState] = useState<{ busy?: boolean; saved?: boolean; refusal?: Refusal; faults: Faults }>({
    faults: {},
  });
  const change = (path: string, value: Value) => {
    draft.change({ version, form: { ...form, [path]: value } });
    setState({ faults: state.faults });
  };
  const save = async () => {
    setState({ busy: true, faults: {} });
    try {
      const settings = writeForm(app.settings, form);
      const body = { settings, version } as unknown as Body;
      await call('PUT /applications/:id', { params: { id: app.id }, body });
      draft.discard();
      forgetAll();
      onSaved();
      setState({ saved: true, faults: {} });
    } catch (problem) {
      if (problem instanceof LineRefused) setState({ faults: { [problem.path]: problem.message } });
      else if (problem instanceof Refusal) setState({ refusal: problem, faults: faultsOf(problem) });
      else throw problem;
    }
  };
  const base = `/admin/apps/${app.id}/settings`;
  return (
    <>
      <Tabs
        label={say.settings}
        items={parts.map((one) => ({ href: `${base}/${one}`, label: say.parts[one] }))}
        current={`${base}/${part}`}
      />
      <Form class="card fields settings" onSend={save} answer={state.faults}>
        <Said state={state} part={part} stale={draft.changed && version !== app.version} />
        {part === 'oidc' && settingsOf(app).oidc?.registered && (
          <Notice tone="info" title={say.registered}>
            {say.registeredText}
          </Notice>
        )}
        {specs
          .filter((spec) => spec.part === part && isAsked(spec, form))
          .map((spec) => (
            <SettingField
              key={spec.path}
              spec={spec}
              value={form[spec.path] ?? ''}
              error={state.faults[spec.path]}
              onInput={(value) => change(spec.path, value)}
            />
          ))}
        {draft.changed && <p class="muted small">{say.unsaved}</p>}
        <div class="actions">
          <Button id="save" label={say.save} busy={state.busy} />
          {draft.changed && (
            <Button
              id="discard"
              label={say.discard}
              kind="quiet"
              onClick={() => {
                draft.discard();
                setState({ faults: {} });
              }}
            />
          )}
        </div>
      </Form>
    </>
  );
}

function Said(props: {
  state: { saved?: boolean; refusal?: Refusal; faults: Faults };
  part: Part;
  stale: boolean;
}) {
  const { state, part, stale } = props;
  const { saved, refusal, faults } = state;
  const others = specs.filter((spec) => spec.part !== part && faults[spec.path] !== undefined);
  const placed = refusal && Object.keys(refusal.fields).every((name) => fieldOf(name) !== undefined);
  const isPlaced = placed && Object.keys(refusal.fields).length > 0;
  return (
    <>
      {saved && (
        <Notice tone="success" live>
          {say.saved}
        </Notice>
      )}
      {stale && <Notice tone="warning">{say.stale}</Notice>}
      {refusal && !isPlaced && <Refused error={refusal} />}
      {others.length > 0 && (
        <Notice tone="danger" title={say.elsewhere} live>
          <ul class="lines">
            {others.map(({ path, part: place }) => (
              <li key={path}>
                {say.parts[place]}, {say.fields[path].label}: {faults[path]}
              </li>
            ))}
          </ul>
        </Notice>
      )}
    </>
  );
}

/** The field a refused setting belongs to: its own path, or the nearest above it. */
function fieldOf(name: string): Spec | undefined {
  const path = name.replace(/^settings\./, '');
  return specs
    .filter((spec) => path === spec.path || path.startsWith(`${spec.path}.`))
    .sort((one, other) => other.path.length - one.path.length)[0];
}

function faultsOf(refusal: Refusal): Faults {
  return Object.fromEntries(
    Object.entries(refusal.fields).flatMap(([name, text]) => {
      const spec = fieldOf(name);
      return spec ? [[spec.path, text]] : [];
    }),
  );
}

interface FieldProps {
  spec: Spec;
  value: Value;
  error?: string;
  onInput(value: Value): void;
}

function SettingField({ spec, value, error, onInput }: FieldProps) {
  const { path, kind, required = false, file } = spec;
  const { label, help, options = {} }: FieldText = say.fields[path];
  // What one chooses gets an id of name and value: they must not meet the name of another field.
  const name = path.replaceAll('.', '_');
  const choices = Object.entries(options).map(([one, text]) => ({ value: one, label: text }));
  if (kind === 'flag')
    return (
      <Check name={name} label={label} help={help} checked={value === true} onInput={onInput} error={error} />
    );
  if (kind === 'checks')
    return (
      <ChecksField
        name={name}
        label={label}
        options={choices}
        values={value as string[]}
        onInput={onInput}
        error={error}
      />
    );
  if (kind === 'choice')
    return (
      <RadioField
        name={name}
        label={label}
        options={choices.map((one) => ({ ...one, ...(one === choices[0] && help ? { help } : {}) }))}
        value={String(value)}
        onInput={onInput}
        error={error}
      />
    );
  const long = kind !== 'text' && kind !== 'number';
  return (
    <div class="setting">
      <TextField
        name={name}
        label={label}
        help={help}
        value={String(value)}
        onInput={onInput}
        error={error}
        required={required}
        long={long}
        rows={kind === 'lines' ? 3 : long ? 5 : undefined}
        numeric={kind === 'number'}
        code={path !== 'title' && path !== 'description' && path !== 'signOut.note' && kind !== 'number'}
      />
      {file && <FileText name={name} kinds={file} onText={onInput} />}
    </div>
  );
}
