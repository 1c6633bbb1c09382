/** Refresh tokens that turn into the next, with an id token signed RS256 each time. */
import type { Bench } from './measure.ts';
import { compareTokens } from './tokens.ts';

const goal = 0.5;

export const bench: Bench = {
  name: 'refresh',
  text: 'Refresh with rotation, every step durable and access checked again, against the bare OIDC library in memory',
  goal: `ratio of at least ${goal}`,
  run: () => compareTokens('refresh', goal),
};
