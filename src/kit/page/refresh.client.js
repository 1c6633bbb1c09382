// Looks again at a part of the page that says it is not settled yet (data-refresh, with an id), until it says so no more.
(() => {
  const mostLooks = 60;
  let looks = 0;
  const part = () => document.querySelector('[data-refresh][id]');
  async function look() {
    const before = part();
    if (!before) return;
    try {
      const answer = await fetch(location.href, { credentials: 'same-origin', cache: 'no-store' });
      if (!answer.ok) return;
      const after = new DOMParser()
        .parseFromString(await answer.text(), 'text/html')
        .getElementById(before.id);
      if (!after) return;
      // A part that says the same stays, with the focus in it.
      if (after.outerHTML !== before.outerHTML) {
        if (after.hasAttribute('data-refresh')) before.setAttribute('data-refresh', '');
        else before.removeAttribute('data-refresh');
        before.replaceChildren(...after.childNodes);
      }
    } catch {
      // Offline for a moment: the next look may see more.
    }
    wait();
  }
  function wait() {
    looks += 1;
    if (looks <= mostLooks && part()) setTimeout(look, Math.min(1000 + looks * 500, 10_000));
  }
  wait();
})();
