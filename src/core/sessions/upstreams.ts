/** Which identity provider vouched for the person of a session: for signing out there, and for when it signs out here. */
import { hashToken } from '#kit/crypto/ids.ts';
import { type Secrets, WrongMasterKey } from '#kit/crypto/secrets.ts';
import type { Tx } from '#kit/db/tx.ts';
import { endSessionsByIds } from './sessions.ts';
import * as store from './upstreams.store.ts';

export interface UpstreamProof {
  /** Id of the upstream. */
  id: string;
  /** What it calls the person. */
  subject: string;
  /** Its own id of its session: OIDC `sid`, SAML SessionIndex. */
  sessionIndex?: string;
  /** By which name it signs the person out, where that is not `subject` (SAML: the NameID). Kept as a hash. */
  name?: string;
  /**
   * What it wants to hear when someone signs out there: the ID token as it came (OIDC RP-Initiated Logout), or the SAML
   * NameID. Kept sealed.
   */
  idToken?: string;
}

const purpose = 'upstream session';

/** Keeps who vouched for a session. */
export async function noteUpstream(
  tx: Tx,
  secrets: Secrets,
  session: string,
  proof: UpstreamProof,
): Promise<void> {
  const { id: upstream, subject, sessionIndex, name } = proof;
  const idToken = proof.idToken && secrets.seal(purpose, proof.idToken, bindOf(session));
  const nameHash = name === undefined ? undefined : hashToken(name);
  await store.insertUpstream(tx, { session, upstream, subject, sessionIndex, nameHash, idToken });
}

/** Who vouched for a session; undefined for one that began with a proof of our own. */
export async function upstreamOf(
  tx: Tx,
  secrets: Secrets,
  session: string,
): Promise<UpstreamProof | undefined> {
  const row = await store.upstreamOf(tx, session);
  if (!row) return undefined;
  const { upstream: id, subject, sessionIndex } = row;
  const idToken = row.idToken ? opened(secrets, row.idToken, session) : undefined;
  return { id, subject, sessionIndex: sessionIndex ?? undefined, idToken };
}

/** It is only a hint: one sealed under a master key that was put away since is none. */
function opened(secrets: Secrets, sealed: Buffer, session: string): string | undefined {
  try {
    return secrets.open(purpose, sealed, bindOf(session)).toString();
  } catch (error) {
    if (error instanceof WrongMasterKey) return undefined;
    throw error;
  }
}

/** The live sessions that an upstream vouched for: all of a subject or of a name there, or one by its index. */
export function sessionsFromUpstream(
  tx: Tx,
  { name, ...by }: { upstream: string; subject?: string; name?: string; sessionIndex?: string },
): Promise<string[]> {
  return store.sessionsFromUpstream(tx, {
    ...by,
    nameHash: name === undefined ? undefined : hashToken(name),
  });
}

/** Which sessions an upstream opened. */
export interface OpenedBy {
  upstream: string;
  /** Of this subject there alone. */
  subject?: string;
  /** But not of these subjects. */
  butSubjects?: readonly string[];
  /** But not this session. */
  except?: string;
}

/** Ends the live sessions that an upstream opened, because its word counts no more. Returns how many. */
export async function endSessionsOpenedBy(tx: Tx, which: OpenedBy, reason: string): Promise<number> {
  return endSessionsByIds(tx, await store.liveOpenedBy(tx, which), reason);
}

/** How many live sessions each upstream opened, by its id. */
export const countOpenedBy = store.countOpenedBy;

/** For erasing: nothing says any more who someone was elsewhere. */
export const forgetUpstreamsOf = store.deleteUpstreamsOf;

function bindOf(session: string): string {
  return `session_upstreams/${session}/id_token`;
}
