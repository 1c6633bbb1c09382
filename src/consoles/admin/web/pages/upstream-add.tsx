/** `/admin/upstreams/add/:preset`: which provider it is, what to paste there, and what only the operator knows. */
import { useState } from 'preact/hooks';
import { useLocation } from 'preact-iso';
import { useDraft } from '#consoles/admin/web/draft.ts';
import { Button, LinkButton } from '#consoles/admin/web/parts/button.tsx';
import { Elevated } from '#consoles/admin/web/parts/elevation.tsx';
import { TextField } from '#consoles/admin/web/parts/fields.tsx';
import { Form } from '#consoles/admin/web/parts/form.tsx';
import { Refused } from '#consoles/admin/web/parts/notice.tsx';
import { Page, Section, Skeleton } from '#consoles/admin/web/parts/page.tsx';
import { Paste } from '#consoles/admin/web/parts/paste.tsx';
import { upstreamWords } from '#consoles/admin/web/words-upstreams.ts';
import { typedOnly, useSaving } from './target-save.tsx';
import { CredentialPart, KindFields, PrivateField, tidied } from './upstream-kind.tsx';
import { PlaceFields } from './upstream-rules.tsx';
import { type Preset, type Settings, saveUpstream, usePresets, usualSettings } from './upstream-settings.ts';

const say = upstreamWords;
const up = { href: '/admin/upstreams', label: say.title };

export function UpstreamAdd({ preset: named }: { preset?: string }) {
  const { all, error, slow, reload } = usePresets();
  const preset = all?.find((one) => one.name === named);
  if (named && preset) return <Asked key={named} preset={preset} />;
  return (
    <Page title={say.add} up={up} lede={say.chooseLede}>
      {error && <Refused error={error} retry={reload} />}
      {slow && <Skeleton rows={6} />}
      {all && (
        <nav class="templates" aria-label={say.choose}>
          {all.map((one) => (
            <a class="template" key={one.name} href={`/admin/upstreams/add/${one.name}`}>
              <strong>{one.title}</strong>
              <span>{one.about}</span>
              <small>{say.kinds[one.kind]}</small>
            </a>
          ))}
        </nav>
      )}
    </Page>
  );
}

function Asked({ preset }: { preset: Preset }) {
  const { route } = useLocation();
  const draft = useDraft<{ id: string; settings: Settings }>(`upstream ${preset.name}`, {
    id: preset.usual.id,
    settings: usualSettings(preset),
  });
  const { id, settings } = draft.value;
  const [credentials, setCredentials] = useState<Record<string, string>>({});
  const onInput = (next: Settings) => draft.change({ id, settings: next });
  const saving = useSaving(async () => {
    await saveUpstream(id, tidied(settings), { credentials: typedOnly(credentials) });
    draft.discard();
    route(`/admin/upstreams/${id}`);
  });
  const { refusal, busy } = saving;
  const shared = { settings, refusal, onInput };
  return (
    <Page title={preset.title} up={{ href: '/admin/upstreams/add', label: say.add }} lede={preset.about}>
      <Section title={say.first}>
        <p>{preset.where}</p>
        {preset.there.length > 0 && (
          <>
            <p class="muted small">{say.firstText}</p>
            <Pastes there={preset.there} id={id} />
          </>
        )}
      </Section>
      <Section title={say.asks}>
        <Form onSend={() => saving.save()} answer={refusal}>
          <TextField
            name="id"
            label={say.id}
            help={say.idHelp}
            value={id}
            maxLength={40}
            code
            literal
            required
            error={refusal?.fields.id}
            onInput={(typed) => draft.change({ id: typed, settings })}
          />
          <KindFields preset={preset} {...shared} some />
          <CredentialPart
            preset={preset}
            values={credentials}
            areSet={false}
            refusal={refusal}
            onInput={setCredentials}
          />
          <PlaceFields {...shared} />
          <PrivateField {...shared} />
          {refusal && refusal.code !== 'elevation-required' && <Refused error={refusal} />}
          <Elevated refusal={refusal} hint={say.addElevation}>
            <div class="actions">
              <Button id="add" label={say.addAct} busy={busy} />
              <LinkButton label={say.other} href="/admin/upstreams/add" />
            </div>
          </Elevated>
        </Form>
      </Section>
      <Notes notes={preset.notes} />
    </Page>
  );
}

/** With the id filled in as it is typed. */
export function Pastes({ there, id }: { there: Preset['there']; id: string }) {
  return (
    <div class="pastes">
      {there.map(({ label, value }) => (
        <Paste key={label} label={label} value={value.replace('{id}', id)} />
      ))}
    </div>
  );
}

export function Notes({ notes }: { notes: readonly string[] }) {
  if (notes.length === 0) return null;
  return (
    <Section title={say.notes}>
      <ul class="lines small">
        {notes.map((note) => (
          <li key={note}>{note}</li>
        ))}
      </ul>
    </Section>
  );
}
