/** What a target holds for a person, asked of the target itself, and making a lost link to an account whole again. */
import { z } from 'zod';
import { Problem } from '#core/problem.ts';
import { Retry, Stop } from '#provisioning/connector.ts';
import { heldThere, linkAgain, partRecords } from '#provisioning/records.ts';
import { requireTarget } from '#provisioning/targets.ts';
import type { Api } from './api.ts';
import { ownTarget, targetParams, targetTags } from './targets.ts';

/** Asking needs the right to change: whoever may only look has nothing run for them. */
const works = { ...ownTarget, permission: 'targets.write' } as const;
const unanswered = z.string().optional().describe('Why the target did not do it, where it did not.');

const heldShape = z.object({
  answered: z.boolean().describe('Whether the target answered; otherwise `why` says what it did.'),
  why: unanswered,
  account: z
    .object({
      id: z.string(),
      externalId: z.string().optional(),
      active: z.boolean(),
      accountId: z.string().optional().describe('The account behind the record, where there are two.'),
      attributes: z.record(z.string(), z.unknown()),
    })
    .optional()
    .describe('What they are linked to, as it is there now.'),
  records: z
    .array(
      z.object({
        directoryId: z.string().optional(),
        scimUserId: z.string().optional(),
        email: z.string().optional(),
      }),
    )
    .optional()
    .describe('Every record that stands for the account behind, where there are two.'),
  lost: z.string().optional().describe('That the account behind the record is not the one it was.'),
});

export function targetRecordRoutes(api: Api): void {
  lookRoute(api);
  partRoute(api);
  linkAgainRoute(api);
}

function lookRoute({ scope, read, needs }: Api): void {
  scope.post(
    '/targets/:id/records',
    {
      config: works,
      schema: {
        tags: targetTags,
        summary:
          'What the target holds for a person right now, asked of the target itself; nothing is changed',
        params: targetParams,
        body: z.strictObject({ person: z.uuid() }),
        response: { 200: heldShape },
      },
    },
    async (request) => {
      const target = await read(request, (tx) => requireTarget(tx, request.params.id));
      return answerOf(async () => {
        const { account, ...held } = await heldThere(needs, target, request.body.person);
        if (!account) return held;
        const { id, externalId, active, accountId, attributes } = account;
        return { ...held, account: { id, externalId, active, accountId, attributes: { ...attributes } } };
      });
    },
  );
}

function partRoute({ scope, read, needs }: Api): void {
  scope.post(
    '/targets/:id/records/part',
    {
      config: { ...works, elevation: true },
      schema: {
        tags: targetTags,
        summary:
          'Cut one record of a person from the account behind it, or delete all records of that account, which stays',
        params: targetParams,
        body: z.strictObject({
          person: z.uuid(),
          record: z.string().min(1).max(300).optional().describe('The one to cut, by its `scimUserId`.'),
          all: z.literal(true).optional().describe('Delete every record, in all directories.'),
        }),
        response: { 200: z.object({ answered: z.boolean(), why: unanswered }) },
      },
    },
    async (request) => {
      const { person, record, all } = request.body;
      if ((record === undefined) === (all === undefined))
        throw new Problem('input-malformed', { fields: { record: 'input-malformed' } });
      const target = await read(request, (tx) => requireTarget(tx, request.params.id));
      return answerOf(async () => {
        await partRecords(needs, target, person, record === undefined ? 'all' : { record });
        return {};
      });
    },
  );
}

function linkAgainRoute({ scope, change }: Api): void {
  scope.post(
    '/targets/:id/link-again',
    {
      config: { ...works, elevation: true },
      schema: {
        tags: targetTags,
        summary:
          'Make a record that lost the account behind it anew, in one go; where nothing is lost, nothing is done',
        params: targetParams,
        body: z.strictObject({ person: z.uuid() }),
        response: { 202: z.object({ queued: z.literal(true) }) },
      },
    },
    async (request, reply) => {
      await change(request, (tx) => linkAgain(tx, request.params.id, request.body.person));
      return reply.code(202).send({ queued: true });
    },
  );
}

/** What a target refuses or does not answer is an answer of ours. */
async function answerOf<T extends object>(
  work: () => Promise<T>,
): Promise<(T | Record<never, never>) & { answered: boolean; why?: string }> {
  try {
    return { answered: true, ...(await work()) };
  } catch (error) {
    if (!(error instanceof Retry || error instanceof Stop)) throw error;
    return { answered: false, why: error.message };
  }
}
