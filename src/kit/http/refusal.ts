/** What HTTP itself refuses before any page or protocol looks at the request. */
export type RefusalCode =
  | 'input-malformed'
  | 'input-too-large'
  | 'form-stale'
  | 'host-refused'
  | 'https-required'
  | 'not-found'
  | 'not-ready'
  | 'busy'
  | 'unexpected';

/** A request this server does not pass on. `renderError` of the server's owner words it. */
export class HttpRefusal extends Error {
  override name = 'HttpRefusal';
  readonly status: number;
  readonly code: RefusalCode;
  /** For the log. */
  readonly detail: string;
  /** Seconds after which trying again makes sense. */
  readonly retryAfter?: number;

  constructor(status: number, code: RefusalCode, detail: string, retryAfter?: number) {
    super(detail);
    this.status = status;
    this.code = code;
    this.detail = detail;
    this.retryAfter = retryAfter;
  }
}
