/** How far long work has come: a bar, and the same in words. Without a total the bar only says that it goes on. */

import { words } from '#consoles/admin/web/words.ts';
import { count } from './time.tsx';

export function Progress(props: { label: string; done: number; total?: number; said?: string }) {
  const { label, done, total, said } = props;
  const known = total !== undefined && total > 0;
  return (
    <div class="progress">
      <div class="row spread">
        <span>{label}</span>
        <span class="muted">{said ?? (known ? words.doneOf(count(done), count(total)) : count(done))}</span>
      </div>
      {known ? (
        <progress value={Math.min(done, total)} max={total} aria-label={label} />
      ) : (
        <progress aria-label={label} />
      )}
    </div>
  );
}
