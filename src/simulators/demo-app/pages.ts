import { type Html, type HtmlValue, html } from '#kit/page/html.ts';
import { type Product, productStyle, products } from './products.ts';
import type { AppSession } from './sessions.ts';

interface View {
  product: Product;
  communityName: string;
}

/** What the home page may have to say after something was done. */
export const notes = {
  refreshed: 'New tokens are here, and what we know of you is fresh.',
  'no-refresh': 'We were given no refresh token, so there is nothing to renew.',
  refused: 'Our refresh token is no longer accepted, so you were signed out here.',
  ended: 'Your session here has ended. Sign in again to go on.',
  'signed-out': 'You are signed out.',
} as const;
export type Note = keyof typeof notes;

/** The one page of the app: its content, and for people signed in what it was told about them. */
export function homePage(input: View & { session?: AppSession; note?: Note }): Html {
  const { product, communityName, session, note } = input;
  const look = products[product];
  const said = note ? html`<p class="note" role="status">${notes[note]}</p>` : '';
  const greeting = session
    ? html`<section class="hero"><h1>${look.welcome}, ${shownName(session)}</h1></section>`
    : html`<section class="hero"><h1>${look.headline}</h1><p>${look.text}</p>
<p><a class="button" id="sign-in" href="/login">Sign in with ${communityName}</a></p></section>`;
  const content = product === 'tracker' ? issues() : topics();
  return frame(
    input,
    look.name,
    html`${said}${greeting}${session ? identity(input, session) : ''}${content}`,
  );
}

/** Asks before signing out, for those who came by a link. */
export function signOutPage(input: View & { session: AppSession }): Html {
  const { name } = products[input.product];
  const text = html`You are signed in as ${shownName(input.session)}. Signing out ends your session here and at ${input.communityName}.`;
  const body = html`<section class="hero"><h1>Sign out of ${name}?</h1><p>${text}</p>${signOutForm('sign-out-now')}</section>`;
  return frame(input, 'Sign out', body);
}

/** Says what did not work and leads back to the start. */
export function troublePage(input: View & { title: string; text: string }): Html {
  const back = html`<p class="row"><a class="button" href="/login">Sign in again</a><a class="button quiet" href="/">Back to the start</a></p>`;
  return frame(
    input,
    input.title,
    html`<section class="hero" role="alert"><h1>${input.title}</h1><p>${input.text}</p>${back}</section>`,
  );
}

function frame(input: View & { session?: AppSession }, title: string, body: Html): Html {
  const { product, session } = input;
  const { name, mark } = products[product];
  const account = session
    ? html`<span class="who"><span class="avatar" aria-hidden="true">${initials(shownName(session))}</span><span class="who-name">${shownName(session)}</span></span>${signOutForm('sign-out')}`
    : html`<a class="button small" href="/login">Sign in</a>`;
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title === name ? name : `${title} · ${name}`}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="${productStyle[product].url}">
</head>
<body class="${product}">
<header><a class="brand" href="/">${mark}<span>${name}</span></a><div class="row">${account}</div></header>
<main>${body}</main>
<footer>${name} is a demonstration: what it lists is made up, how it signs you in is real.</footer>
</body>
</html>
`;
}

function signOutForm(id: string): Html {
  return html`<form method="post" action="/logout"><button class="button quiet small" id="${id}">Sign out</button></form>`;
}

function identity({ product, communityName }: View, session: AppSession): Html {
  const { name } = products[product];
  const { userinfo, idTokenClaims } = session;
  const told = { ...idTokenClaims, ...userinfo };
  const groups = Array.isArray(told.groups) ? told.groups.map(String) : [];
  const facts: [string, string, HtmlValue][] = [
    ['alias', 'User name', text(told.preferred_username)],
    ['name', 'Name', text(told.name)],
    [
      'email',
      'Address',
      html`${text(told.email)}${told.email_verified === true ? html` <small>verified</small>` : ''}`,
    ],
    [
      'groups',
      'Groups',
      groups.length > 0 ? groups.map((group) => html`<span class="chip">${group}</span> `) : 'none',
    ],
    ['sub', 'Subject', html`<code>${session.sub}</code>`],
  ];
  const rows = Object.keys(told)
    .sort()
    .map((claim) => {
      const sources = [claim in idTokenClaims ? 'ID token' : '', claim in userinfo ? 'userinfo' : '']
        .filter(Boolean)
        .join(', ');
      return html`<tr><th scope="row"><code>${claim}</code></th><td>${shownClaim(claim, told[claim])}</td><td>${sources}</td></tr>`;
    });
  return html`<section class="panel" id="who" aria-labelledby="who-title"><h2 id="who-title">What ${name} knows about you</h2>
