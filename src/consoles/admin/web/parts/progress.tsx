/** How far long work has come: a bar, and the same in words. */

import { words } from '#consoles/admin/web/words.ts';
import { count } from './time.tsx';

export function Progress({ label, done, total }: { label: string; done: number; total: number }) {
  return (
    <div class="progress">
      <div class="row spread">
        <span>{label}</span>
        <span class="muted">{words.doneOf(count(done), count(total))}</span>
      </div>
      <progress value={done} max={Math.max(total, 1)} aria-label={label} />
    </div>
  );
}
