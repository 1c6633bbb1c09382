/** How far a message had come when it failed: before the mail server had a word of it, or after. */
export type MailStage =
  /** No connection, greeting, TLS or sign-in: nothing about this message was said. */
  | 'connect'
  /** The sender or recipient was refused or not answered; no byte of the message has left. */
  | 'envelope'
  /** The message was sent and refused. */
  | 'data'
  /** The message was sent and no answer came: it may have been taken. */
  | 'after-data';

/** The message itself may not be sent: it would reach someone else or say something else than meant. */
export class MailRefused extends Error {
  override name = 'MailRefused';
}

/** A mail server did not take the message. `permanent`: it never will (5xx); otherwise try again later. */
export class MailFailed extends Error {
  override name = 'MailFailed';
  readonly permanent: boolean;
  /** What the server said, or a code such as ECONNECTION; may name the recipient. */
  readonly response: string;
  readonly stage: MailStage;
  /** SMTP reply code, where there was a reply. */
  readonly code: number | undefined;
  /** RFC 3463, such as 5.1.1, where the reply holds one. */
  readonly enhanced: string | undefined;
  constructor(permanent: boolean, response: string, cause: unknown, stage: MailStage = 'envelope') {
    super(`The mail server did not take the message: ${response}`, { cause });
    this.permanent = permanent;
    this.response = response;
    this.stage = stage;
    const [, code, enhanced] = /^(\d{3})(?:[ -](\d\.\d{1,3}\.\d{1,3})\b)?/.exec(response) ?? [];
    this.code = code === undefined ? undefined : Number(code);
    this.enhanced = enhanced;
  }
}
