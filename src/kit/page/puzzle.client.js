// Solves the puzzle of sign-up while the form is being filled in (data-puzzle: where it comes from, data-worker: who does
// the work). Where that cannot be done the form is sent without it, as from a browser without scripts.
(() => {
  const spot = document.querySelector('[data-puzzle]');
  const form = spot?.closest('form');
  const field = spot?.querySelector('[name="puzzle"]');
  const status = spot?.querySelector('[role="status"]');
  if (!form || !field || !window.Worker || !crypto.subtle) return;
  // A puzzle counts for an hour.
  const freshMs = 45 * 60_000;
  let work;
  /** When it was solved; undefined while it is not. */
  let solvedAt;

  function say(text) {
    status.textContent = text;
    status.hidden = text === '';
  }

  function race(parameters) {
    const most = Math.max(1, Math.min(4, navigator.hardwareConcurrency || 2));
    const workers = Array.from({ length: most }, () => new Worker(spot.dataset.worker));
    const answers = workers.map(
      (worker, start) =>
        new Promise((resolve, reject) => {
          worker.onmessage = (message) => resolve(message.data);
          worker.onerror = reject;
          worker.postMessage({ parameters, start, step: most });
        }),
    );
    return Promise.race(answers).finally(() => {
      for (const worker of workers) worker.terminate();
    });
  }

  async function solve() {
    try {
      const answer = await fetch(spot.dataset.puzzle, { credentials: 'same-origin', cache: 'no-store' });
      if (!answer.ok) throw new Error(String(answer.status));
      const challenge = await answer.json();
      const solution = await race(challenge.parameters);
      field.value = btoa(JSON.stringify({ challenge, solution }));
    } catch {
      field.value = '';
    }
    solvedAt = Date.now();
  }

  const isFresh = () => solvedAt !== undefined && Date.now() - solvedAt < freshMs;

  function begin() {
    if (work && (solvedAt === undefined || isFresh())) return work;
    solvedAt = undefined;
    field.value = '';
    work = solve();
    return work;
  }

  form.addEventListener('focusin', begin, { once: true });
  let done = false;
  form.addEventListener('submit', (event) => {
    if (done || isFresh()) return;
    event.preventDefault();
    const button = event.submitter;
    say(status.dataset.checking);
    button?.setAttribute('aria-busy', 'true');
    begin().then(() => {
      done = true;
      say(field.value ? status.dataset.checked : '');
      // Not while this very sending is still being looked at: the browser would not hear it.
      setTimeout(() => form.requestSubmit(button));
    });
  });
  // Taken back from history the puzzle may have made its account already.
  addEventListener('pageshow', (event) => {
    if (!event.persisted) return;
    done = false;
    work = undefined;
    solvedAt = undefined;
    field.value = '';
    say('');
  });
})();
