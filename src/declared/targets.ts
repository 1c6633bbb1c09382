/** The part of a plan that makes apps targets. */
import type { Secrets } from '#kit/crypto/secrets.ts';
import type { Tx } from '#kit/db/tx.ts';
import type { Connector } from '#provisioning/connector.ts';
import { checkSettings, type TargetSettings, targetSettings } from '#provisioning/settings.ts';
import { findTarget, holdsCredentials, listTargets, saveTarget } from '#provisioning/targets.ts';
import type { ReadyCredentials } from './credentials.ts';
import { changedKeys, type Planning } from './plan.ts';
import type { DeclaredTarget } from './schema.ts';

export interface TargetTools {
  secrets: Secrets;
  connectors: ReadonlyMap<string, Connector>;
  credentials: ReadyCredentials;
}

/** What would have to change for each declared target to be as the file says; its credentials where the file gives them. */
export async function planTargets(tx: Tx, planning: Planning, tools: TargetTools): Promise<void> {
  const { declared, applications, findings } = planning;
  const apps = new Set([...applications.keys(), ...(declared.applications ?? []).map((one) => one.id)]);
  for (const [index, one] of (declared.targets ?? []).entries()) {
    if (apps.has(one.application)) await planTarget(tx, planning, tools, one, index);
    else findings.push(declared.places.find(['targets', index, 'application'], 'there is no such app'));
  }
}

async function planTarget(
  tx: Tx,
  { declared, plan, findings }: Planning,
  { secrets, connectors, credentials }: TargetTools,
  { application, credentials: _, ...given }: DeclaredTarget,
  index: number,
): Promise<void> {
  const path = ['targets', index];
  const checked = checkSettings(connectors, given);
  for (const { path: place, text } of checked.findings)
    findings.push(declared.places.find([...path, ...place.split('.')], text));
  const { settings } = checked;
  if (!settings) return;
  const known = await findTarget(tx, application);
  const values = credentials.targets.get(index);
  const connector = connectors.get(settings.connector);
  const asked = known?.connector === settings.connector ? [] : (connector?.credentials ?? []);
  const missing = asked.filter(({ name, required }) => required && values?.[name] === undefined);
  if (missing.length > 0) {
    const names = missing.map(({ name }) => name).join(', ');
    findings.push(declared.places.find([...path, 'credentials'], `${names} must be given`));
    return;
  }
  const keys = known ? changedKeys(known.settings, settings) : [];
  const isNew =
    values !== undefined && !(known && (await holdsCredentials(tx, secrets, application, values)));
  if (known && keys.length === 0 && !isNew) return;
  const parts = [...keys, ...(isNew ? ['credentials'] : [])];
  plan.changes.push({
    text: known
      ? `Change the target ${application}: ${parts.join(', ')}`
      : `Make the app ${application} a target (${connector?.title}, mode ${settings.mode})`,
    path,
    run: async (inside) =>
      void (await saveTarget(inside, secrets, connectors, application, settings, isNew ? values : undefined)),
  });
}

/** Targets as a file that is applied again takes them: what is as it would be anyway is left out, and so are credentials. */
export async function exportTargets(
  tx: Tx,
  differing: (value: object, usual: object) => Record<string, unknown>,
): Promise<object[]> {
  const usual: TargetSettings = targetSettings.parse({ connector: '' });
  return (await listTargets(tx)).map(({ application, settings }) => ({
    application,
    ...differing(settings, usual),
  }));
}
