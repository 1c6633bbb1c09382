// The one small script of the person pages. Everything works without it; it only spares a click or a doubt.
(() => {
  const all = (selector, work) => document.querySelectorAll(selector).forEach(work);

  // Show and hide a password, and say when Caps Lock is on.
  all('[data-show]', (button) => {
    const input = document.getElementById(button.dataset.show);
    if (!input) return;
    button.hidden = false;
    button.addEventListener('click', () => {
      const shown = input.type === 'text';
      input.type = shown ? 'password' : 'text';
      button.textContent = shown ? button.dataset.showLabel : button.dataset.hideLabel;
      button.setAttribute('aria-pressed', String(!shown));
      input.focus();
    });
    input.form?.addEventListener('submit', () => {
      input.type = 'password';
    });
  });
  all('[data-caps]', (hint) => {
    const input = document.getElementById(hint.dataset.caps);
    for (const name of ['keydown', 'keyup', 'pointerdown']) {
      input?.addEventListener(name, (event) => {
        hint.hidden = !event.getModifierState?.('CapsLock');
      });
    }
    input?.addEventListener('blur', () => {
      hint.hidden = true;
    });
  });

  // Copy a value; the button itself says that it worked.
  all('[data-copy]', (button) => {
    if (!navigator.clipboard) return;
    const words = button.textContent;
    button.hidden = false;
    button.addEventListener('click', async () => {
      await navigator.clipboard.writeText(button.dataset.copy);
      button.textContent = button.dataset.copied;
      setTimeout(() => {
        button.textContent = words;
      }, 2000);
    });
  });

  // The exact time in the reader's own zone.
  const exact = new Intl.DateTimeFormat(document.documentElement.lang || undefined, {
    dateStyle: 'full',
    timeStyle: 'long',
  });
  all('time[datetime]', (time) => {
    const at = new Date(time.dateTime);
    if (!Number.isNaN(at.getTime())) time.title = exact.format(at);
  });

  // A table wider than the screen can be scrolled with the keys.
  all('.scroll', (region) => {
    if (region.scrollWidth > region.clientWidth) region.tabIndex = 0;
  });

  // A form is sent once; a page taken back from history is fresh again. Slow answers show that work goes on.
  const waiting = new Set();
  document.addEventListener('submit', (event) => {
    const form = event.target;
    if (event.defaultPrevented || form.method !== 'post') return;
    if (waiting.has(form)) {
      event.preventDefault();
      return;
    }
    waiting.add(form);
    const button = event.submitter;
    setTimeout(() => waiting.has(form) && button?.setAttribute('aria-busy', 'true'), 300);
  });
  addEventListener('pageshow', () => {
    waiting.clear();
    all('[aria-busy]', (button) => button.removeAttribute('aria-busy'));
  });

  // A menu closes when one looks elsewhere.
  addEventListener('click', (event) => {
    all('details.menu[open]', (menu) => {
      if (!menu.contains(event.target)) menu.open = false;
    });
  });
  addEventListener('keydown', (event) => {
    if (event.key !== 'Escape') return;
    all('details.menu[open]', (menu) => {
      menu.open = false;
      menu.querySelector('summary').focus();
    });
  });
})();
