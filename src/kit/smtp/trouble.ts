/**
 * What keeps a mail server from taking anything at all from us, where somebody can mend it: told from how it failed, said
 * in a sentence. Such a failure is never about one message, so no message is given up for it.
 */
import type { MailFailed } from './failed.ts';

export type MailTrouble =
  /** It refuses our user or password. */
  | 'sign-in'
  /** There is a password for it, and it does not ask for one. */
  | 'no-sign-in'
  /** It passes nothing on for whom it does not know. */
  | 'relaying'
  | 'certificate'
  | 'encryption';

const sentences: Record<MailTrouble, string> = {
  'sign-in':
    'The mail server refuses our user or password. Set both anew in its URL (smtpUrl or mailUrl), with @ : / ? # % and commas in them percent-encoded.',
  'no-sign-in':
    'The mail server offers no way to sign in, though its URL holds a password. Most offer it on an encrypted connection alone: write smtps://, or add ?requireTLS=true.',
  relaying:
    'The mail server passes on nothing from us, as it does not know us. Add user and password to its URL (smtpUrl or mailUrl), or let it know our address.',
  certificate:
    'The certificate of the mail server does not hold for its name, or comes from an authority that is not known here. Name the host as the certificate does; for an authority of your own, start Gatehouse with NODE_EXTRA_CA_CERTS set to its file.',
  encryption:
    'The mail server and we do not come to an encrypted connection. Look at port and scheme of its URL: smtps:// is encrypted from the start (465), smtp:// with STARTTLS (587).',
};

/** For operators, as two sentences. */
export function troubleText(trouble: MailTrouble): string {
  return sentences[trouble];
}

/** A server that says to us, rather than about a message, that it passes on nothing for strangers. */
const strangers =
  /relay(?:ing)? (?:access )?(?:is )?(?:denied|not (?:permitted|allowed)|prohibited)|unable to relay|allowed rcpthosts/i;

/** Whether a refusal is about who we are or how we came, and says nothing of the message: that one waits. */
export function isAboutUs(code: number, response: string): boolean {
  return [530, 534, 535, 538].includes(code) || ([550, 553, 554].includes(code) && strangers.test(response));
}

/** Undefined where nobody here can mend it, or it was about the message. */
export function troubleOf(error: MailFailed): MailTrouble | undefined {
  const { code: reply = 0, response, stage } = error;
  const cause = (error.cause ?? {}) as { code?: string; originalCode?: string; message?: string };
  if (cause.code === 'ENOAUTH') return 'no-sign-in';
  if (reply === 538 || (reply === 530 && /tls|encrypt/i.test(response))) return 'encryption';
  if (cause.code === 'EAUTH') return reply >= 400 && reply < 500 ? undefined : 'sign-in';
  if (reply === 534 || reply === 535) return 'sign-in';
  if (stage === 'envelope' && reply !== 0 && isAboutUs(reply, response)) return 'relaying';
  if (stage !== 'connect' || !/^(?:ETLS|ESOCKET)$/.test(cause.code ?? '')) return undefined;
  const { originalCode = '', message = '' } = cause;
  if (/CERT|SELF_SIGNED|UNABLE_TO/.test(originalCode) || /certificate|altname/i.test(message))
    return 'certificate';
  return cause.code === 'ETLS' || /^(?:ERR_SSL|EPROTO)/.test(originalCode) ? 'encryption' : undefined;
}

const unreached: [pattern: RegExp, sentence: string][] = [
  [
    /^(?:EDNS|ENOTFOUND|EAI_AGAIN)$/,
    'The name of the mail server leads to no address. Look at the host in its URL (smtpUrl or mailUrl), and whether name servers answer here.',
  ],
  [
    /^ECONNREFUSED$/,
    'Nothing answers at host and port of the mail server. Look at both in its URL (smtpUrl or mailUrl), and whether it runs.',
  ],
  [
    /^(?:ETIMEDOUT|EHOSTUNREACH|ENETUNREACH)$/,
    'The mail server did not answer in time. Look at host and port in its URL (smtpUrl or mailUrl), and at firewalls on the way.',
  ],
  [
    /^(?:ECONNECTION|ECONNRESET|EPIPE|ESOCKET)$/,
    'The mail server ended the connection before it was done. Look at its own log, and whether host and port in its URL (smtpUrl or mailUrl) are those of a mail server.',
  ],
];

/**
 * What is wrong, for operators: what they can mend, or why no answer came. Undefined where the server gave its own reason,
 * and where nothing more is known.
 */
export function faultText(error: MailFailed): string | undefined {
  const trouble = troubleOf(error);
  if (trouble) return troubleText(trouble);
  if (error.code !== undefined) return undefined;
  if (error.stage === 'after-data')
    return 'The connection ended before the mail server said whether it took the letter: it may have.';
  const { code = '', originalCode } = (error.cause ?? {}) as { code?: string; originalCode?: string };
  const seen = originalCode ?? code;
  return (unreached.find(([pattern]) => pattern.test(seen)) ??
    unreached.find(([one]) => one.test(code)))?.[1];
}
