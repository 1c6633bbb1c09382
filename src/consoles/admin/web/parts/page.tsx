/** The head of a page, its sections and tabs, what stands there while nothing has come, and what when there is nothing. */
import type { ComponentChildren } from 'preact';
import { useEffect } from 'preact/hooks';
import { words } from '#consoles/admin/web/words.ts';
import { LinkButton } from './button.tsx';
import { Icon } from './icons.tsx';

const community = document.title.split(' · ').at(-1) ?? '';

export interface PageProps {
  title: string;
  /** Above the title: the list this is one of. */
  up?: { href: string; label: string };
  /** Beside the title. */
  badge?: ComponentChildren;
  /** Below the title. */
  lede?: ComponentChildren;
  actions?: ComponentChildren;
  children: ComponentChildren;
}

/** A page: says its title to the tab and to screen readers, and takes the focus when one arrives. */
export function Page({ title, up, badge, lede, actions, children }: PageProps) {
  useEffect(() => {
    document.title = `${title} · ${community}`;
  }, [title]);
  return (
    <>
      <div class="page-head row spread">
        <div>
          {up && (
            <a class="up" href={up.href}>
              <Icon shape="back" size={12} />
              {up.label}
            </a>
          )}
          <div class="row">
            <h1 dir="auto">{title}</h1>
            {badge}
          </div>
          {lede && <p class="lede">{lede}</p>}
        </div>
        {actions && <div class="actions">{actions}</div>}
      </div>
      <div class="stack">{children}</div>
    </>
  );
}

/** A card with a heading of its own. */
export function Section(props: { title: string; action?: ComponentChildren; children: ComponentChildren }) {
  const { title, action, children } = props;
  return (
    <section class="card">
      <div class="row spread">
        <h2>{title}</h2>
        {action}
      </div>
      {children}
    </section>
  );
}

/** Views of one thing, each an address of its own. */
export function Tabs(props: {
  label: string;
  items: readonly { href: string; label: string }[];
  current: string;
}) {
  return (
    <nav class="tabs" aria-label={props.label}>
      <ul>
        {props.items.map(({ href, label }) => (
          <li key={href}>
            <a href={href} aria-current={href === props.current ? 'page' : undefined}>
              {label}
            </a>
          </li>
        ))}
      </ul>
    </nav>
  );
}

/** What will stand there, in grey, for those who wait longer than a blink. */
export function Skeleton({ rows = 4 }: { rows?: number }) {
  return (
    <div class="skeleton" role="status" aria-label={words.loading}>
      {Array.from({ length: rows }, (_, index) => (
        <span key={index} />
      ))}
    </div>
  );
}

/** Nothing here, and the one thing to do about it. */
export function Empty(props: { title: string; text?: string; action?: { label: string; href: string } }) {
  const { title, text, action } = props;
  return (
    <div class="empty">
      <Icon shape="box" size={32} />
      <h2>{title}</h2>
      {text && <p>{text}</p>}
      {action && <LinkButton label={action.label} href={action.href} kind="primary" />}
    </div>
  );
}
