/** What goes wrong at an upstream: refused with its name, a code and a reference, never with what it said as ours. */
import { Problem, type ProblemCode, type ProblemFacts } from '#core/problem.ts';

export type UpstreamCode = Extract<ProblemCode, `upstream-${string}`>;

/** A refusal that knows whose it is. */
export class UpstreamFailure extends Problem {
  override name = 'UpstreamFailure';
  readonly upstream: string;
  readonly title: string;

  constructor(
    code: UpstreamCode,
    of: { id: string; settings: { title: string } },
    facts: ProblemFacts & { cause?: unknown } = {},
  ) {
    super(code, facts);
    if (facts.cause !== undefined) this.cause = facts.cause;
    this.upstream = of.id;
    this.title = of.settings.title;
  }
}