<p class="muted">All of it came from ${communityName} when you signed in.</p>
${definitions(facts)}
<details><summary>Every claim, and where it stood</summary><div class="scroll" role="region" aria-label="Claims" tabindex="0"><table id="claims"><thead><tr><th scope="col">Claim</th><th scope="col">Value</th><th scope="col">From</th></tr></thead><tbody>${rows}</tbody></table></div></details>
<h3>This session</h3>
${definitions(sessionFacts(session))}
<form method="post" action="/refresh"><button class="button quiet" id="refresh">Refresh the tokens now</button></form></section>`;
}

function sessionFacts(session: AppSession): [string, string, HtmlValue][] {
  const { idTokenClaims: claims } = session;
  const expires = session.accessTokenExpiresAt;
  return [
    ['signed-in-at', 'Signed in here', moment(session.signedInAt)],
    [
      'auth-time',
      'Proved who you are',
      typeof claims.auth_time === 'number' ? moment(new Date(claims.auth_time * 1000)) : 'not said',
    ],
    ['amr', 'By', Array.isArray(claims.amr) ? claims.amr.map(String).join(', ') : 'not said'],
    ['acr', 'Strength', text(claims.acr, 'not said')],
    ['sid', 'Session at the community', session.sid ? html`<code>${session.sid}</code>` : 'not said'],
    ['access-expires', 'Access token until', expires ? moment(expires) : 'not said'],
    ['refresh-token', 'Refresh token', refreshState(session)],
  ];
}

function refreshState({ refreshToken, refreshes }: AppSession): string {
  if (!refreshToken) return 'none';
  if (refreshes === 0) return 'yes, not used yet';
  return refreshes === 1 ? 'yes, used once' : `yes, used ${refreshes} times`;
}

function definitions(facts: readonly [string, string, HtmlValue][]): Html {
  return html`<dl>${facts.map(([id, label, value]) => html`<div><dt>${label}</dt><dd id="${id}">${value}</dd></div>`)}</dl>`;
}

function issues(): Html {
  const rows: [string, string, string, string][] = [
    ['HBR-241', 'Export of the members list forgets umlauts', 'In progress', 'now'],
    ['HBR-238', 'Map tiles load slowly on the ferry', 'Open', ''],
    ['HBR-233', 'Offer the schedule as a calendar feed', 'In review', 'now'],
    ['HBR-229', 'Tide table is off by an hour in summer', 'Open', ''],
    ['HBR-220', 'Replace the old boat register', 'Done', 'done'],
  ];
  const lines = rows.map(
    ([key, title, state, tone]) =>
      html`<tr><td><code>${key}</code></td><td>${title}</td><td><span class="state ${tone}">${state}</span></td></tr>`,
  );
  return html`<section aria-labelledby="list"><h2 id="list">Issues of this week</h2><div class="scroll" role="region" aria-label="Issues" tabindex="0"><table class="issues"><thead><tr><th scope="col">Key</th><th scope="col">Summary</th><th scope="col">State</th></tr></thead><tbody>${lines}</tbody></table></div></section>`;
}

function topics(): Html {
  const list: [string, string, string, number][] = [
    ['MW', 'Who takes the workshop keys in March?', 'Mira · Neighbourhood', 14],
    ['JO', 'Recipe exchange: what to do with quinces', 'Jon · Kitchen table', 32],
    ['AL', 'Minutes of the autumn meeting', 'Alva · Announcements', 6],
    ['TS', 'New here: hello from the north quay', 'Tariq · Welcome', 21],
  ];
  const items = list.map(
    ([letters, title, meta, replies]) =>
      html`<li><span class="avatar" aria-hidden="true">${letters}</span><div><strong>${title}</strong><span class="muted">${meta}</span></div><span class="replies">${replies}<span class="muted"> replies</span></span></li>`,
  );
  return html`<section aria-labelledby="list"><h2 id="list">What people talk about</h2><ul class="topics">${items}</ul></section>`;
}

function shownName(session: AppSession): string {
  const told: Record<string, unknown> = { ...session.idTokenClaims, ...session.userinfo };
  for (const claim of [told.name, told.preferred_username])
    if (typeof claim === 'string' && claim) return claim;
  return session.sub;
}

function initials(name: string): string {
  const words = name.trim().split(/\s+/);
  return [words[0], words.length > 1 ? words.at(-1) : '']
    .map((word) => [...(word ?? '')][0]?.toLocaleUpperCase() ?? '')
    .join('');
}

function text(value: unknown, otherwise = 'not told'): string {
  return typeof value === 'string' && value !== '' ? value : otherwise;
}

function shownClaim(claim: string, value: unknown): HtmlValue {
  if (typeof value === 'number' && /^(iat|exp|auth_time|updated_at)$/.test(claim))
    return moment(new Date(value * 1000));
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function moment(at: Date): Html {
  const shown = new Intl.DateTimeFormat('en-GB', {
    dateStyle: 'medium',
    timeStyle: 'medium',
    timeZone: 'UTC',
  }).format(at);
  return html`<time datetime="${at.toISOString()}">${shown} UTC</time>`;
}
