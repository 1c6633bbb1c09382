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
  connector: z.string(),
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
      rule: z.enum(['deactivate', 'delete']).default('deactivate'),
      deleteAfterDays: z.number().int().min(0).max(3650).optional(),
    })
    .prefault({})
    .describe('What happens to the account of someone who left: always switched off at once.'),
  facts: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).default({}),
  limits: z
    .strictObject({
      perMinute: z.number().int().min(1).max(1_000_000).optional(),
      burst: z.number().int().min(1).max(100_000).optional(),
      concurrency: z.number().int().min(1).max(64).optional(),
      timeoutSeconds: z.number().min(0.05).max(600).optional(),
    })
    .prefault({}),
  brake: z
    .strictObject({
      count: z.number().int().min(1).max(1_000_000).default(50),
      share: z.number().min(0).max(1).default(0.05),
      windowMinutes: z.number().int().min(1).max(10_080).default(10),
      least: z.number().int().min(1).max(100_000).default(5),
    })
    .prefault({}),
  sweepHours: z.number().min(0.1).max(8760).default(24),
  attempts: z.number().int().min(1).max(100).default(8),
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
