/** Postfix's policy delegation (SMTPD_POLICY_README): lines `name=value`, an empty line ends; the answer is an action. */

export class PolicyRefused extends Error {
  override name = 'PolicyRefused';
}

/** What Postfix asks about; only names that we read. All others are kept too. */
export type PolicyRequest = ReadonlyMap<string, string>;

export interface PolicyReader {
  /** Takes what came and returns every request that is whole by now. Throws PolicyRefused, then the connection is over. */
  push(chunk: Buffer): PolicyRequest[];
  readonly isPending: boolean;
}

/** Reads requests off a connection, however they are cut, in any order of attributes; at most `maxBytes` in one. */
export function createPolicyReader(options: { maxBytes: number }): PolicyReader {
  let rest = '';
  return {
    get isPending() {
      return rest !== '';
    },
    push(chunk) {
      rest += chunk.toString('latin1');
      const requests: PolicyRequest[] = [];
      for (let end = rest.indexOf('\n\n'); end !== -1; end = rest.indexOf('\n\n')) {
        requests.push(readRequest(rest.slice(0, end), options.maxBytes));
        rest = rest.slice(end + 2);
      }
      if (rest.length > options.maxBytes)
        throw new PolicyRefused(`More than ${options.maxBytes} bytes are not read.`);
      return requests;
    },
  };
}

function readRequest(text: string, maxBytes: number): PolicyRequest {
  if (text.length > maxBytes) throw new PolicyRefused(`More than ${maxBytes} bytes are not read.`);
  const request = new Map<string, string>();
  for (const line of text.split('\n')) {
    const equals = line.indexOf('=');
    if (equals < 1) throw new PolicyRefused('A line of a request is name=value.');
    const name = line.slice(0, equals);
    if (request.has(name)) throw new PolicyRefused(`${name.slice(0, 40)} is said twice.`);
    request.set(name, Buffer.from(line.slice(equals + 1), 'latin1').toString('utf8'));
  }
  if (request.get('request') !== 'smtpd_access_policy')
    throw new PolicyRefused('Only request=smtpd_access_policy is answered.');
  return request;
}

/** An action of access(5), such as `DUNNO` or `550 5.1.1 …`, as bytes to send. It is one line whatever it holds. */
export function writeAction(action: string): Buffer {
  return Buffer.from(`action=${action.replace(/[\x00-\x1f\x7f]+/g, ' ')}\n\n`, 'utf8');
}
