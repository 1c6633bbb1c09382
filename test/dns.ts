/**
 * A small DNS server for tests: it answers for every name it was told about, over UDP and TCP, and can be told to fail.
 * Written after RFC 1035; names that were never mentioned do not exist.
 */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import type { TestContext } from 'node:test';

const codes = { A: 1, NS: 2, CNAME: 5, SOA: 6, PTR: 12, MX: 15, TXT: 16, AAAA: 28 } as const;
export type RecordType = keyof typeof codes;

/** What stands at a name: TXT as whole texts, MX as `10 mail.example.org`. */
export type Records = Partial<Record<RecordType, readonly string[]>>;

/** How a name fails: an answer that says so, none at all, or one over UDP that is cut off. */
export type Failure = 'servfail' | 'refused' | 'silent' | 'truncated';

export interface TestDns {
  /** As in `GATEHOUSE_DNS_SERVERS`. */
  server: string;
  port: number;
  /** Every question so far. */
  questions: { name: string; type: string; over: 'udp' | 'tcp' }[];
  /** Puts records at a name in place of those of the same types. */
  set(name: string, records: Records): void;
  remove(name: string): void;
  /** Lets every question for a name fail, `*` for all names; undefined: no longer. */
  fail(name: string, how: Failure | undefined): void;
  close(): Promise<void>;
}

/**
 * Starts it on a free port of this machine; closed when the test is over.
 * @param place for programs that ask on port 53 alone; throws where that is not free
 */
export async function startDns(
  t?: TestContext,
  zone: Record<string, Records> = {},
  place: { host: string; port: number } = { host: '127.0.0.1', port: 0 },
): Promise<TestDns> {
  const records = new Map<string, Records>();
  const failures = new Map<string, Failure>();
  const questions: TestDns['questions'] = [];
  const set = (name: string, more: Records) =>
    records.set(name.toLowerCase(), { ...records.get(name.toLowerCase()), ...more });
  for (const [name, more] of Object.entries(zone)) set(name, more);

  const reply = (query: Buffer, over: 'udp' | 'tcp'): Buffer | undefined => {
    const asked = readQuestion(query);
    if (!asked) return undefined;
    questions.push({ name: asked.name, type: nameOfType(asked.type), over });
    const failure = failures.get(asked.name) ?? failures.get('*');
    if (failure === 'silent') return undefined;
    if (failure === 'servfail') return answer(query, asked.end, { code: 2 });
    if (failure === 'refused') return answer(query, asked.end, { code: 5 });
    const found = lookUp(records, asked.name, asked.type);
    const whole = answer(query, asked.end, found);
    // What does not fit into a datagram is asked for again over TCP (RFC 1035 §4.2.1).
    const cut = over === 'udp' && (failure === 'truncated' || whole.length > 1232);
    return cut ? answer(query, asked.end, { truncated: true }) : whole;
  };

  const { port, close } = await listen(reply, place);
  const dns: TestDns = {
    server: `${place.host}:${port}`,
    port,
    questions,
    set,
    remove: (name) => void records.delete(name.toLowerCase()),
    fail: (name, how) =>
      void (how ? failures.set(name.toLowerCase(), how) : failures.delete(name.toLowerCase())),
    close,
  };
  t?.after(close);
  return dns;
}

/** The same port for datagrams and connections. */
async function listen(
  reply: (query: Buffer, over: 'udp' | 'tcp') => Buffer | undefined,
  { host, port: wanted }: { host: string; port: number },
) {
  for (;;) {
    const udp = createSocket('udp4');
    udp.bind(wanted, host);
    await once(udp, 'listening');
    const { port } = udp.address();
    const tcp = createServer((socket) => serve(socket, reply));
    tcp.listen(port, host);
    const free = await once(tcp, 'listening').then(
      () => true,
      () => false,
    );
    if (!free || (tcp.address() as AddressInfo).port !== port) {
      udp.close();
      if (wanted !== 0) throw new Error(`Port ${wanted} of ${host} is taken.`);
      continue;
    }
    const sockets = new Set<Socket>();
    tcp.on('connection', (socket) => sockets.add(socket));
    udp.on('message', (query, from) => {
      const whole = reply(query, 'udp');
      if (whole) udp.send(whole, from.port, from.address);
    });
    let closed = false;
    const close = async () => {
      if (closed) return;
      closed = true;
      for (const socket of sockets) socket.destroy();
      await Promise.all([
        new Promise((done) => tcp.close(done)),
        new Promise<void>((done) => udp.close(done)),
      ]);
    };
    return { port, close };
  }
}

