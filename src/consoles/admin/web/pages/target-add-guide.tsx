/** The way to a new target: where one is on it, on every page it leads over. */
import type { ComponentChildren } from 'preact';
import { addWords } from '#consoles/admin/web/words-target-setup.ts';

/** @param current the step one is at, from 0 */
export function Guide(props: { current: number; text?: string; children?: ComponentChildren }) {
  const { current, text, children } = props;
  return (
    <div class="guide">
      <ol class="steps" aria-label={addWords.way}>
        {addWords.steps.map((title, index) => (
          <li
            key={title}
            class={index < current ? 'done' : undefined}
            aria-current={index === current ? 'step' : undefined}
          >
            {title}
          </li>
        ))}
      </ol>
      {text && <p class="measure">{text}</p>}
      {children && <div class="actions">{children}</div>}
    </div>
  );
}
