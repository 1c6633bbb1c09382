/** Letting a sender write that somebody asked for: its domain becomes one of an app's, where that lets anything in. */
import { Problem } from '#core/problem.ts';
import type { Tx } from '#kit/db/tx.ts';
import { decideRequest, findRequest, type SenderRequest } from './choices.ts';
import { relayAppSettings } from './settings.ts';
import { relayApp, saveRelayApp } from './settings-kept.ts';

/** One that nobody has answered yet. @throws Problem relay-request-unknown */
export async function requireOpenRequest(tx: Tx, id: string): Promise<SenderRequest> {
  const found = await findRequest(tx, id);
  if (found?.state !== 'open') throw new Problem('relay-request-unknown');
  return found;
}

/**
 * Says yes to a request: the sender may write as an app.
 * @param input.application left out: the one the request names
 * @returns the request, which stays open where its domain would let in nothing more, and `why` that is
 * @throws Problem relay-request-unknown, application-unknown; conflict when somebody decided meanwhile
 */
export async function allowRequest(
  tx: Tx,
  input: { id: string; application?: string; answer?: string; by?: string },
): Promise<{ request: SenderRequest; why?: string }> {
  const { id, answer, by } = input;
  const open = await requireOpenRequest(tx, id);
  const application = input.application ?? open.application;
  if (application === undefined)
    throw new Problem('application-unknown', { fields: { application: 'application-unknown' } });
  const { why } = await letSenderWrite(tx, { application, domain: open.sender });
  if (why !== undefined) return { request: open, why };
  return { request: await decideRequest(tx, { id, state: 'allowed', answer, by }) };
}

/**
 * Adds a domain to those the From of an app's mail may name.
 * @returns why it would let in nothing more, where that is so; then nothing was changed
 * @throws Problem application-unknown
 */
export async function letSenderWrite(
  tx: Tx,
  { application, domain }: { application: string; domain: string },
): Promise<{ why?: string }> {
  const kept = (await relayApp(tx, application))?.settings;
  const before = kept ?? relayAppSettings.parse({});
  const { domains, networks, require } = before;
  if (domains.some((one) => holds(one, domain)))
    return {
      why: `${application} may write with this domain already: the mail was refused for another reason.`,
    };
  if (domains.length === 0 && networks.length > 0)
    return {
      why: `${application} may write with any domain from its networks: this mail came from another one, or was not proved.`,
    };
  if (networks.length === 0 && require.length === 0)
    return {
      why: `${application} proves nothing and has no networks: with a domain alone anybody could write as it.`,
    };
  await saveRelayApp(tx, application, { ...before, domains: [...domains, domain] });
  return {};
}

function holds(pattern: string, domain: string): boolean {
  return pattern === domain || (pattern.startsWith('*.') && domain.endsWith(pattern.slice(1)));
}
