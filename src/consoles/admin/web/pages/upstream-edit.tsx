/** `/admin/upstreams/:id/settings`: everything that is decided about an upstream, in one form. */
import { useState } from 'preact/hooks';
import { useDraft } from '#consoles/admin/web/draft.ts';
import { Refused } from '#consoles/admin/web/parts/notice.tsx';
import { Section, Skeleton } from '#consoles/admin/web/parts/page.tsx';
import { upstreamWords } from '#consoles/admin/web/words-upstreams.ts';
import { SaveBar, typedOnly, useSaving } from './target-save.tsx';
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
  const [saved, setSaved] = useState<Upstream>();
  const upstream = saved && saved.version > loaded.version ? saved : loaded;
  const { all, error, slow } = usePresets();
  // A draft is held against what it began with: nobody's change is written over.
  const draft = useDraft(`upstream settings ${id}`, {
    settings: settingsOf(upstream),
    version: upstream.version,
  });
  const { settings, version } = draft.value;
  const [credentials, setCredentials] = useState<Record<string, string>>({});
  const typed = typedOnly(credentials);
  const discard = () => {
    draft.discard();
    setCredentials({});
  };
  const saving = useSaving(async () => {
    setSaved(await saveUpstream(id, tidied(settings), { version, ...(typed && { credentials: typed }) }));
    discard();
  });
  const preset = presetOf(all, settings);
  if (error) return <Refused error={error} />;
  if (!preset) return slow ? <Skeleton rows={8} /> : null;
  const { refusal } = saving;
  const onInput = (next: Settings) => draft.change({ settings: next, version });
  const shared = { settings, refusal, onInput };
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
          <Section title={say.connection} action={<span class="muted small">{preset.title}</span>}>
            <KindFields preset={preset} {...shared} />
            <CredentialPart
              preset={preset}
              values={credentials}
              areSet={upstream.hasCredentials}
              refusal={refusal}
              onInput={setCredentials}
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
      <SaveBar saving={saving} changed={draft.changed || typed !== undefined} discard={discard} />
    </form>
  );
}
