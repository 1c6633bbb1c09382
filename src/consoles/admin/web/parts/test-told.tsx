/** What came of a letter that was sent to try something: whether it was taken, what is wrong if not, and what was said. */
import { mailToolWords as say } from '#consoles/admin/web/words-mail-tools.ts';
import { Notice } from './notice.tsx';

interface Tried {
  to: string;
  state: 'taken' | 'later' | 'refused';
  answer: string;
  why?: string;
  tookMs?: number;
}

const tones = { taken: 'success', later: 'warning', refused: 'danger' } as const;

/** A reply begins with its code (RFC 5321 §4.2); anything else was seen on our side, and no server said it. */
export function saidBy(answer: string): string {
  return /^\d{3}(?:[ -]|$)/.test(answer) ? say.answered : say.seen;
}

export function TestTold({ tried }: { tried: Tried }) {
  const { to, state, answer, why, tookMs } = tried;
  return (
    <Notice tone={tones[state]} live>
      <p>{say.outcomes[state](to)}</p>
      {why && <p>{why}</p>}
      <p class="small">
        {saidBy(answer)} <code dir="auto">{answer}</code>
        {tookMs !== undefined && ` (${tookMs} ms)`}
      </p>
    </Notice>
  );
}
