import type { Tx } from '#kit/db/tx.ts';
import type { NoticeKind } from './intake.ts';
import type { KeptTemplate, MailTemplate } from './templates.ts';

interface TemplateRow {
  kind: NoticeKind;
  locale: string;
  template: MailTemplate;
  updated_at: Date;
}

const toTemplate = ({ updated_at, ...row }: TemplateRow): KeptTemplate => ({ ...row, updatedAt: updated_at });

export async function listTemplates(tx: Tx): Promise<KeptTemplate[]> {
  const rows = await tx.query<TemplateRow>(
    'select kind, locale, template, updated_at from mail_templates order by kind, locale',
  );
  return rows.map(toTemplate);
}

export async function findTemplate(
  tx: Tx,
  kind: NoticeKind,
  locale: string,
): Promise<KeptTemplate | undefined> {
  const rows = await tx.query<TemplateRow>(
    'select kind, locale, template, updated_at from mail_templates where kind = $1 and locale = $2',
    [kind, locale],
    'mail-template-find',
  );
  return rows[0] && toTemplate(rows[0]);
}

export async function saveTemplate(
  tx: Tx,
  kind: NoticeKind,
  locale: string,
  template: MailTemplate,
): Promise<void> {
  await tx.query(
    `insert into mail_templates (kind, locale, template, updated_at) values ($1, $2, $3, $4)
     on conflict (kind, locale) do update set template = excluded.template, updated_at = excluded.updated_at`,
    [kind, locale, JSON.stringify(template), tx.now()],
  );
}

export async function removeTemplate(tx: Tx, kind: NoticeKind, locale: string): Promise<boolean> {
  const rows = await tx.query<{ kind: string }>(
    'delete from mail_templates where kind = $1 and locale = $2 returning kind',
    [kind, locale],
  );
  return rows.length > 0;
}
