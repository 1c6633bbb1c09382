/** What DNS says of the domains of the gallery's community: some of it good, some missing. */
import { after } from 'node:test';
import { startDns, type TestDns } from '#test/dns.ts';

let started: TestDns | undefined;
after(() => started?.close());

export async function mailRecords(): Promise<TestDns> {
  started = await startDns(undefined, {
    'members.northlight.example': {
      MX: ['10 mx.northlight.example'],
      TXT: ['v=spf1 ip4:192.0.2.25 ~all', 'atlassian-domain-verification=hN3m0vR7'],
    },
    'mx.northlight.example': { A: ['192.0.2.25'] },
    '25.2.0.192.in-addr.arpa': { PTR: ['mx.northlight.example'] },
    '_dmarc.northlight.example': { TXT: ['v=DMARC1; p=none; rua=mailto:dmarc@northlight.example'] },
  });
  return started;
}
