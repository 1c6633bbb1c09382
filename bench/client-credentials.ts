/** Tokens for apps themselves. */
import type { Bench } from './measure.ts';
import { compareTokens } from './tokens.ts';

const goal = 0.6;

export const bench: Bench = {
  name: 'client-credentials',
  text: 'Client credentials, tokens that outlive a crash, against the bare OIDC library that keeps them in memory',
  goal: `ratio of at least ${goal}`,
  run: () => compareTokens('client-credentials', goal),
};
