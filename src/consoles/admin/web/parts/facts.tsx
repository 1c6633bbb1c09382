/** A list of names and values, with copying where one needs the value elsewhere. */
import type { ComponentChildren } from 'preact';
import { useRef, useState } from 'preact/hooks';
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

/** Copies, or where a browser gives no right to that, selects what is shown so that a key can. Says whether it copied. */
async function copyText(text: string, shown: Element | null | undefined): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    if (shown) getSelection()?.selectAllChildren(shown);
    return document.execCommand('copy');
  }
}

/** A button that copies and says so; it stands behind what it copies. */
export function Copy({ text, what }: { text: string; what: string }) {
  const [done, setDone] = useState(false);
  const button = useRef<HTMLButtonElement>(null);
  const copy = async () => {
    if (!(await copyText(text, button.current?.previousElementSibling))) return;
    setDone(true);
    setTimeout(() => setDone(false), 2000);
  };
  return (
    <button
      ref={button}
      class="button plain compact"
      type="button"
      aria-label={words.copyOf(what)}
      onClick={() => void copy()}
    >
      <span aria-live="polite">{done ? words.copied : words.copy}</span>
    </button>
  );
}
