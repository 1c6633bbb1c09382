/** A way out for connectors under test: as the contract promises it, without pace, to doubles on loopback. */
import { createLog } from '../../src/kit/log/log.ts';
import { createNet } from '../../src/kit/net/net.ts';
import { type Call, Retry, Stop } from '../../src/provisioning/connector.ts';
import { responseOf } from './hostile-answers.ts';

/** `count` says how many calls went out. Close it in the end. */
export function createTestCall(): { call: Call; count(): number; close(): Promise<void> } {
  const log = createLog({ level: 'silent' });
  const net = createNet({ allow: ['127.0.0.0/8', '::1/128'], log });
  let sent = 0;
  const call: Call = async ({ method, url, headers, body }) => {
    sent += 1;
    const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
    const init = { method, headers: { ...headers }, redirects: 0, allowPrivate: true };
    const fetched = await net.fetch(url, text === undefined ? init : { ...init, body: text });
    const response = responseOf(fetched.status, fetched.text(), Object.fromEntries(fetched.headers));
    if (response.status === 429) throw new Retry('The target asks for patience (429).', { kind: 'rate' });
    if (response.status >= 500 && response.status !== 501)
      throw new Retry(`The target failed (${response.status}).`);
    if (response.status === 401 || response.status === 403) throw new Stop('credentials', 'Refused.');
    return response;
  };
  return { call, count: () => sent, close: () => net.close() };
}