function serve(socket: Socket, reply: (query: Buffer, over: 'tcp') => Buffer | undefined): void {
  let waiting = Buffer.alloc(0);
  socket.on('error', () => undefined);
  socket.on('data', (chunk) => {
    waiting = Buffer.concat([waiting, chunk]);
    while (waiting.length >= 2 && waiting.length >= 2 + waiting.readUInt16BE(0)) {
      const length = waiting.readUInt16BE(0);
      const whole = reply(waiting.subarray(2, 2 + length), 'tcp');
      waiting = waiting.subarray(2 + length);
      if (whole) socket.write(Buffer.concat([number16(whole.length), whole]));
    }
  });
}

function lookUp(records: Map<string, Records>, name: string, type: number): Found {
  const answers: Found['answers'] = [];
  let at = name;
  for (let hops = 0; hops < 8; hops += 1) {
    const here = records.get(at);
    const alias = here?.CNAME?.[0];
    if (alias && type !== codes.CNAME) {
      answers.push({ name: at, type: codes.CNAME, data: nameBytes(alias) });
      at = alias.toLowerCase();
      continue;
    }
    if (!here && answers.length === 0) {
      const below = [...records.keys()].some((other) => other.endsWith(`.${at}`));
      return { code: below ? 0 : 3 };
    }
    const wanted = nameOfType(type) as RecordType;
    for (const text of here?.[wanted] ?? []) answers.push({ name: at, type, data: dataOf(wanted, text) });
    return { code: here ? 0 : 3, answers };
  }
  return { code: 2 };
}

interface Found {
  code?: number;
  truncated?: boolean;
  answers?: { name: string; type: number; data: Buffer }[];
}

function answer(query: Buffer, end: number, { code = 0, truncated = false, answers = [] }: Found): Buffer {
  const header = Buffer.alloc(12);
  query.copy(header, 0, 0, 2);
  const desired = query.readUInt16BE(2) & 0x0100;
  header.writeUInt16BE(0x8480 | desired | (truncated ? 0x0200 : 0) | code, 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(answers.length, 6);
  const body = answers.flatMap(({ name, type, data }) => [
    nameBytes(name),
    number16(type),
    number16(1),
    Buffer.of(0, 0, 0, 5),
    number16(data.length),
    data,
  ]);
  return Buffer.concat([header, query.subarray(12, end), ...body]);
}

function readQuestion(query: Buffer): { name: string; type: number; end: number } | undefined {
  if (query.length < 17 || query.readUInt16BE(4) !== 1) return undefined;
  const labels: string[] = [];
  let at = 12;
  while (at < query.length && query[at] !== 0) {
    labels.push(query.toString('latin1', at + 1, at + 1 + query[at]!));
    at += 1 + query[at]!;
  }
  if (at + 5 > query.length) return undefined;
  return { name: labels.join('.').toLowerCase(), type: query.readUInt16BE(at + 1), end: at + 5 };
}

function nameOfType(type: number): string {
  return Object.entries(codes).find(([, code]) => code === type)?.[0] ?? String(type);
}

function dataOf(type: RecordType, text: string): Buffer {
  if (type === 'A') return Buffer.from(text.split('.').map(Number));
  if (type === 'AAAA') return addressBytes(text);
  if (type === 'MX') {
    const [rank, host] = text.split(/\s+/);
    return Buffer.concat([number16(Number(rank)), nameBytes(host!)]);
  }
  if (type === 'TXT') {
    const bytes = Buffer.from(text, 'utf8');
    const strings: Buffer[] = [];
    for (let at = 0; at < bytes.length || at === 0; at += 255) {
      const part = bytes.subarray(at, at + 255);
      strings.push(Buffer.of(part.length), part);
    }
    return Buffer.concat(strings);
  }
  return nameBytes(text);
}

function addressBytes(text: string): Buffer {
  const [before, after] = text.split('::');
  const words = (part?: string) => (part ? part.split(':').map((word) => Number.parseInt(word, 16)) : []);
  const gap = 8 - words(before).length - words(after).length;
  const all = [
    ...words(before),
    ...Array.from({ length: after === undefined ? 0 : gap }, () => 0),
    ...words(after),
  ];
  return Buffer.concat(all.map(number16));
}

function nameBytes(name: string): Buffer {
  const labels = name.replace(/\.$/, '').split('.').filter(Boolean);
  const parts = labels.flatMap((label) => [Buffer.of(label.length), Buffer.from(label, 'latin1')]);
  return Buffer.concat([...parts, Buffer.of(0)]);
}

function number16(value: number): Buffer {
  return Buffer.of(value >> 8, value & 255);
}
