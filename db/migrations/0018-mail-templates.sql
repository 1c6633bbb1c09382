-- Letters in a community's own words, by kind and language. Owned by notices.
create table mail_templates (
  kind text not null,
  locale text not null,
  template jsonb not null,              -- subject, text, action, after: plain text; what is left out stays ours
  updated_at timestamptz not null,
  primary key (kind, locale)
);
