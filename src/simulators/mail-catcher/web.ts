import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { randomToken } from '#kit/crypto/ids.ts';
import { pageAssets } from '#kit/page/assets.ts';
import type { Html } from '#kit/page/html.ts';
import type { Look } from '#kit/page/page.ts';
import type { CaughtMessage, CaughtPicture } from './mail-catcher.ts';
import { listPage, mailAssets, messagePage, missingPage } from './pages.ts';

export interface Answer {
  status: number;
  headers: Record<string, string>;
  body: string | Buffer;
}

interface Exchange {
  request: Pick<IncomingMessage, 'method' | 'url' | 'headers'>;
  /** Emptied in place when asked to. */
  messages: CaughtMessage[];
  look: Look;
  /** Where this server listens. */
  at: AddressInfo;
}

const always = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  // Not `no-referrer`: with that a browser leaves the Origin out of our own form.
  'referrer-policy': 'same-origin',
};

const allAssets = [...pageAssets, ...mailAssets];

/** Answers one request to the pages of the mail catcher. */
export function answer(exchange: Exchange): Answer {
  const { request, messages, at } = exchange;
  const hosts = [
    `127.0.0.1:${at.port}`,
    `localhost:${at.port}`,
    `[::1]:${at.port}`,
    `${at.address}:${at.port}`,
  ];
  // A foreign name that was made to point here is a foreign site reading along.
  if (!hosts.includes(request.headers.host ?? '')) return plain(421, 'This is not our name.');
  const path = new URL(request.url ?? '/', 'http://catcher').pathname;
  const frame = { look: exchange.look, nonce: randomToken(16) };
  const now = new Date();
  if (request.method === 'POST' || request.method === 'DELETE') return change(exchange, { path, hosts });
  if (request.method !== 'GET' && request.method !== 'HEAD') return plain(405, '');
  if (path === '/') return page(200, listPage({ ...frame, messages, now }), frame.nonce);
  if (path === '/messages.json') {
    return {
      status: 200,
      headers: { ...always, 'content-type': 'application/json' },
      body: JSON.stringify(messages.map(listed)),
    };
  }
  const asset = allAssets.find((candidate) => candidate.url === path);
  if (asset) {
    const headers = { ...always, 'content-type': asset.type, 'cache-control': 'max-age=31536000, immutable' };
    return { status: 200, headers, body: asset.content };
  }
  const [, id, asMarkup] = /^\/messages\/([0-9a-f-]{36})(\.html)?$/.exec(path) ?? [];
  const message = messages.find((candidate) => candidate.id === id);
  if (message?.html !== undefined && asMarkup) return markup(withPictures(message.html, message.pictures));
  if (message && !asMarkup) return page(200, messagePage({ ...frame, message, now }), frame.nonce);
  return page(404, missingPage(frame), frame.nonce);
}

/** Pages ask for the list every two seconds: pictures are told of, not sent. */
function listed({ pictures, ...message }: CaughtMessage): object {
  const told = pictures.map(({ cid, contentType, content }) => ({ cid, contentType, bytes: content.length }));
  return { ...message, pictures: told };
}

/** The pictures of a message stand in its page, as a mail program puts them there. */
function withPictures(body: string, pictures: readonly CaughtPicture[]): string {
  return body.replaceAll(/(?<=\ssrc=")cid:([^"]+)(?=")/gi, (whole, cid: string) => {
    const found = pictures.find((picture) => picture.cid === cid);
    return found ? `data:${found.contentType};base64,${found.content.toString('base64')}` : whole;
  });
}

function change(exchange: Exchange, input: { path: string; hosts: string[] }): Answer {
  const { method, headers } = exchange.request;
  const byForm = method === 'POST' && input.path === '/clear';
  if (!byForm && !(method === 'DELETE' && input.path === '/messages.json'))
    return plain(404, 'There is nothing here.');
  const { origin } = headers;
  if (origin !== undefined && !input.hosts.some((host) => origin === `http://${host}`)) {
    return plain(403, 'Only the page of the mail catcher may do this.');
  }
  exchange.messages.length = 0;
  return byForm ? { status: 303, headers: { ...always, location: '/' }, body: '' } : plain(204, '');
}

function page(status: number, body: Html, nonce: string): Answer {
  const rules =
    `default-src 'none'; style-src 'self' 'nonce-${nonce}'; script-src 'self'; img-src 'self' data:; ` +
    `connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'`;
  const headers = { ...always, 'content-type': 'text/html; charset=utf-8', 'content-security-policy': rules };
  return { status, headers, body: body.toString() };
}

// The message's own markup, kept from doing anything but being seen and its links followed.
function markup(body: string): Answer {
  const rules =
    `default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'; base-uri 'none'; ` +
    `form-action 'none'; sandbox allow-popups allow-popups-to-escape-sandbox allow-top-navigation-by-user-activation`;
  return {
    status: 200,
    headers: { ...always, 'content-type': 'text/html; charset=utf-8', 'content-security-policy': rules },
    body,
  };
}

function plain(status: number, body: string): Answer {
  return { status, headers: { ...always, 'content-type': 'text/plain; charset=utf-8' }, body };
}
