/** One person at a target, looked at live, and a mapping tried on one person before it is saved. */
import { requireApplication } from '#core/applications/applications.ts';
import { groupsOf } from '#core/groups/groups.ts';
import { requirePerson } from '#core/people/people.ts';
import { Problem } from '#core/problem.ts';
import { type Profile, profilesFor } from '#core/profile/profile.ts';
import { system } from '#kit/db/database.ts';
import { compileExpression, ExpressionError } from '#kit/expressions/expressions.ts';
import type { Judgement, Value } from './connector.ts';
import { linksOf } from './links.store.ts';
import { mappingVariables, valuesFor } from './mapping.ts';
import type { Plan } from './plan.ts';
import { preview } from './provisioning.ts';
import { standingOf } from './situation.ts';
import { connectorOf, openBlind, type ProvisioningNeeds, type Target } from './targets.ts';

/**
 * The plan for one person from what is there right now; nothing is changed. Refuses with `person-unknown` where neither
 * the person nor an account of theirs is known.
 * @throws Retry, Stop of connector.ts
 */
export async function planOne(needs: ProvisioningNeeds, target: Target, person: string): Promise<Plan> {
  await needs.database.read(system(), async (tx) => {
    const link = (await linksOf(tx, target.application, [person])).get(person);
    if (!link) await requirePerson(tx, person);
  });
  return (await preview(needs, target.application, `person:${person}`)) as Plan;
}

/** What is wrong with one expression. */
export interface MappingFault {
  attribute: string;
  text: string;
  /** Where in the expression, from 0. */
  position: number;
}

export interface MappingPreview {
  /** What expressions may name, with this person's values. */
  variables: Record<string, unknown>;
  attributes: Record<string, Value>;
  faults: MappingFault[];
  /** What the target would make of it; absent while something is wrong. */
  judgement?: Judgement;
  /** Whether this person is to have an account there, and why not. */
  standing: string;
}

/**
 * A mapping, over what the connector sends by itself, for one person; nothing is saved or asked of the target. Each
 * attribute has a value or a fault. Refuses with `person-unknown`.
 */
export async function previewMapping(
  needs: Pick<ProvisioningNeeds, 'database' | 'secrets' | 'connectors'>,
  target: Target,
  mapping: Readonly<Record<string, string>>,
  person: string,
): Promise<MappingPreview> {
  const connector = connectorOf(needs, target);
  const { profile, externalId, groups } = await needs.database.read(system(), async (tx) => {
    const application = await requireApplication(tx, target.application);
    const [found] = await profilesFor(tx, needs.secrets, application, [person]);
    if (!found) throw new Problem('person-unknown');
    const link = (await linksOf(tx, target.application, [person])).get(person);
    const groups = (await groupsOf(tx, [person])).get(person) ?? [];
    return { profile: found, externalId: link?.externalId || found.subject, groups };
  });
  const variables = valuesFor(profile, externalId, true);
  const known = new Set(connector.attributes.map(({ name }) => name));
  const faults: MappingFault[] = Object.keys(mapping).flatMap((attribute) =>
    known.has(attribute)
      ? []
      : [{ attribute, text: `${connector.title} has no attribute ${attribute}.`, position: 0 }],
  );
  const attributes: Record<string, Value> = {};
  for (const { name, mapping: usual, required } of connector.attributes) {
    const given = Object.hasOwn(mapping, name) ? mapping[name] : usual;
    const source = given?.trim() ? given : '';
    const result = evaluate(source, variables);
    if (result.fault) faults.push({ attribute: name, ...result.fault });
    else if (required && result.value === null)
      faults.push({
        attribute: name,
        text: `${name} is needed there, and this person has none.`,
        position: 0,
      });
    else if (source) attributes[name] = result.value;
  }
  const desired = { externalId, active: true, attributes };
  return {
    variables,
    attributes,
    faults,
    ...(faults.length === 0 && { judgement: openBlind(needs, target).judge(desired, undefined) }),
    standing: standingText(
      target,
      profile,
      groups.map(({ name }) => name),
    ),
  };
}

type Evaluated =
  | { value: Value; fault?: undefined }
  | { value?: undefined; fault: Omit<MappingFault, 'attribute'> };

function evaluate(source: string, variables: Readonly<Record<string, unknown>>): Evaluated {
  if (source === '') return { value: null };
  try {
    const value = compileExpression(source, mappingVariables).evaluate(variables);
    return { value: value === '' ? null : value };
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    return { fault: { text: error.message, position: error.position } };
  }
}

function standingText(target: Target, profile: Profile, groups: readonly string[]): string {
  const { standing, standingWhy } = standingOf(target, profile, groups);
  return standing === 'active' ? '' : (standingWhy ?? '');
}
