/**
 * Lookups of a Postfix that passes mail on instead of us (socketmap_table(5)): where an alias mailbox leads. Whatever goes
 * wrong here is TEMP: NOTFOUND would refuse mail for good.
 */
import { type Database, system } from '#kit/db/database.ts';
import type { Log } from '#kit/log/log.ts';
import { createNetstringReader } from '#wire/smtp/netstring.ts';
import { longestQuery, readQuery, type SocketmapReply, writeReply } from '#wire/smtp/socketmap.ts';
import { type Backend, startBackend, within } from './backend.ts';
import { postmasters } from './postmaster.ts';
import { type RecipientNeeds, recipientOf } from './recipients.ts';
import type { RelayRules } from './settings-kept.ts';

export interface SocketmapNeeds extends RecipientNeeds {
  database: Pick<Database, 'read'>;
  rules: { now(): RelayRules };
  log: Log;
  /** What we call ourselves. */
  name: string;
}

/** Where reports end that our milter has read: a domain that is nobody's (RFC 6761), thrown away by the exported configuration. */
export const reportsDomain = 'reports.invalid';

const idleMs = 110_000;
const answerMs = 8_000;

/** Serves the map `alias`. Throws the system's error when it cannot listen. */
export function startSocketmap(
  needs: SocketmapNeeds,
  place: { host: string; port: number },
): Promise<Backend> {
  return startBackend({
    ...place,
    name: 'socketmap',
    log: needs.log,
    read: () => createNetstringReader({ maxBytes: longestQuery }),
    idleMs,
    async answer(bytes) {
      try {
        return writeReply(await within(answerMs, reply(needs, bytes)));
      } catch (error) {
        needs.log.error({ err: error }, 'a lookup of the mail server could not be answered');
        return writeReply({ temp: 'not ready, try again later' });
      }
    },
  });
}

async function reply(needs: SocketmapNeeds, bytes: Buffer): Promise<SocketmapReply> {
  const query = readQuery(bytes);
  if (query?.map === 'alias') return leadsTo(needs, query.key);
  // Not NOTFOUND: a slip in the configuration must not cost mail.
  return { temp: 'there is no map of that name' };
}

/** Postfix asks for what an address leads to, and again for what that leads to. */
async function leadsTo(needs: SocketmapNeeds, address: string): Promise<SocketmapReply> {
  const rules = needs.rules.now();
  const recipient = await recipientOf(needs, rules, { sender: '', recipient: address });
  if (rules.house.off) return { temp: 'mail is not taken at the moment' };
  if (recipient.class === 'alias') return { ok: recipient.to };
  if (recipient.class === 'bounce') return { ok: `absorbed@${reportsDomain}` };
  if (recipient.class !== 'postmaster') return { notFound: true };
  const operators = await needs.database.read(system('request'), postmasters);
  return operators.length === 0 ? { temp: 'nobody runs this yet' } : { ok: operators.join(',') };
}
