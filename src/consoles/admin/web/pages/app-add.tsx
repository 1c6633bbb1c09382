/** `/admin/apps/add`: which app it is, what only the operator knows of it, and what to paste there first. */
import { useLocation } from 'preact-iso';
import { useAct } from '#consoles/admin/web/act.ts';
import { type Answer, call } from '#consoles/admin/web/client.ts';
import { useDraft } from '#consoles/admin/web/draft.ts';
import { forgetAll, useLoad } from '#consoles/admin/web/load.ts';
import { Button, LinkButton } from '#consoles/admin/web/parts/button.tsx';
import { RadioField } from '#consoles/admin/web/parts/choices.tsx';
import { TextField } from '#consoles/admin/web/parts/fields.tsx';
import { FileText } from '#consoles/admin/web/parts/file-text.tsx';
import { Form } from '#consoles/admin/web/parts/form.tsx';
import { Refused } from '#consoles/admin/web/parts/notice.tsx';
import { Page, Section, Skeleton } from '#consoles/admin/web/parts/page.tsx';
import { Paste } from '#consoles/admin/web/parts/paste.tsx';
import { words } from '#consoles/admin/web/words.ts';
import { addWords } from '#consoles/admin/web/words-apps.ts';

const say = addWords;
const apps = { href: '/admin/apps', label: words.apps };
type Template = Answer<'GET /application-templates/:name'>;

export function AppAdd({ template }: { template?: string }) {
  return template ? <Asked name={template} /> : <Which />;
}

function Which() {
  const { data, error, slow, reload } = useLoad('templates', () => call('GET /application-templates'));
  return (
    <Page title={say.add} up={apps} lede={say.lede}>
      {error && <Refused error={error} retry={reload} />}
      {slow && <Skeleton rows={6} />}
      {data && (
        <nav class="templates" aria-label={say.choose}>
          {data.items.map((one) => (
            <a class="template" key={one.name} href={`/admin/apps/add/${one.name}`}>
              <strong>{one.title}</strong>
              <span>{one.about}</span>
              <small>{say.speaks[one.speaks]}</small>
            </a>
          ))}
        </nav>
      )}
    </Page>
  );
}

function Asked({ name }: { name: string }) {
  const {
    data: template,
    error,
    slow,
    reload,
  } = useLoad(`template ${name}`, () => call('GET /application-templates/:name', { params: { name } }));
  const up = { href: '/admin/apps/add', label: say.add };
  if (!template)
    return (
      <Page title={say.add} up={up}>
        {error && <Refused error={error} retry={reload} />}
        {slow && <Skeleton rows={6} />}
      </Page>
    );
  return (
    <Page title={template.title} up={up} lede={template.about}>
      {template.firstThere && (
        <Section title={say.first}>
          <p>{say.firstText}</p>
          <div class="pastes">
            {template.there.map((one) => (
              <Paste key={one.label} {...one} />
            ))}
          </div>
        </Section>
      )}
      <Section title={say.values}>
        <Values key={name} template={template} />
      </Section>
      {template.notes.length > 0 && (
        <Section title={say.notes}>
          <ul class="lines small">
            {template.notes.map((note) => (
              <li key={note}>{note}</li>
            ))}
          </ul>
        </Section>
      )}
    </Page>
  );
}

function Values({ template }: { template: Template }) {
  const { route } = useLocation();
  const draft = useDraft<Record<string, string>>(`app ${template.name}`, { id: template.usual.id });
  const { id = '', ...values } = draft.value;
  const change = (name: string, value: string) => draft.change({ ...draft.value, [name]: value });
  const { busy, refusal, act } = useAct(async () => {
    await call('POST /applications', { body: { id, template: template.name, values } });
    draft.discard();
    forgetAll();
    route(`/admin/apps/${id}/connect`);
  });
  const wrong = (name: string) => refusal?.fields[`values.${name}`];
  const known = template.fields.map((one) => `values.${one.name}`);
  const elsewhere =
    refusal && !Object.keys(refusal.fields).every((one) => known.includes(one) || one === 'id');
  return (
    <Form onSend={act} answer={refusal}>
      {refusal && (elsewhere || Object.keys(refusal.fields).length === 0) && <Refused error={refusal} />}
      {template.fields.map((field) => (
        <Field
          key={field.name}
          field={field}
          value={values[field.name] ?? field.choices?.[0]?.value ?? ''}
          error={wrong(field.name)}
          onInput={(value) => change(field.name, value)}
        />
      ))}
      <TextField
        name="id"
        label={say.id}
        help={say.idHelp}
        value={id}
        onInput={(value) => change('id', value)}
        error={refusal?.fields.id}
        maxLength={40}
        code
        literal
        required
      />
      <div class="actions">
        <Button id="add" label={say.addAct} busy={busy} />
        <LinkButton label={say.otherApp} href="/admin/apps/add" />
      </div>
    </Form>
  );
}

function Field(props: {
  field: Template['fields'][number];
  value: string;
  error?: string;
  onInput(value: string): void;
}) {
  const { field, value, error, onInput } = props;
  const { name, title, help, example, required, long, file, choices } = field;
  if (choices)
    return (
      <RadioField
        name={name}
        label={title}
        value={value}
        onInput={onInput}
        error={error}
        options={choices.map((one) => ({ value: one.value, label: one.title }))}
      />
    );
  return (
    <div class="setting">
      <TextField
        name={name}
        label={title}
        help={example ? `${help} ${say.example(example)}.` : help}
        value={value}
        onInput={onInput}
        error={error}
        long={long}
        rows={long ? 4 : undefined}
        code={long || name !== 'title'}
        literal={name !== 'title'}
        required={required}
      />
      {file && <FileText name={name} kinds={file} onText={onInput} />}
    </div>
  );
}
