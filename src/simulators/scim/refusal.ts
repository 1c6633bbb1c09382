/** An answer that refuses: what the simulator's SCIM part throws, and how it is written. */

export type ScimType =
  | 'invalidFilter'
  | 'invalidPath'
  | 'invalidSyntax'
  | 'invalidValue'
  | 'invalidVers'
  | 'mutability'
  | 'noTarget'
  | 'tooMany'
  | 'uniqueness';

/** RFC 7644 §3.12: status, optional scimType, one sentence. */
export class Refusal extends Error {
  override name = 'Refusal';
  readonly status: number;
  readonly scimType: ScimType | undefined;
  constructor(status: number, detail: string, scimType?: ScimType) {
    super(detail);
    this.status = status;
    this.scimType = scimType;
  }
}

export const errorUrn = 'urn:ietf:params:scim:api:messages:2.0:Error';

/** The body of an error; `status` is a string (RFC 7644 §3.12). */
export function errorBody(status: number, detail: string, scimType?: ScimType): Record<string, unknown> {
  return { schemas: [errorUrn], status: String(status), ...(scimType ? { scimType } : {}), detail };
}
