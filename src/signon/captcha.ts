/**
 * Checks of others, where a community set one: reCAPTCHA, hCaptcha or Turnstile. Their script then stands on the sign-up
 * page and nowhere else; whoever answers is told nothing but the answer to check, not even the visitor's address.
 * Fails closed: without an answer nobody signs up.
 */
import type { Net } from '#kit/net/net.ts';

export type CaptchaProvider = 'recaptcha' | 'hcaptcha' | 'turnstile';

interface Service {
  script: string;
  /** Class of the element their script fills. */
  widget: string;
  /** Field their script adds to the form. */
  field: string;
  verify: string;
  /** Origins the page must be open to, by CSP directive. */
  sources: Partial<Record<'script' | 'frame' | 'style' | 'connect', readonly string[]>>;
}

const hcaptcha = ['https://hcaptcha.com', 'https://*.hcaptcha.com'];
const turnstile = ['https://challenges.cloudflare.com'];

export const captchas: Record<CaptchaProvider, Service> = {
  recaptcha: {
    script: 'https://www.google.com/recaptcha/api.js',
    widget: 'g-recaptcha',
    field: 'g-recaptcha-response',
    verify: 'https://www.google.com/recaptcha/api/siteverify',
    sources: {
      script: ['https://www.google.com/recaptcha/', 'https://www.gstatic.com/recaptcha/'],
      frame: ['https://www.google.com/recaptcha/', 'https://recaptcha.google.com/recaptcha/'],
    },
  },
  hcaptcha: {
    script: 'https://js.hcaptcha.com/1/api.js',
    widget: 'h-captcha',
    field: 'h-captcha-response',
    verify: 'https://api.hcaptcha.com/siteverify',
    sources: { script: hcaptcha, frame: hcaptcha, style: hcaptcha, connect: hcaptcha },
  },
  turnstile: {
    script: 'https://challenges.cloudflare.com/turnstile/v0/api.js',
    widget: 'cf-turnstile',
    field: 'cf-turnstile-response',
    verify: 'https://challenges.cloudflare.com/turnstile/v0/siteverify',
    sources: { script: turnstile, frame: turnstile },
  },
};

export interface CaptchaNeeds {
  net: Net;
  /** What the service knows us by. */
  captchaSecret?: { reveal(): string };
  /** Asked instead of the service's own address. */
  captchaVerifyUrl?: string;
  /** Where people reach us; an answer given on another site does not count. */
  publicHost: string;
}

/** Asks the service whether this answer counts. `unavailable` when it did not say. */
export async function verifyCaptcha(
  needs: CaptchaNeeds,
  provider: CaptchaProvider,
  answer: string,
): Promise<'right' | 'refused' | 'unavailable'> {
  if (!needs.captchaSecret) return 'unavailable';
  if (answer === '' || answer.length > 8000) return 'refused';
  try {
    const { status, text } = await needs.net.fetch(needs.captchaVerifyUrl ?? captchas[provider].verify, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({ secret: needs.captchaSecret.reveal(), response: answer }).toString(),
      timeoutMs: 5000,
      maxBytes: 64 * 1024,
      redirects: 0,
    });
    const said = status === 200 ? (JSON.parse(text()) as Record<string, unknown>) : undefined;
    if (typeof said?.success !== 'boolean') return 'unavailable';
    const elsewhere = typeof said.hostname === 'string' && said.hostname !== needs.publicHost;
    return said.success && !elsewhere ? 'right' : 'refused';
  } catch {
    return 'unavailable';
  }
}
