/**
 * Lookups of a Postfix that passes mail on instead of us (socketmap_table(5)): where an alias mailbox leads, and the
 * return address in place of a sender's. Whatever goes wrong here is TEMP: NOTFOUND would refuse mail for good.
 */
import { type Database, system } from '#kit/db/database.ts';
import type { Log } from '#kit/log/log.ts';
import { parsePath } from '#wire/smtp/addresses.ts';
import { createNetstringReader } from '#wire/smtp/netstring.ts';
import { longestQuery, readQuery, type SocketmapReply, writeReply } from '#wire/smtp/socketmap.ts';
import { type Backend, startBackend, within } from './backend.ts';
import { returnPath } from './forward.ts';
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

/** Where reports end that come back: a domain that is nobody's (RFC 6761), thrown away by the exported configuration. */
export const reportsDomain = 'reports.invalid';

const idleMs = 110_000;
const answerMs = 8_000;

/** Serves the maps `alias` and `srs`. Throws the system's error when it cannot listen. */
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
  if (query?.map === 'srs') return returnAddress(needs, query.key);
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

/**
 * The sender of mail that is passed on: ours, so that SPF holds. Our own addresses stay, and so does the null sender,
 * which Postfix writes `""`: a report gets no return address.
 */
async function returnAddress(needs: SocketmapNeeds, sender: string): Promise<SocketmapReply> {
  if (sender === '' || sender === '""') return { notFound: true };
  const { domains } = needs.rules.now();
  const [domain] = domains;
  const path = parsePath(sender);
  if (domain === undefined) return { temp: 'there is no domain of alias mailboxes' };
  if (path && [...domains, needs.mailDomain].includes(path.domain)) return { notFound: true };
  // A sender too long, or no plain mailbox, is left out: reports about such mail are counted all the same.
  const made = returnPath(needs, sender, domain);
  return made === '' ? { temp: 'no return address fits' } : { ok: made };
}
