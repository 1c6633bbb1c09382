/**
 * Values to paste elsewhere, under the names they have there. Copying needs no right to the clipboard: where a browser
 * gives none, the value is selected and says how to go on.
 */
import type { ComponentChildren } from 'preact';
import { useId, useRef, useState } from 'preact/hooks';
import { addWords } from '#consoles/admin/web/words-apps.ts';

const say = addWords;

export interface PasteValue {
  label: string;
  value?: string;
  long?: boolean;
}

/** Puts what is selected in this field on the clipboard, in whichever way works. */
async function copy(field: HTMLInputElement | HTMLTextAreaElement): Promise<boolean> {
  field.focus();
  field.select();
  try {
    await navigator.clipboard.writeText(field.value);
    return true;
  } catch {
    // No right, or no secure connection: the old way asks nobody, and fails quietly where it is gone.
    return document.execCommand('copy');
  }
}

/** One value in a field of its own: it can always be selected, even where no script may copy. */
export function Paste({ label, value = '', long, children }: PasteValue & { children?: ComponentChildren }) {
  const id = useId();
  const field = useRef<HTMLInputElement & HTMLTextAreaElement>(null);
  const [said, setSaid] = useState<string>();
  const press = async () => {
    if (!field.current) return;
    setSaid((await copy(field.current)) ? say.copied : say.selected);
    setTimeout(() => setSaid(undefined), 4000);
  };
  const shared = {
    id,
    class: 'input code',
    readOnly: true,
    value,
    ref: field,
    dir: 'ltr' as const,
    spellcheck: false,
    onFocus: () => field.current?.select(),
  };
  return (
    <div class="paste">
      <label class="label" for={id}>
        {label}
      </label>
      {children ?? (
        <div class="paste-value">
          {long ? <textarea {...shared} rows={6} /> : <input {...shared} type="text" />}
          <button
            class="button quiet compact"
            type="button"
            aria-label={say.copyOf(label)}
            onClick={() => void press()}
          >
            {say.copy}
          </button>
        </div>
      )}
      <p class="help small" aria-live="polite">
        {said}
      </p>
    </div>
  );
}
