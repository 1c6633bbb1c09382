/** The frame of a form: what is wrong is said in our words, not the browser's, and after a try the first fault has the focus. */
import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';

export interface FormProps {
  class?: string;
  /** Sends what is typed, or marks what is missing. */
  onSend(): unknown;
  onInput?(): void;
  /** What came of the last try: once it is another, the first field that is wrong has the focus. */
  answer?: unknown;
  children: ComponentChildren;
}

export function Form({ class: name = 'fields', onSend, onInput, answer, children }: FormProps) {
  const form = useRef<HTMLFormElement>(null);
  const [tries, setTries] = useState(0);
  // Each try and each answer may have marked another field.
  useEffect(() => {
    if (tries > 0) form.current?.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus();
  }, [tries, answer]);
  return (
    <form
      ref={form}
      class={name}
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        setTries(tries + 1);
        onSend();
      }}
      onInput={onInput}
    >
      {children}
    </form>
  );
}
