/** The settings of a target: what an administrator decides about it, checked against what its connector offers. */
import { z } from 'zod';
import { Problem } from '#core/problem.ts';
import { misfits } from '#kit/spelling/misfits.ts';
import type { Connector } from './connector.ts';
import { compileMapping, MappingRefused } from './mapping.ts';

export const targetModes = ['off', 'observe', 'plan', 'automatic'] as const;

/** States of people who have lost their standing for a while; spam and unverified are never among them. */
export const inactiveStates = ['locked', 'suspended'] as const;

const wordsOrAll = z.union([z.enum(['none', 'all']), z.array(z.string().min(1)).max(500)]);

export const targetSettings = z.strictObject({
  connector: z
    .string()
    .describe('How the app is spoken to: the name of a connector, such as scim, atlassian or webhook.'),
  options: z.record(z.string(), z.unknown()).default({}).describe("The connector's own: addresses, ids."),
  mode: z
    .enum(targetModes)
    .default('plan')
    .describe('off; observe: look and plan; plan: send what was approved; automatic: send at once.'),
  scope: z
    .strictObject({
      groups: z
        .array(z.string())
        .max(200)
        .optional()
        .describe('Who gets an account: members of any of these; without the list everyone the app lets in.'),
      inactiveStates: z
        .array(z.enum(inactiveStates))
        .default([...inactiveStates])
        .describe('People in these states keep their account there, switched off, without the leaver rule.'),
    })
    .prefault({}),
  mapping: z
    .record(z.string(), z.string().max(1000))
    .default({})
    .describe('Attribute at the app → expression, over what the connector sends by itself.'),
  groups: wordsOrAll.default('none').describe('Which groups the app gets.'),
  leaver: z
    .strictObject({
      rule: z
        .enum(['deactivate', 'delete'])
        .default('deactivate')
        .describe(
          'Whether the account stays there, switched off, or is deleted after `deleteAfterDays`; delete is refused where the connector cannot.',
        ),
      deleteAfterDays: z
        .number()
        .int()
        .min(0)
        .max(3650)
        .optional()
        .describe(
          'Days an account stays switched off before it is deleted; 0 or left out, at once. Without `rule: delete` nothing is deleted.',
        ),
    })
    .prefault({})
    .describe('What happens to the account of someone who left: always switched off at once.'),
  facts: z
    .record(z.string(), z.union([z.string(), z.number(), z.boolean()]))
    .default({})
    .describe(
      'What is otherwise at this target than the profile of its connector says, by the name of the fact; a fact with choices takes one of them.',
    ),
  limits: z
    .strictObject({
      perMinute: z
        .number()
        .int()
        .min(1)
        .max(1_000_000)
        .optional()
        .describe("Requests a minute at most, of all processes together; left out, the connector's own."),
      burst: z
        .number()
        .int()
        .min(1)
        .max(100_000)
        .optional()
        .describe(
          "Requests that may go at once before the pace begins, a fifth of them kept in reserve; left out, the connector's own.",
        ),
      concurrency: z
        .number()
        .int()
        .min(1)
        .max(64)
        .optional()
        .describe(
          "People and groups that each process works on at the same time; left out, the connector's own.",
        ),
      timeoutSeconds: z
        .number()
        .min(0.05)
        .max(600)
        .optional()
        .describe("Seconds until a request counts as unanswered; left out, the connector's own."),
    })
    .prefault({}),
  brake: z
    .strictObject({
      count: z
        .number()
        .int()
        .min(1)
        .max(1_000_000)
        .default(50)
        .describe(
          'Accounts that may be switched off or deleted within the window; what exceeds it is held until somebody decides.',
        ),
      share: z
        .number()
        .min(0)
        .max(1)
        .default(0.05)
        .describe(
          'The same as a share of the accounts linked there: 0.05 is 5 %. Whichever is passed first holds.',
        ),
      windowMinutes: z
        .number()
        .int()
        .min(1)
        .max(10_080)
        .default(10)
        .describe('Minutes back over which both are counted; what somebody approved is not counted.'),
      least: z
        .number()
        .int()
        .min(1)
        .max(100_000)
        .default(5)
        .describe(
          'From how many accounts taken away `share` counts at all, so that one leaver of a small app is not held.',
        ),
    })
    .prefault({}),
  sweepHours: z
    .number()
    .min(0.1)
    .max(8760)
    .default(24)
    .describe(
      'Hours between two readings of everything there, which find what others changed; after one that failed, one hour at most.',
    ),
  attempts: z
    .number()
    .int()
    .min(1)
    .max(100)
    .default(8)
    .describe(
      'Tries for one person or group until it is set aside. Waiting at the request of the app, or while it answers nobody, is no try; what keeps failing is given up after three days at the latest.',
    ),
});

export type TargetSettings = z.infer<typeof targetSettings>;

/** What is wrong with settings: the field, and one sentence. */
export interface SettingsFinding {
  path: string;
  text: string;
}

/** Everything wrong with these settings, or the settings with defaults filled in. */
export function checkSettings(
  connectors: ReadonlyMap<string, Connector>,
  given: unknown,
): { settings: TargetSettings; findings: [] } | { settings?: undefined; findings: SettingsFinding[] } {
  const parsed = targetSettings.safeParse(given);
  if (!parsed.success) return { findings: misfits(parsed.error) };
  const settings = parsed.data;
  const connector = connectors.get(settings.connector);
  if (!connector)
    return { findings: [{ path: 'connector', text: `There is no connector ${settings.connector}.` }] };
  const options = connector.options.safeParse(settings.options);
  const findings = options.success ? [] : misfits(options.error, 'options.');
  findings.push(...factFindings(connector, settings), ...mappingFindings(connector, settings));
  if (settings.groups !== 'none' && !connector.capabilities.groups)
    findings.push({ path: 'groups', text: `${connector.title} takes no groups.` });
  if (settings.leaver.rule === 'delete' && !connector.capabilities.delete)
    findings.push({ path: 'leaver.rule', text: `${connector.title} cannot delete accounts.` });
  if (findings.length > 0) return { findings };
  return { settings, findings: [] };
}

/** The same for callers who want them right: refuses with `input-malformed` and the first sentence for the log. */
export function requireSettings(connectors: ReadonlyMap<string, Connector>, given: unknown): TargetSettings {
  const { settings, findings } = checkSettings(connectors, given);
  if (settings) return settings;
  const fields = Object.fromEntries(findings.map(({ path }) => [path, 'input-malformed' as const]));
  throw new Problem('input-malformed', {
    detail: findings.map(({ path, text }) => `${path}: ${text}`).join('; '),
    fields,
  });
}

function factFindings(connector: Connector, settings: TargetSettings): SettingsFinding[] {
  return Object.entries(settings.facts).flatMap(([name, value]) => {
    const path = `facts.${name}`;
    const facts = connector.profile.facts;
    const fact = Object.hasOwn(facts, name) ? facts[name] : undefined;
    if (!fact) return [{ path, text: `The profile ${connector.profile.title} has no fact ${name}.` }];
    if (fact.choices && !fact.choices.includes(value))
      return [{ path, text: `${name} is one of ${fact.choices.join(', ')}.` }];
    if (typeof value !== typeof fact.value) return [{ path, text: `${name} is a ${typeof fact.value}.` }];
    return [];
  });
}

function mappingFindings(connector: Connector, settings: TargetSettings): SettingsFinding[] {
  try {
    compileMapping(settings.mapping, connector);
    return [];
  } catch (error) {
    if (!(error instanceof MappingRefused)) throw error;
    return [{ path: `mapping.${error.attribute}`, text: error.message }];
  }
}
