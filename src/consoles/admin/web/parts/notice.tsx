/** What happened, why, and what to do. */
import type { ComponentChildren } from 'preact';
import type { Refusal } from '#consoles/admin/web/client.ts';
import { words } from '#consoles/admin/web/words.ts';
import { Icon, type Tone, toneClass } from './icons.tsx';

export function Notice(props: { tone: Tone; title?: string; children?: ComponentChildren; live?: boolean }) {
  const { tone, title, children, live } = props;
  const loud = live ? (tone === 'danger' || tone === 'warning' ? 'alert' : 'status') : undefined;
  return (
    <div class={`notice ${toneClass(tone)}`} role={loud}>
      <Icon shape={tone} />
      <div>
        {title && <p class="title">{title}</p>}
        {children}
      </div>
    </div>
  );
}

/** A refusal in its own words, with the reference someone can quote and the way to try again. */
export function Refused({ error, retry }: { error: Refusal; retry?: () => void }) {
  const fields = Object.entries(error.fields);
  return (
    <Notice tone="danger" live>
      <p>{error.message}</p>
      {fields.length > 0 && (
        <ul>
          {fields.map(([name, text]) => (
            <li key={name}>
              <code>{name}</code>: {text}
            </li>
          ))}
        </ul>
      )}
      {error.reference && (
        <p class="small">
          {words.reference} <code>{error.reference}</code>
        </p>
      )}
      {retry && (
        <p>
          <button class="button plain" type="button" onClick={retry}>
            {words.tryAgain}
          </button>
        </p>
      )}
    </Notice>
  );
}
