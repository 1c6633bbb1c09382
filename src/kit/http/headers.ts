/** The headers of every answer, and those of a page. */

/** For every answer, errors and files too (FE-02). */
export function plainHeaders(secure: boolean): Record<string, string> {
  return {
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'cross-origin-opener-policy': 'same-origin',
    'x-frame-options': 'DENY',
    'cache-control': 'no-store',
    ...(secure && { 'strict-transport-security': 'max-age=31536000' }),
  };
}

export interface PagePolicy {
  formAction?: readonly string[];
  builds?: boolean;
  /** Other sites this one page is open to; a page is open to none unless an operator has chosen one. */
  sources?: Partial<Record<'script' | 'frame' | 'style' | 'connect', readonly string[]>>;
}

/**
 * For a page. `formAction` are further origins a form's answer may redirect to: browsers apply form-action to the
 * redirects after a POST. On a page that `builds` itself by script no text becomes markup or code (Trusted Types).
 */
export function pageHeaders(
  nonce: string,
  { formAction = [], builds = false, sources = {} }: PagePolicy = {},
): Record<string, string> {
  const policy = [
    "default-src 'none'",
    `style-src ${["'self'", `'nonce-${nonce}'`, ...(sources.style ?? [])].join(' ')}`,
    `script-src ${["'self'", `'nonce-${nonce}'`, ...(sources.script ?? [])].join(' ')}`,
    "img-src 'self' data:",
    "font-src 'self'",
    `connect-src ${["'self'", ...(sources.connect ?? [])].join(' ')}`,
    ...(sources.frame ? [`frame-src ${sources.frame.join(' ')}`] : []),
    `form-action ${["'self'", ...formAction].join(' ')}`,
    "frame-ancestors 'none'",
    "base-uri 'none'",
    "object-src 'none'",
    ...(builds ? ["require-trusted-types-for 'script'", "trusted-types 'none'"] : []),
  ];
  return {
    'content-security-policy': policy.join('; '),
    'permissions-policy': 'camera=(), microphone=(), geolocation=(), payment=(), usb=()',
  };
}
