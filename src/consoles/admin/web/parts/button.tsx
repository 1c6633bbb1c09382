/** Buttons and links that look like them. A busy one keeps its width and takes no second press. */
import type { ComponentChildren } from 'preact';

export type ButtonKind = 'primary' | 'quiet' | 'danger' | 'plain';

interface ButtonProps {
  label: ComponentChildren;
  kind?: ButtonKind;
  compact?: boolean;
  busy?: boolean;
  disabled?: boolean;
  id?: string;
  /** What it is about, where the label alone would not say. */
  describe?: string;
  /** Without it the button sends the form it stands in. */
  onClick?: () => void;
}

export function Button(props: ButtonProps) {
  const { label, kind = 'primary', compact, busy = false, disabled, id, describe, onClick } = props;
  return (
    <button
      class={`button ${kind}${compact ? ' compact' : ''}`}
      type={onClick ? 'button' : 'submit'}
      id={id}
      aria-label={describe}
      aria-busy={busy}
      aria-disabled={busy || disabled}
      onClick={(event) => {
        if (busy || disabled) event.preventDefault();
        else onClick?.();
      }}
    >
      {label}
    </button>
  );
}

export function LinkButton(props: {
  label: ComponentChildren;
  href: string;
  kind?: ButtonKind;
  compact?: boolean;
  id?: string;
  /** What it is about, where the label alone would not say. */
  describe?: string;
}) {
  const { label, href, kind = 'quiet', compact, id, describe } = props;
  return (
    <a class={`button ${kind}${compact ? ' compact' : ''}`} href={href} id={id} aria-label={describe}>
      {label}
    </a>
  );
}
