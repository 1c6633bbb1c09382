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

/**
 * For a page. `formAction` are further origins a form's answer may redirect to: browsers apply form-action to the
 * redirects after a POST. On a page that `builds` itself by script no text becomes markup or code (Trusted Types).
 */
export function pageHeaders(
  nonce: string,
  { formAction = [], builds = false }: { formAction?: readonly string[]; builds?: boolean } = {},
): Record<string, string> {
  const policy = [
    "default-src 'none'",
    `style-src 'self' 'nonce-${nonce}'`,
    `script-src 'self' 'nonce-${nonce}'`,
    "img-src 'self' data:",
    "font-src 'self'",
    "connect-src 'self'",
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
