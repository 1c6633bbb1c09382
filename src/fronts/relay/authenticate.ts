/**
 * What can be proved about a message: SPF (RFC 7208), DKIM (RFC 6376, 8301, 8463), DMARC with alignment by
 * organisational domain (RFC 7489) and the ARC chain (RFC 8617). Whatever is not proved beyond doubt is not proved. The
 * work itself is done on a thread, see proofs.ts.
 */
import type { Log } from '#kit/log/log.ts';
import type { Threads } from '#kit/threads/threads.ts';
import type { Proof } from './settings.ts';

export interface AuthenticationInput {
  raw: Buffer;
  /** Address of the client. */
  client: string;
  helo: string;
  /** Envelope sender; '' is the null sender, for whom the name in HELO is checked. */
  sender: string;
  /** Our own name, the first word of the header. */
  mta: string;
}

export interface AuthenticationResult {
  /** The one domain the one author of the message writes from; undefined where there is not exactly one. */
  author?: string;
  /** `domain` is the one that was checked. */
  spf: { result: string; domain?: string; aligned: boolean };
  /** `pass` only where it proves the whole message: no l=, no key that is being tried out, nothing expired. */
  dkim: { domain: string; selector: string; result: string; aligned: boolean }[];
  /** `none`: the domain says nothing; what is aligned above still counts. */
  dmarc: { result: string; policy?: string; domain?: string };
  /** `temporary`: the chain could not be checked now; nothing may be said about it. */
  arc: { result: 'none' | 'pass' | 'fail'; temporary?: boolean };
  /** Value of an Authentication-Results header: domains alone, no addresses. */
  header: string;
  /** DNS failed, so that something may be missing that is there: not refused for good. */
  temporary: boolean;
}

export interface Authenticator {
  /** Throws ThreadsBusy or TaskCutOff; DNS that fails is told in the result. */
  authenticate(input: AuthenticationInput): Promise<AuthenticationResult>;
  close(): Promise<void>;
}

/** @param needs.threads made by `createRelayThreads`, shared with the sealer */
export function createAuthenticator(needs: {
  dnsServers: readonly string[];
  log: Log;
  threads: Threads;
}): Authenticator {
  const { dnsServers, log, threads } = needs;
  return {
    async authenticate(input) {
      const result = await threads.run<AuthenticationResult>('authenticate', { ...input, dnsServers });
      if (result.temporary)
        log.info({ code: 'dns-unanswered', domain: result.author }, 'a sender could not be checked for now');
      return result;
    },
    async close() {},
  };
}

/**
 * Which proofs hold for the domain a message is from. `fromDomain` is what the rest of the relay read in the From header:
 * if that is not what was judged, nothing holds.
 */
export function proofsOf(result: AuthenticationResult, fromDomain: string): Record<Proof, boolean> {
  if (result.author === undefined || result.author !== fromDomain.toLowerCase().replace(/\.$/, ''))
    return { spf: false, dkim: false, dmarc: false };
  const spf = result.spf.result === 'pass' && result.spf.aligned;
  const dkim = result.dkim.some((one) => one.result === 'pass' && one.aligned);
  const dmarc = result.dmarc.result === 'pass' || (result.dmarc.result === 'none' && (spf || dkim));
  return { spf, dkim, dmarc };
}

/** Whether everything asked for is proved; `later`: not now, but DNS failed, and it may be when it answers again. */
export function isProved(
  result: AuthenticationResult,
  fromDomain: string,
  wanted: readonly Proof[],
): 'yes' | 'no' | 'later' {
  const held = proofsOf(result, fromDomain);
  if (wanted.every((proof) => held[proof])) return 'yes';
  return result.temporary ? 'later' : 'no';
}
