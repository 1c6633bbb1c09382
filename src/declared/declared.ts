/**
 * A community as code: one YAML file of settings, attributes, apps, targets, groups and people.
 * Owns no table; what it changes goes through the doors of the core with the cause `apply`, so nobody is mailed.
 * Records nothing of its own. Refuses a file with anything in it that it does not know, naming every such place, and
 * then changes nothing. Never removes what the file does not name. Applying a file twice is applying it once.
 */
import type { Hasher } from '#kit/crypto/passwords.ts';
import type { Secrets } from '#kit/crypto/secrets.ts';
import type { Database } from '#kit/db/database.ts';
import type { TxContext } from '#kit/db/tx.ts';
import type { Connector } from '#provisioning/connector.ts';
import { type CredentialPlaces, readyCredentials } from './credentials.ts';
import { type Declared, parseDeclared } from './parse.ts';
import { readyPasswords } from './passwords.ts';
import { type Plan, planDeclared, runPlan } from './plan.ts';

export { exportDeclared } from './export.ts';
export { DeclaredError, type Finding } from './findings.ts';
export { type Declared, largestFile, parseDeclared } from './parse.ts';
export { type ReadyPasswords, readyPasswords } from './passwords.ts';
export { type Change, type Plan, planDeclared, runPlan } from './plan.ts';

export interface Applied {
  /** What changed (or would), a sentence each; empty when the house is as declared. */
  changes: string[];
  warnings: string[];
  /** Client secrets that were made; they cannot be read again. Empty on a dry run. */
  secrets: { application: string; secret: string }[];
}

/** Ends the transaction of a dry run; carries what it found. */
class DryRunOver extends Error {
  readonly plan: Plan;
  constructor(plan: Plan) {
    super('dry run');
    this.plan = plan;
  }
}

export interface DeclaredNeeds {
  database: Database;
  hasher: Hasher;
  secrets: Secrets;
  connectors: ReadonlyMap<string, Connector>;
  context: TxContext;
}

/**
 * Applies a file in one transaction. A dry run takes the very same steps and then takes them back, so that it also
 * meets what only the database can refuse.
 * @param input.told called while passwords are hashed, which is what takes time
 * @throws DeclaredError with every finding; nothing was changed
 */
export async function applyDeclared(
  needs: DeclaredNeeds,
  input: {
    text: string;
    dryRun?: boolean;
    told?: (done: number, total: number) => void;
  } & CredentialPlaces,
): Promise<Applied> {
  const declared: Declared = parseDeclared(input.text);
  const context: TxContext = { ...needs.context, cause: 'apply' };
  const credentials = await readyCredentials(declared, input);
  const passwords = await readyPasswords({ ...needs, context }, declared, input.told);
  try {
    const plan = await needs.database.transact(context, async (tx) => {
      const planned = await planDeclared(tx, declared, { ...needs, credentials, passwords });
      await runPlan(tx, declared, planned);
      if (input.dryRun) throw new DryRunOver(planned);
      return planned;
    });
    return told(plan, plan.secrets);
  } catch (error) {
    if (error instanceof DryRunOver) return told(error.plan, []);
    throw error;
  }
}

function told(plan: Plan, secrets: Applied['secrets']): Applied {
  return { changes: plan.changes.map((change) => change.text), warnings: plan.warnings, secrets };
}
