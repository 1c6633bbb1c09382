/** One piece of work for a target: why it is there, what its steps hold in their hands, and the fence around its writes. */
import type { Cause, Tx, TxContext } from '#kit/db/tx.ts';
import type { Lease } from '#kit/queue/worker.ts';
import type { Connection, Connector } from './connector.ts';
import type { ProvisioningNeeds, Target } from './targets.ts';

/** Why a job is there. */
export interface Push {
  /** The job. */
  id: number;
  attempt: number;
  cause: string;
  /** Who asked for it, in words. */
  actor?: string;
  /** Digest in hex of the steps a person approved. */
  approved?: string;
}

/** One piece of work in the hands of its steps. */
export interface Work {
  needs: ProvisioningNeeds;
  target: Target;
  connector: Connector;
  connection: Connection;
  subject: string;
  push: Push;
  lease?: Lease;
}

/** A transaction whose writes count only while the job is ours. */
export function fenced<T>({ needs, push, lease }: Work, write: (tx: Tx) => Promise<T>): Promise<T> {
  return needs.database.transact(contextOf(push), async (tx) => {
    await lease?.confirm(tx);
    return write(tx);
  });
}

const causes: ReadonlySet<string> = new Set<Cause>([
  'request',
  'admin',
  'import',
  'apply',
  'sync',
  'merge',
  'demo',
]);

export function contextOf(push: Push): TxContext {
  const cause = causes.has(push.cause) ? (push.cause as Cause) : 'schedule';
  return { actor: { kind: 'system', name: 'provisioning' }, cause, requestId: `job-${push.id}` };
}
