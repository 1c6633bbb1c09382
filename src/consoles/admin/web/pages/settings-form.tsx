/**
 * The form of everything that is decided about one thing others are reached by (a target, an upstream): a draft held
 * against what it began with, so that nobody's change is written over, and credentials that are typed and never kept.
 */
import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import type { Refusal } from '#consoles/admin/web/client.ts';
import { useDraft } from '#consoles/admin/web/draft.ts';
import { Form } from '#consoles/admin/web/parts/form.tsx';
import { SaveBar, type Saving, typedOnly, useLatest, useSaving } from './target-save.tsx';

export interface SettingsDraft<Kept, Settings> {
  /** As it was loaded, or as this page has just saved it. */
  kept: Kept;
  settings: Settings;
  onInput(settings: Settings): void;
  credentials: Record<string, string>;
  setCredentials(credentials: Record<string, string>): void;
  refusal: Refusal | undefined;
  saving: Saving;
  changed: boolean;
  discard(): void;
}

/** @param name of the draft in this tab */
export function useSettings<Kept extends { version: number }, Settings>(
  name: string,
  loaded: Kept,
  {
    settingsOf,
    save,
  }: {
    settingsOf(kept: Kept): Settings;
    save(settings: Settings, more: { version: number; credentials?: Record<string, string> }): Promise<Kept>;
  },
): SettingsDraft<Kept, Settings> {
  const [kept, setKept] = useLatest(loaded);
  const draft = useDraft(name, { settings: settingsOf(kept), version: kept.version });
  const { settings, version } = draft.value;
  const [credentials, setCredentials] = useState<Record<string, string>>({});
  const typed = typedOnly(credentials);
  const discard = () => {
    draft.discard();
    setCredentials({});
  };
  const saving = useSaving(async () => {
    setKept(await save(settings, { version, ...(typed && { credentials: typed }) }));
    discard();
  });
  return {
    kept,
    settings,
    onInput: (next) => draft.change({ settings: next, version }),
    credentials,
    setCredentials,
    refusal: saving.refusal,
    saving,
    changed: draft.changed || typed !== undefined,
    discard,
  };
}

/** The parts of the form, its end with the button, and what may stand below. */
export function SettingsForm(props: {
  draft: Pick<SettingsDraft<unknown, unknown>, 'saving' | 'changed' | 'discard'>;
  children: ComponentChildren;
  below?: ComponentChildren;
}) {
  const { draft, children, below } = props;
  return (
    <Form class="stack" onSend={() => draft.saving.save()} answer={draft.saving.refusal}>
      {children}
      <SaveBar saving={draft.saving} changed={draft.changed} discard={draft.discard} />
      {below}
    </Form>
  );
}
