/** `/admin/upstreams/:id/settings`: everything that is decided about an upstream, in one form. */
import { Refused } from '#consoles/admin/web/parts/notice.tsx';
import { Section, Skeleton } from '#consoles/admin/web/parts/page.tsx';
import { upstreamWords } from '#consoles/admin/web/words-upstreams.ts';
import { SettingsForm, useSettings } from './settings-form.tsx';
import { CredentialPart, KindFields, PrivateField, tidied } from './upstream-kind.tsx';
import { BelievedFields, GroupFields, PlaceFields, TakenFields, WhoFields } from './upstream-rules.tsx';
import {
  presetOf,
  type Settings,
  saveUpstream,
  settingsOf,
  type Upstream,
  usePresets,
} from './upstream-settings.ts';

const say = upstreamWords;

export function UpstreamSettings({ upstream: loaded }: { upstream: Upstream }) {
  const { id } = loaded;
  const { all, error, slow } = usePresets();
  const draft = useSettings<Upstream, Settings>(`upstream settings ${id}`, loaded, {
    settingsOf,
    save: (settings, more) => saveUpstream(id, tidied(settings), more),
  });
  const { kept: upstream, settings, refusal, onInput } = draft;
  const preset = presetOf(all, settings);
  if (error) return <Refused error={error} />;
  if (!preset) return slow ? <Skeleton rows={8} /> : null;
  const shared = { settings, refusal, onInput };
  return (
    <SettingsForm draft={draft}>
      <div class="two">
        <div class="stack">
          <Section title={say.connection} action={<span class="muted small">{preset.title}</span>}>
            <KindFields preset={preset} {...shared} />
            <CredentialPart
              preset={preset}
              values={draft.credentials}
              areSet={upstream.hasCredentials}
              refusal={refusal}
              onInput={draft.setCredentials}
            />
            <PrivateField {...shared} />
          </Section>
          <Section title={say.believed}>
            <BelievedFields {...shared} />
          </Section>
        </div>
        <div class="stack">
          <Section title={say.onPage}>
            <PlaceFields {...shared} />
          </Section>
          <Section title={say.who}>
            <WhoFields {...shared} />
          </Section>
          <Section title={say.taken}>
            <TakenFields {...shared} preset={preset} />
          </Section>
        </div>
      </div>
      <Section title={say.groups}>
        <GroupFields {...shared} />
      </Section>
    </SettingsForm>
  );
}
