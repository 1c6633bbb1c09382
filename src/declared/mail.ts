/** The part of a plan that says what letters say in the community's own words. */
import type { Tx } from '#kit/db/tx.ts';
import type { NoticeKind } from '#notices/intake.ts';
import { findTemplate, listTemplates, type MailTemplate, saveTemplate } from '#notices/templates.ts';
import { changedKeys, type Planning } from './plan.ts';

/** What would have to change for each declared letter to be as the file says; letters it does not name stay. */
export async function planMail(tx: Tx, { declared, plan }: Planning): Promise<void> {
  for (const [kind, byLocale] of Object.entries(declared.mail?.templates ?? {})) {
    for (const [locale, template] of Object.entries(byLocale ?? {}))
      await planTemplate(tx, plan, { kind: kind as NoticeKind, locale, template });
  }
}

async function planTemplate(
  tx: Tx,
  plan: Planning['plan'],
  { kind, locale, template }: { kind: NoticeKind; locale: string; template: MailTemplate },
): Promise<void> {
  const known = await findTemplate(tx, kind, locale);
  const keys = changedKeys(known?.template ?? {}, template);
  if (keys.length === 0) return;
  plan.changes.push({
    text: `${known ? 'Change' : 'Write'} the letter ${kind} (${locale}): ${keys.join(', ')}`,
    path: ['mail', 'templates', kind, locale],
    run: async (inside) => void (await saveTemplate(inside, kind, locale, template)),
  });
}

/** Letters as a file that is applied again takes them. */
export async function exportMail(tx: Tx): Promise<object> {
  const templates: Record<string, Record<string, MailTemplate>> = {};
  for (const { kind, locale, template } of await listTemplates(tx))
    templates[kind] = { ...templates[kind], [locale]: template };
  return Object.keys(templates).length > 0 ? { templates } : {};
}
