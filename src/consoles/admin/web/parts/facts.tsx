/** A list of names and values, with copying where one needs the value elsewhere. */
import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import { words } from '#consoles/admin/web/words.ts';

export interface Fact {
  name: string;
  /** What standards call it. */
  term?: string;
  value: ComponentChildren;
  /** The text to copy; shown as code. */
  copy?: string;
}

/** Facts without a value are left out. */
export function Facts({ facts }: { facts: readonly Fact[] }) {
  return (
    <dl class="facts">
      {facts
        .filter(
          ({ value, copy }) => copy !== undefined || (value !== undefined && value !== '' && value !== null),
        )
        .map(({ name, term, value, copy }) => (
          <div key={name}>
            <dt>
              {name}
              {term && <small>{term}</small>}
            </dt>
            <dd>
              {copy === undefined ? <span dir="auto">{value}</span> : <code>{copy}</code>}
              {copy !== undefined && <Copy text={copy} what={name} />}
            </dd>
          </div>
        ))}
    </dl>
  );
}

/** A button that copies and says so. */
export function Copy({ text, what }: { text: string; what: string }) {
  const [done, setDone] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    setDone(true);
    setTimeout(() => setDone(false), 2000);
  };
  return (
    <button
      class="button plain compact"
      type="button"
      aria-label={words.copyOf(what)}
      onClick={() => void copy()}
    >
      <span aria-live="polite">{done ? words.copied : words.copy}</span>
    </button>
  );
}
