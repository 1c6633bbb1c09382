/** `/admin/targets/:id/settings`: everything an administrator decides about a target, in one form. */
import { useLocation } from 'preact-iso';
import { call } from '#consoles/admin/web/client.ts';
import { LinkButton } from '#consoles/admin/web/parts/button.tsx';
import { ConfirmPage } from '#consoles/admin/web/parts/confirm.tsx';
import { Refused } from '#consoles/admin/web/parts/notice.tsx';
import { Section, Skeleton } from '#consoles/admin/web/parts/page.tsx';
import { setupWords } from '#consoles/admin/web/words-target-setup.ts';
import { targetWords } from '#consoles/admin/web/words-targets.ts';
import { SettingsForm, useSettings } from './settings-form.tsx';
import { useConnectors } from './target-connectors.ts';
import { FactFields } from './target-facts.tsx';
import { CredentialFields, OptionFields } from './target-options.tsx';
import { BrakeFields, LeaverFields, LimitFields, ModeFields, WhoFields } from './target-rules.tsx';
import { saveSettings, settingsOf, type Target } from './target-save.tsx';

const say = setupWords;

export function TargetSettings({ target: loaded }: { target: Target }) {
  const id = loaded.application;
  const draft = useSettings(`settings ${id}`, loaded, {
    settingsOf,
    save: (settings, more) => saveSettings(id, settings, more),
  });
  const { kept: target, settings, refusal, onInput } = draft;
  const { connector, error, slow } = useConnectors(target.connector);
  if (error) return <Refused error={error} />;
  if (!connector) return slow ? <Skeleton rows={8} /> : null;
  const shared = { settings, connector, refusal, onInput };
  return (
    <SettingsForm
      draft={draft}
      below={
        <p>
          <LinkButton id="remove-target" label={say.removal} href={`/admin/targets/${id}/remove`} compact />
        </p>
      }
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
              values={draft.credentials}
              areSet={target.hasCredentials}
              refusal={refusal}
              onInput={draft.setCredentials}
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
    </SettingsForm>
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
