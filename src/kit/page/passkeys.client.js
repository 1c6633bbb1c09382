// Passkeys on a page: a form with data-passkey ('sign-in', 'get' or 'create') shows its button where the browser can, asks
// the server what to ask for, and sends the browser's answer as a form. Everything else on the page works without it.
(() => {
  const form = document.querySelector('form[data-passkey]');
  if (!form || !globalThis.PublicKeyCredential || !navigator.credentials) return;
  const kind = form.dataset.passkey;
  const button = form.querySelector('button');
  const failed = document.getElementById(form.dataset.failed);
  let waiting;

  const bytes = (text) =>
    Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (one) => one.charCodeAt(0));
  const text = (buffer) =>
    btoa(String.fromCharCode(...new Uint8Array(buffer)))
      .replaceAll('+', '-')
      .replaceAll('/', '_')
      .replaceAll('=', '');
  const listed = (list) => list?.map((one) => ({ ...one, id: bytes(one.id) }));

  const options = async () => {
    const response = await fetch(form.dataset.options, { headers: { accept: 'application/json' } });
    if (!response.ok) throw new Error('no options');
    const given = await response.json();
    return {
      ...given,
      challenge: bytes(given.challenge),
      ...(given.user && { user: { ...given.user, id: bytes(given.user.id) } }),
      ...(given.allowCredentials && { allowCredentials: listed(given.allowCredentials) }),
      ...(given.excludeCredentials && { excludeCredentials: listed(given.excludeCredentials) }),
    };
  };

  const answerOf = ({ id, rawId, type, response }) => ({
    id,
    rawId: text(rawId),
    type,
    clientExtensionResults: {},
    response: {
      clientDataJSON: text(response.clientDataJSON),
      ...(response.attestationObject && {
        attestationObject: text(response.attestationObject),
        transports: response.getTransports?.() ?? [],
      }),
      ...(response.authenticatorData && {
        authenticatorData: text(response.authenticatorData),
        signature: text(response.signature),
        ...(response.userHandle && { userHandle: text(response.userHandle) }),
      }),
    },
  });

  const send = (credential) => {
    form.elements.answer.value = JSON.stringify(answerOf(credential));
    // What was chosen in the other form of the page holds for this one too.
    for (const name of (form.dataset.also ?? '').split(' ').filter(Boolean)) {
      const fields = [...document.getElementsByName(name)].filter((one) => one.form !== form);
      const chosen = fields.find((one) => !/checkbox|radio/.test(one.type) || one.checked);
      form.elements[name].value = chosen?.value ?? '';
    }
    form.submit();
  };

  const ask = async (mediation) => {
    waiting?.abort();
    waiting = new AbortController();
    const { signal } = waiting;
    const publicKey = await options();
    return kind === 'create'
      ? navigator.credentials.create({ publicKey, signal })
      : navigator.credentials.get({ publicKey, signal, ...(mediation && { mediation }) });
  };

  // Offered in the name field as one types. The question is renewed before it is too old to be answered.
  const offer = async () => {
    if (kind !== 'sign-in' || !(await PublicKeyCredential.isConditionalMediationAvailable?.())) return;
    const renew = setTimeout(offer, 240_000);
    try {
      send(await ask('conditional'));
    } catch {
      // Taken back, or there is none: the other ways stay.
    } finally {
      if (waiting?.signal.aborted) clearTimeout(renew);
    }
  };

  form.hidden = false;
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    if (failed) failed.hidden = true;
    button.disabled = true;
    try {
      send(await ask());
    } catch {
      if (failed) failed.hidden = false;
      button.disabled = false;
      offer();
    }
  });
  addEventListener('pageshow', () => {
    button.disabled = false;
  });
  offer();
})();
