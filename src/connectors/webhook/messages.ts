/** What each step says to a receiver. Messages carry states, not differences; memberships name who came or went. */
import type { GroupStep, Step } from '#provisioning/connector.ts';

export interface Message {
  type:
    | 'account.created'
    | 'account.updated'
    | 'account.deactivated'
    | 'account.deleted'
    | 'group.created'
    | 'group.renamed'
    | 'group.deleted'
    | 'membership.added'
    | 'membership.removed'
    | 'check';
  /** Account or group; part of the message id. */
  subject: string;
  data: Readonly<Record<string, unknown>>;
}

const accountTypes = {
  create: 'account.created',
  update: 'account.updated',
  deactivate: 'account.deactivated',
  delete: 'account.deleted',
} as const;

export function accountMessage(step: Exclude<Step, { do: 'invite' }>): Message {
  const type = accountTypes[step.do];
  if (step.do === 'delete') return { type, subject: `account:${step.id}`, data: { id: step.id } };
  const { externalId, attributes, active } = step.desired;
  const id = step.do === 'create' ? externalId : step.id;
  const data = { id, externalId, active: active && step.do !== 'deactivate', attributes };
  return { type, subject: `account:${id}`, data };
}

export function groupMessage(step: GroupStep): Message {
  if (step.do === 'create-group') {
    const { externalId, name } = step;
    return { type: 'group.created', subject: `group:${externalId}`, data: { id: externalId, name } };
  }
  const subject = `group:${step.id}`;
  if (step.do === 'rename-group')
    return { type: 'group.renamed', subject, data: { id: step.id, name: step.name } };
  if (step.do === 'delete-group') return { type: 'group.deleted', subject, data: { id: step.id } };
  const type = step.do === 'add-members' ? 'membership.added' : 'membership.removed';
  return { type, subject, data: { group: step.id, accounts: [...step.members].sort() } };
}
