/** What was just made may not be seen yet: so long nothing is concluded from not seeing it. */
import { Retry } from './connector.ts';
import type { Work } from './push.ts';
import { factsOf } from './targets.ts';

const usualGraceMs = 5_000;
const eventualGraceMs = 60_000;

/** Whether the target shows what it took some time later only. */
export const eventual = ({ target, connector }: Work): boolean =>
  factsOf(target, connector).eventualConsistency === true;

export function isFresh(work: Work, since: Date | undefined): boolean {
  const grace = eventual(work) ? eventualGraceMs : usualGraceMs;
  return since !== undefined && work.needs.clock.now().getTime() - since.getTime() < grace;
}

export function tooSoon(): Retry {
  return new Retry('What was sent a moment ago cannot be seen there yet.', {
    kind: 'later',
    afterSeconds: 5,
  });
}
