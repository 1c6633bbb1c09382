/** `/admin/targets/:id/settings`: everything an administrator decides about a target, in one form. */
import { useState } from 'preact/hooks';
import { useLocation } from 'preact-iso';
import { call } from '#consoles/admin/web/client.ts';
import { useDraft } from '#consoles/admin/web/draft.ts';
import { LinkButton } from '#consoles/admin/web/parts/button.tsx';
import { ConfirmPage } from '#consoles/admin/web/parts/confirm.tsx';
import { Refused } from '#consoles/admin/web/parts/notice.tsx';
import { Section, Skeleton } from '#consoles/admin/web/parts/page.tsx';
import { setupWords } from '#consoles/admin/web/words-target-setup.ts';
import { targetWords } from '#consoles/admin/web/words-targets.ts';
import { useConnectors } from './target-connectors.ts';
import { FactFields } from './target-facts.tsx';
import { CredentialFields, OptionFields } from './target-options.tsx';
import { BrakeFields, LeaverFields, LimitFields, ModeFields, WhoFields } from './target-rules.tsx';
import {
  SaveBar,
  type Settings,
  saveSettings,
  settingsOf,
  type Target,
  typedOnly,
  useLatest,
  useSaving,
} from './target-save.tsx';

const say = setupWords;

export function TargetSettings({ target: loaded }: { target: Target }) {
  const [target, setTarget] = useLatest(loaded);
  const id = target.application;
  const { connector, error, slow } = useConnectors(target.connector);
  // A draft is held against what it began with: nobody's change is written over.
  const draft = useDraft(`settings ${id}`, { settings: settingsOf(target), version: target.version });
  const { settings, version } = draft.value;
  const [credentials, setCredentials] = useState<Record<string, string>>({});
  const typed = typedOnly(credentials);
  const discard = () => {
    draft.discard();
    setCredentials({});
  };
  const saving = useSaving(async () => {
    setTarget(await saveSettings(id, settings, { version, ...(typed && { credentials: typed }) }));
    discard();
  });
  if (error) return <Refused error={error} />;
  if (!connector) return slow ? <Skeleton rows={8} /> : null;
  const onInput = (next: Settings) => draft.change({ settings: next, version });
  const { refusal } = saving;
  const shared = { settings, connector, refusal, onInput };
  return (
    <form
      class="stack"
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        saving.save();
      }}
    >
      <div class="two">
        <div class="stack">
          <Section title={say.mode}>
            <ModeFields settings={settings} onInput={onInput} />
          </Section>
          <Section title={say.connection} action={<span class="muted small">{connector.title}</span>}>
            <OptionFields
              connector={connector}
              options={settings.options}
              refusal={refusal}
              onInput={(options) => onInput({ ...settings, options })}
            />
            <CredentialFields
              connector={connector}
              values={credentials}
              areSet={target.hasCredentials}
              refusal={refusal}
              onInput={setCredentials}
            />
          </Section>
        </div>
        <div class="stack">
          <Section title={say.who}>
            <WhoFields {...shared} />
          </Section>
          <Section title={say.leaver}>
            <LeaverFields {...shared} bare />
          </Section>
          <Section title={say.brake}>
            <BrakeFields {...shared} />
          </Section>
          <Section title={say.limits}>
            <LimitFields {...shared} />
          </Section>
        </div>
      </div>
      <Section title={say.facts} action={<span class="muted small">{connector.profile.title}</span>}>
        <FactFields {...shared} />
      </Section>
      <SaveBar saving={saving} changed={draft.changed || typed !== undefined} discard={discard} />
      <p>
        <LinkButton id="remove-target" label={say.removal} href={`/admin/targets/${id}/remove`} compact />
      </p>
    </form>
  );
}

/** /admin/targets/:id/remove */
export function TargetRemoval({ id }: { id: string }) {
  const { route } = useLocation();
  return (
    <ConfirmPage
      title={say.removeTitle(id)}
      up={{ href: `/admin/targets/${id}/settings`, label: targetWords.settings }}
      act={say.removal}
      danger
      elevated
      expect={{ label: say.removeExpect, text: id }}
      onConfirm={async () => {
        await call('DELETE /targets/:id', { params: { id } });
        route('/admin/targets');
      }}
    >
      <p>{say.removeText}</p>
    </ConfirmPage>
  );
}
