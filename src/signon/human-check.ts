/**
 * What keeps programs out of sign-up, and only there: nobody is ever asked to prove anything like this to sign in. By
 * default a puzzle the browser solves by itself, a field that people do not see, and limits by network; whoever has no
 * JavaScript is let in more slowly. A community may choose the check of a service instead (captcha.ts).
 */
import type { Community } from '#core/community/community.ts';
import { constantTimeEqual } from '#kit/crypto/ids.ts';
import type { FormBody } from '#kit/http/server.ts';
import { puzzleScript, puzzleWorker } from '#kit/page/assets.ts';
import { hiddenField } from '#kit/page/fields.ts';
import { type Html, html } from '#kit/page/html.ts';
import { botWords } from './bots.words.ts';
import { type CaptchaNeeds, captchas, verifyCaptcha } from './captcha.ts';
import { type PuzzleNeeds, readPuzzle, type SolvedPuzzle } from './puzzle.ts';
import type { Visit } from './visit.ts';

export interface HumanNeeds extends PuzzleNeeds, CaptchaNeeds {}

/** Why a form was not taken; not a fault of the person, so it names no field. */
export type Doubt = 'wrong' | 'over' | 'used' | 'quick' | 'trap' | 'refused' | 'unavailable' | 'notSetUp';

/** The form may be a program's. Answered on the same page, with everything typed but the password still there. */
export class InDoubt extends Error {
  override name = 'InDoubt';
  readonly why: Doubt;
  constructor(why: Doubt) {
    super(`sign-up refused: ${why}`);
    this.why = why;
  }
}

/** Status of the page that says so. */
export function doubtStatus(why: Doubt): number {
  return why === 'unavailable' || why === 'notSetUp' ? 503 : 422;
}

export function doubtWords(here: Visit, why: Doubt): string {
  const keys = {
    wrong: 'whyWrong',
    over: 'whyOver',
    used: 'whyUsed',
    quick: 'whyQuick',
    trap: 'whyTrap',
    refused: 'whyRefused',
    unavailable: 'whyUnavailable',
    notSetUp: 'whyNotSetUp',
  } as const satisfies Record<Doubt, string>;
  return botWords(here.locale)(keys[why], { community: here.community.name });
}

/** What spoke for a person: a puzzle that makes one account, or nothing but patience. */
export interface Checked {
  puzzle?: SolvedPuzzle;
  /** Nothing was proved: the tighter limit of the network counts. */
  unproved: boolean;
}

/** Nobody reads and fills in five fields faster. */
const quickestMs = 3000;
/** A form may stand open for a day. */
const longestMs = 86_400_000;
const trapName = 'website';

/** Looks at a form before anything else is done with it. Throws InDoubt. */
export async function checkHuman(needs: HumanNeeds, here: Visit, form: FormBody): Promise<Checked> {
  const { provider } = here.community.signUp.captcha;
  if (form.text(trapName) !== '') throw new InDoubt('trap');
  if (provider === 'none') return { unproved: false };
  if (provider !== 'altcha') {
    if (!isSetUp(needs, here.community)) throw new InDoubt('notSetUp');
    const verdict = await verifyCaptcha(needs, provider, form.text(captchas[provider].field));
    if (verdict !== 'right') throw new InDoubt(verdict);
    return { unproved: false };
  }
  const given = form.text('puzzle');
  if (given !== '') {
    const puzzle = await readPuzzle(needs, here, given);
    if (typeof puzzle === 'string') throw new InDoubt(puzzle);
    return { puzzle, unproved: false };
  }
  // Without JavaScript: no proof, so the form must at least have been read, and the network's limit is tighter.
  const began = readBegan(needs, here, form.text('began'));
  const age = began === undefined ? undefined : here.now.getTime() - began;
  if (age === undefined || age > longestMs) throw new InDoubt('over');
  if (age < quickestMs) throw new InDoubt('quick');
  return { unproved: true };
}

function isSetUp(needs: CaptchaNeeds, { signUp }: Community): boolean {
  return signUp.captcha.siteKey !== undefined && needs.captchaSecret !== undefined;
}

/** What the page needs for the check: fields in the form, scripts, and what the page's policy must let in. */
export interface HumanPart {
  fields: Html;
  scripts: readonly string[];
  sources?: (typeof captchas)['recaptcha']['sources'];
  /** Nothing can be sent from here, and why. */
  closed?: string;
}

/** @param before the form that is shown again, if any: it was begun when it first came */
export function humanPart(needs: HumanNeeds, here: Visit, before?: FormBody): HumanPart {
  const say = botWords(here.locale);
  const { captcha } = here.community.signUp;
  const { provider } = captcha;
  if (provider === 'none') return { fields: trap(say('trap')), scripts: [] };
  if (provider !== 'altcha') {
    const community = here.community.name;
    if (!isSetUp(needs, here.community))
      return { fields: html``, scripts: [], closed: say('whyNotSetUp', { community }) };
    const service = captchas[provider];
    const widget = html`<div class="${service.widget}" data-sitekey="${captcha.siteKey}"></div>`;
    const fields = html`${trap(say('trap'))}${widget}<noscript><p>${say('needsScript', { community })}</p></noscript>`;
    return { fields, scripts: [service.script], sources: service.sources };
  }
  const began = (before && readBegan(needs, here, before.text('began'))) ?? here.now.getTime();
  const spot = html`<div data-puzzle="/sign-up/puzzle" data-worker="${puzzleWorker.url}">${hiddenField('puzzle', '')}<p class="muted small" role="status" data-checking="${say('checking')}" data-checked="${say('checked')}" hidden></p></div>`;
  return {
    fields: html`${trap(say('trap'))}${hiddenField('began', writeBegan(needs, here, began))}${spot}`,
    scripts: [puzzleScript.url],
  };
}

/** A field that people neither see, reach nor hear, and that programs fill in. */
function trap(label: string): Html {
  return html`<div class="unseen" aria-hidden="true"><label>${label}<input name="${trapName}" value="" tabindex="-1" autocomplete="off"></label></div>`;
}

function writeBegan({ secrets }: PuzzleNeeds, here: Visit, at: number): string {
  return `${at}.${secrets.mac('sign-up began', here.browser, String(at)).toString('base64url')}`;
}

function readBegan({ secrets }: PuzzleNeeds, here: Visit, text: string): number | undefined {
  const [, at, mark] = /^(\d{1,15})\.([\w-]{43})$/.exec(text) ?? [];
  if (at === undefined || mark === undefined) return undefined;
  const given = Buffer.from(mark, 'base64url');
  const ours = secrets.macs('sign-up began', here.browser, at);
  return ours.some((one) => constantTimeEqual(one, given)) ? Number(at) : undefined;
}
