/** The settings of a target as the console changes them, and how they are saved: after a recent sign-in, never over another's. */
import { useState } from 'preact/hooks';
import { type Answer, call, Refusal } from '#consoles/admin/web/client.ts';
import { forgetAll } from '#consoles/admin/web/load.ts';
import { Button } from '#consoles/admin/web/parts/button.tsx';
import { Elevated } from '#consoles/admin/web/parts/elevation.tsx';
import { Notice, Refused } from '#consoles/admin/web/parts/notice.tsx';
import { setupWords } from '#consoles/admin/web/words-target-setup.ts';

export type Target = Answer<'GET /targets/:id'>;

export interface Settings {
  connector: string;
  options: Record<string, unknown>;
  mode: 'off' | 'observe' | 'plan' | 'automatic';
  scope: { groups?: string[]; inactiveStates: ('locked' | 'suspended')[] };
  mapping: Record<string, string>;
  groups: 'none' | 'all' | string[];
  leaver: { rule: 'deactivate' | 'delete'; deleteAfterDays?: number };
  facts: Record<string, string | number | boolean>;
  limits: Partial<Record<'perMinute' | 'burst' | 'concurrency' | 'timeoutSeconds', number>>;
  brake: Record<'count' | 'share' | 'windowMinutes' | 'least', number>;
  sweepHours: number;
  attempts: number;
}

/** As they are saved; the mode stands beside them and is the one that counts. */
export const settingsOf = (target: Target): Settings => ({
  ...(target.settings as unknown as Settings),
  mode: target.mode,
});

/** What holds where an administrator says nothing. */
export const usualSettings = (connector: string): Settings => ({
  connector,
  options: {},
  mode: 'plan',
  scope: { inactiveStates: ['locked', 'suspended'] },
  mapping: {},
  groups: 'none',
  leaver: { rule: 'deactivate' },
  facts: {},
  limits: {},
  brake: { count: 50, share: 0.05, windowMinutes: 10, least: 5 },
  sweepHours: 24,
  attempts: 8,
});

/** Credentials that were typed: empty ones stay as they are. */
export function typedOnly(credentials: Readonly<Record<string, string>>): Record<string, string> | undefined {
  const typed = Object.entries(credentials).filter(([, value]) => value !== '');
  return typed.length > 0 ? Object.fromEntries(typed) : undefined;
}

export async function saveSettings(
  id: string,
  settings: Settings,
  more: { credentials?: Record<string, string>; version?: number } = {},
): Promise<Target> {
  const saved = await call('PUT /targets/:id', { params: { id }, body: { settings, ...more } });
  forgetAll();
  return saved;
}

/** Something as it was loaded, or as this page has just saved it: whichever is later. */
export function useLatest<Kept extends { version: number }>(loaded: Kept): [Kept, (saved: Kept) => void] {
  const [saved, setSaved] = useState<Kept>();
  return [saved && saved.version > loaded.version ? saved : loaded, setSaved];
}

/** What the API said about one field, wherever it stood in what was sent. */
export function faultOf(refusal: Refusal | undefined, path: string): string | undefined {
  if (!refusal) return undefined;
  const places = [path, `settings.${path}`];
  const exact = places.map((one) => refusal.fields[one]).find((text) => text !== undefined);
  if (exact !== undefined) return exact;
  const below = Object.entries(refusal.fields).find(([name]) =>
    places.some((one) => name.startsWith(`${one}.`)),
  );
  return below?.[1];
}

export interface Saving {
  refusal: Refusal | undefined;
  busy: boolean;
  saved: boolean;
  save(): void;
}

export function useSaving(work: () => Promise<void>): Saving {
  const [refusal, setRefusal] = useState<Refusal>();
  const [busy, setBusy] = useState(false);
  const [saved, setSaved] = useState(false);
  const save = () => {
    setBusy(true);
    setSaved(false);
    setRefusal(undefined);
    work()
      .then(() => setSaved(true))
      .catch((error: unknown) => {
        if (error instanceof Refusal) setRefusal(error);
        else throw error;
      })
      .finally(() => setBusy(false));
  };
  return { refusal, busy, saved, save };
}

/** The end of a form: what went wrong, the button, and the way back to what is saved. */
export function SaveBar(props: { saving: Saving; changed: boolean; discard(): void; act?: string }) {
  const { saving, changed, discard, act = setupWords.save } = props;
  const { refusal, busy, saved } = saving;
  return (
    <div class="save-bar">
      {refusal && refusal.code !== 'elevation-required' && <Refused error={refusal} />}
      {saved && !changed && (
        <Notice tone="success" live>
          {setupWords.saved}
        </Notice>
      )}
      {changed && (
        <Elevated refusal={refusal} hint={setupWords.elevation}>
          <div class="actions">
            <Button id="save" label={act} busy={busy} />
            <Button id="discard" label={setupWords.discard} kind="quiet" onClick={discard} />
          </div>
        </Elevated>
      )}
    </div>
  );
}
