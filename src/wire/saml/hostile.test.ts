/** Forged, moved and damaged responses (saml-sec-consider 6; "On Breaking SAML", XSW 1 to 8). None is ever accepted. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import {
  accepted,
  bySignature,
  edited,
  expected,
  made,
  type Parts,
  refused,
  rewritten,
  swap,
} from '#test/saml-specimen.ts';
import type { SamlRefusalCode } from './refusal.ts';
import { NS } from './saml.ts';

test('the specimen that all mutants come from is accepted, however it is signed', () => {
  for (const text of Object.values(bySignature)) accepted(text);
  accepted(rewritten('assertion', '_evil', () => {}));
  accepted(rewritten('response', '_evil', () => {}));
  accepted(edited({}));
  accepted(edited({}, 'response'));
  accepted(edited({}, 'both'));
});

type Move = (parts: Parts) => void;

/** The unsigned original without the signature it had, which now stands elsewhere. */
const stripped = ({ signature }: Parts, from: Parts['assertion']) => {
  const original = from.cloneNode(true) as Parts['assertion'];
  const copy = original.getElementsByTagNameNS(NS.ds, 'Signature').item(0)!;
  copy.parentNode!.removeChild(copy);
  signature.parentNode!.removeChild(signature);
  return original;
};

/** The evil response takes the place of the signed one, which is kept inside it. */
const outer = (place: (parts: Parts, original: Parts['assertion']) => void): Move => {
  return (parts) => {
    const { document, response, evil } = parts;
    const original = stripped(parts, response);
    document.replaceChild(evil, response);
    place(parts, original);
  };
};

const wrapped: { name: string; sign: 'assertion' | 'response'; move: Move; codes: SamlRefusalCode[] }[] = [
  {
    name: 'XSW1: the signed response inside the signature of the evil one',
    sign: 'response',
    move: outer(({ evil, signature }, original) => {
      evil.insertBefore(signature, evil.firstChild);
      signature.appendChild(original);
    }),
    codes: ['nested-message', 'duplicate-id'],
  },
  {
    name: 'XSW2: the signed response beside the signature in the evil one',
    sign: 'response',
    move: outer(({ evil, signature }, original) => {
      evil.insertBefore(original, evil.firstChild);
      evil.insertBefore(signature, evil.firstChild);
    }),
    codes: ['nested-message', 'duplicate-id'],
  },
  {
    name: 'XSW3: the evil assertion before the signed one',
    sign: 'assertion',
    move: ({ response, assertion, evil }) => void response.insertBefore(evil, assertion),
    codes: ['assertion-count', 'duplicate-id'],
  },
  {
    name: 'XSW4: the signed assertion inside the evil one',
    sign: 'assertion',
    move: ({ response, assertion, evil }) => {
      response.replaceChild(evil, assertion);
      evil.appendChild(assertion);
    },
    codes: ['assertion-count', 'duplicate-id'],
  },
  {
    name: 'XSW5: the signature in the evil assertion, the signed one at the end',
    sign: 'assertion',
    move: (parts) => {
      const original = stripped(parts, parts.assertion);
      parts.response.replaceChild(parts.evil, parts.assertion);
      parts.evil.insertBefore(parts.signature, parts.evil.firstChild);
      parts.response.appendChild(original);
    },
    codes: ['assertion-count', 'duplicate-id'],
  },
  {
    name: 'XSW6: the signed assertion inside its signature inside the evil one',
    sign: 'assertion',
    move: (parts) => {
      const original = stripped(parts, parts.assertion);
      parts.response.replaceChild(parts.evil, parts.assertion);
      parts.evil.insertBefore(parts.signature, parts.evil.firstChild);
      parts.signature.appendChild(original);
    },
    codes: ['assertion-count', 'duplicate-id'],
  },
  {
    name: 'XSW7: the evil assertion in Extensions',
    sign: 'assertion',
    move: ({ response, evil, make }) => {
      const extensions = make('samlp:Extensions', NS.samlp);
      extensions.appendChild(evil);
      response.insertBefore(extensions, response.firstChild);
    },
    codes: ['assertion-count', 'duplicate-id'],
  },
  {
    name: 'XSW8: the signed assertion in an Object of the signature of the evil one',
    sign: 'assertion',
    move: (parts) => {
      const original = stripped(parts, parts.assertion);
      parts.response.replaceChild(parts.evil, parts.assertion);
      parts.evil.insertBefore(parts.signature, parts.evil.firstChild);
      const object = parts.make('ds:Object', NS.ds);
      object.appendChild(original);
      parts.signature.appendChild(object);
    },
    codes: ['assertion-count', 'duplicate-id'],
  },
  {
    name: 'the evil assertion behind the signed one',
    sign: 'assertion',
    move: ({ response, evil }) => void response.appendChild(evil),
    codes: ['assertion-count', 'duplicate-id'],
  },
  {
    name: 'the evil assertion inside a signed Object of the genuine assertion',
    sign: 'assertion',
    move: ({ signature, evil, make }) => {
      const object = make('ds:Object', NS.ds);
      object.appendChild(evil);
      signature.appendChild(object);
    },
    codes: ['assertion-count', 'duplicate-id'],
  },
  {
    name: 'the evil assertion inside StatusDetail',
    sign: 'assertion',
    move: ({ response, evil, make }) => {
      const detail = make('samlp:StatusDetail', NS.samlp);
      detail.appendChild(evil);
      response.getElementsByTagNameNS(NS.samlp, 'Status').item(0)!.appendChild(detail);
    },
    codes: ['assertion-count', 'duplicate-id'],
  },
  {
    name: 'the evil assertion as Advice of the genuine one',
    sign: 'assertion',
    move: ({ assertion, evil, make }) => {
      const advice = make('saml:Advice', NS.saml);
      advice.appendChild(evil);
      assertion.appendChild(advice);
    },
    codes: ['assertion-count', 'duplicate-id'],
  },
  {
    name: 'the genuine response inside Extensions of an evil one without a signature',
    sign: 'response',
    move: ({ document, response, evil, make }) => {
      document.replaceChild(evil, response);
      const extensions = make('samlp:Extensions', NS.samlp);
      extensions.appendChild(response);
      evil.insertBefore(extensions, evil.firstChild);
    },
    codes: ['nested-message', 'duplicate-id'],
  },
  {
    name: 'the evil assertion encrypted beside the signed one',
    sign: 'assertion',
    move: ({ response, make }) => void response.appendChild(make('saml:EncryptedAssertion', NS.saml)),
    codes: ['assertion-count', 'assertion-count'],
  },
];

for (const { name, sign, move, codes } of wrapped) {
  test(`SA-01 refused: ${name}`, () => {
    refused(rewritten(sign, '_evil', move), codes[0]!);
    refused(rewritten(sign, sign === 'assertion' ? made.assertionId : made.id, move), codes[1]!);
  });
}

test('SA-01 an evil assertion in place of the signed one is refused, with its signature and without', () => {
  refused(
    rewritten(
      'assertion',
      '_evil',
      ({ response, assertion, evil }) => void response.replaceChild(evil, assertion),
    ),
    'unsigned',
  );
  for (const [id, code] of [
    ['_evil', 'reference'],
    [made.assertionId, 'digest'],
  ] as const) {
    const moved = rewritten('assertion', id, ({ response, assertion, signature, evil }) => {
      response.replaceChild(evil, assertion);
      evil.insertBefore(signature, evil.childNodes[1]!);
    });
    refused(moved, code);
  }
});

test('SA-01 a signature of the response does not cover for one of the assertion that is not good', () => {
  const broken = edited(
    { response: (text) => text.replace(/<ds:SignatureValue>..../, '<ds:SignatureValue>AAAA') },
    'both',
  );
  refused(broken, 'signature');
});

const doubled: [string, string, SamlRefusalCode][] = [
  ['two roots', `${bySignature.assertion}${bySignature.assertion}`, 'not-xml'],
  ['text behind the root', `${bySignature.assertion}admin`, 'not-xml'],
  ['no assertion', bySignature.response.replace(/<saml:Assertion .*<\/saml:Assertion>/s, ''), 'digest'],
  ['no assertion, signed so', edited({ response: without('saml:Assertion') }, 'response'), 'assertion-count'],
  ['no assertion, not signed', edited({ response: without('saml:Assertion') }), 'assertion-count'],
  ['two signatures', twice('ds:Signature'), 'signature-count'],
  ['two SignedInfo', twice('ds:SignedInfo'), 'signature-count'],
  ['two SignatureValue', twice('ds:SignatureValue'), 'signature-count'],
  ['two References', twice('ds:Reference'), 'signature-count'],
  ['two DigestValue', twice('ds:DigestValue'), 'signature-count'],
  ['two Transforms', twice('ds:Transforms'), 'signature-count'],
  ['no Reference', without('ds:Reference')(bySignature.assertion), 'shape'],
  ['no SignedInfo', without('ds:SignedInfo')(bySignature.assertion), 'shape'],
  ['two Subjects', edited({ assertion: doubling('saml:Subject') }), 'shape'],
  ['two NameIDs', edited({ assertion: doubling('saml:NameID') }), 'shape'],
  ['two bearers', edited({ assertion: doubling('saml:SubjectConfirmation') }), 'confirmation'],
  ['two Conditions', edited({ assertion: doubling('saml:Conditions') }), 'shape'],
  ['two Issuers', edited({ assertion: doubling('saml:Issuer') }), 'shape'],
  ['two AuthnStatements', edited({ assertion: doubling('saml:AuthnStatement') }), 'shape'],
  ['two Status', edited({ response: doubling('samlp:Status') }), 'shape'],
  [
    'an Object in the signature',
    swap('</ds:Signature>', '<ds:Object></ds:Object></ds:Signature>')(bySignature.assertion),
    'signature-shape',
  ],
  [
    'a signature in Extensions',
    swap(
      '<samlp:Status>',
      `<samlp:Extensions>${signatureIn(bySignature.assertion)}</samlp:Extensions><samlp:Status>`,
    )(bySignature.assertion),
    'signature-count',
  ],
  [
    'the same ID twice',
    swap('<samlp:Status>', '<samlp:Status ID="_assertion1">')(bySignature.assertion),
    'duplicate-id',
  ],
  [
    'the same ID as Id',
    swap('<samlp:Status>', '<samlp:Status Id="_assertion1">')(bySignature.assertion),
    'duplicate-id',
  ],
  [
    'the same ID as xml:id',
    swap('<samlp:Status>', '<samlp:Status xml:id="_assertion1">')(bySignature.assertion),
    'duplicate-id',
  ],
  ['a reference to the whole document', swap('URI="#_assertion1"', 'URI=""')(bySignature.assertion), 'shape'],
  [
    'a reference to the response',
    swap('URI="#_assertion1"', 'URI="#_response1"')(bySignature.assertion),
    'reference',
  ],
  [
    'a reference by XPointer',
    swap('URI="#_assertion1"', `URI="#xpointer(id('_assertion1'))"`)(bySignature.assertion),
    'reference',
  ],
  [
    'a reference to elsewhere',
    swap('URI="#_assertion1"', 'URI="https://evil.example/"')(bySignature.assertion),
    'reference',
  ],
];

function part(text: string, name: string): string {
  return new RegExp(`<${name}[ >].*?</${name}>`, 's').exec(text)![0];
}

function doubling(name: string): (text: string) => string {
  return (text) => swap(part(text, name), part(text, name).repeat(2))(text);
}

function twice(name: string): string {
  return doubling(name)(bySignature.assertion);
}

function without(name: string): (text: string) => string {
  return (text) => swap(part(text, name), '')(text);
}

function signatureIn(text: string): string {
  return part(text, 'ds:Signature');
}

for (const [name, text, code] of doubled) test(`SA-02 refused: ${name}`, () => refused(text, code));

const name = (value: string) => swap('>ada<', `>${value}<`);
const mail = (value: string) => swap('>ada@example.org<', `>${value}<`);
const digest = (piece: string) => (text: string) =>
  text.replace(/<ds:DigestValue>(.{4})/, `<ds:DigestValue>$1${piece}`);

const cut: [string, (text: string) => string, SamlRefusalCode][] = [
  ['a comment in NameID', name('ada<!-- -->.evil'), 'comment'],
  ['a comment in an attribute', mail('ada@example.org<!-- -->.evil'), 'comment'],
  ['a comment in DigestValue', digest('<!-- -->'), 'comment'],
  ['a comment in SignatureValue', swap('<ds:SignatureValue>', '<ds:SignatureValue><!---->'), 'comment'],
  ['a comment before the root', (text) => `<!-- -->${text}`, 'comment'],
  ['an instruction in NameID', name('ada<?x y?>.evil'), 'instruction'],
  ['an instruction in an attribute', mail('ada@example.org<?x?>.evil'), 'instruction'],
  ['an instruction in DigestValue', digest('<?x y?>'), 'instruction'],
  ['CDATA in NameID', name('<![CDATA[ada]]>'), 'cdata'],
  ['CDATA in an attribute', mail('<![CDATA[ada@example.org]]>'), 'cdata'],
  ['an unknown entity in NameID', name('ada&evil;'), 'not-xml'],
  ['an entity of HTML in NameID', name('ada&nbsp;'), 'not-xml'],
  ['a reference to no character', name('ada&#0;'), 'character'],
  ['a reference to half a character', name('ada&#xD800;'), 'character'],
  ['an element in NameID', name('ada<b>.evil</b>'), 'digest'],
  ['an element in DigestValue', digest('<b></b>'), 'shape'],
  ['a blank root', () => '', 'not-xml'],
];

for (const [what, edit, code] of cut)
  test(`SA-03 refused: ${what}`, () => refused(edit(bySignature.assertion), code));

test('SA-03 an element inside NameID or an attribute is refused when it was signed, too', () => {
  refused(edited({ assertion: name('ada<b>.evil</b>') }), 'shape');
  refused(edited({ assertion: mail('<b>x</b>ada@example.org') }), 'shape');
});

test('SA-04 a DOCTYPE is refused before parsing: nothing is fetched, nothing grows', async () => {
  let hits = 0;
  const server = createServer((_request, response) => {
    hits += 1;
    response.end('<!ENTITY x "evil">');
  });
  await new Promise<void>((ready) => void server.listen(0, '127.0.0.1', ready));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const laughs = Array.from(
    { length: 12 },
    (_, at) => `<!ENTITY l${at + 1} "${`&l${at};`.repeat(12)}">`,
  ).join('');
  const bombs = [
    `<!DOCTYPE samlp:Response SYSTEM "${url}">`,
    `<!DOCTYPE x [<!ENTITY % e SYSTEM "${url}"> %e;]>`,
    `<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>`,
    `<!DOCTYPE x [<!ENTITY l0 "ha">${laughs}]>`,
    `<!DOCTYPE x [<!ATTLIST samlp:Response ID CDATA "_x">]>`,
    '<!doctype html>',
    '<!DOCTYPE',
  ];
  const before = process.cpuUsage();
  for (const bomb of bombs) {
    refused(`${bomb}${bySignature.assertion}`, 'doctype');
    refused(`<?xml version="1.0"?>\n${bomb}${bySignature.assertion}`, 'doctype');
    refused(swap('>ada<', `>${bomb}&l12;<`)(bySignature.assertion), 'doctype');
  }
  const { user, system } = process.cpuUsage(before);
  await new Promise((done) => server.close(done));
  assert.equal(hits, 0);
  assert.ok(user + system < 100_000, `${user + system} µs`);
});

test('SA-04 other encodings and versions than the one we read are refused', () => {
  accepted(`<?xml version="1.0" encoding="UTF-8"?>\n${bySignature.assertion}\n`);
  accepted(`\uFEFF<?xml version='1.0' encoding='utf-8' standalone="yes" ?>${bySignature.assertion}`);
  refused(`<?xml version="1.0" encoding="UTF-16"?>${bySignature.assertion}`, 'not-xml');
  refused(`<?xml version="1.1"?>${bySignature.assertion}`, 'not-xml');
  refused(`${bySignature.assertion}<?xml version="1.0"?>`, 'instruction');
});

test('SA-06 what has no canonical form is refused: relative, empty and undeclared namespaces', () => {
  refused(swap('<samlp:Response ', '<samlp:Response xmlns:x="1" ')(bySignature.assertion), 'namespace');
  refused(swap('<samlp:Response ', '<samlp:Response xmlns:x="./a" ')(bySignature.assertion), 'namespace');
  refused(swap('<saml:Assertion ', '<saml:Assertion xmlns:x="" ')(bySignature.assertion), 'namespace');
  refused(swap('<saml:Subject>', '<saml:Subject x:y="z">')(bySignature.assertion), 'not-xml');
  refused(
    swap(
      `xmlns:saml="${NS.saml}" ID="_assertion1"`,
      'xmlns:saml="urn:other" ID="_assertion1"',
    )(bySignature.assertion),
    'signature-count',
  );
});

/** Processor time in milliseconds: whatever else the machine does meanwhile does not count. */
function cpuOf(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

test('SA-11 depth, width and size are bounded before anything is parsed', () => {
  const shapes: [string, SamlRefusalCode][] = [
    ['<a>'.repeat(60_000), 'too-complex'],
    ['<a/>'.repeat(50_000), 'too-complex'],
    [`<a ${Array.from({ length: 2000 }, (_, at) => `a${at}=""`).join(' ')}/>`, 'too-complex'],
    ['x'.repeat(300_000), 'too-large'],
    [`é`.repeat(140_000), 'too-large'],
    ['<'.repeat(200_000), 'not-xml'],
    ['<a b="'.repeat(40_000), 'not-xml'],
  ];
  for (const [shape, code] of shapes) {
    const spent = cpuOf(() => refused(`<samlp:Response xmlns:samlp="${NS.samlp}">${shape}`, code));
    assert.ok(spent < 100, `${code} took ${spent} ms`);
  }
});

test('a refusal says what it found, on one line and short', () => {
  refused(edited({}, 'assertion', { issuer: `evil\n${'x'.repeat(900)}` }), 'issuer', { ...expected });
});

test('SA-03 what other parsers read differently is refused: bare ampersands, attributes twice, reserved prefixes', () => {
  const root = '<samlp:Response ';
  refused(swap('>ada<', '>ada& <')(bySignature.assertion), 'not-xml');
  refused(
    swap(root, `${root}xmlns:a="urn:x" xmlns:b="urn:x" a:c="1" b:c="2" `)(bySignature.assertion),
    'not-xml',
  );
  refused(swap(root, `${root}ID="_x" `)(bySignature.assertion), 'not-xml');
  refused(swap(root, `${root}xmlns:xml="urn:x" `)(bySignature.assertion), 'namespace');
  refused(swap(root, `${root}xmlns:xmlns="urn:x" `)(bySignature.assertion), 'namespace');
  refused(
    swap(root, `${root}xmlns:x="http://www.w3.org/XML/1998/namespace" `)(bySignature.assertion),
    'namespace',
  );
});

test('SA-11 a list of prefixes without an end costs nothing', () => {
  const list = `<ec:InclusiveNamespaces xmlns:ec="${NS.ec}" PrefixList="${'a '.repeat(100_000)}"></ec:InclusiveNamespaces>`;
  const method = `<ds:Transform Algorithm="${NS.ec}">`;
  const spent = cpuOf(() => refused(swap(method, method + list)(bySignature.assertion), 'too-complex'));
  assert.ok(spent < 100, `${spent} ms`);
  // In the content it means nothing: the canonical form is not the content's to choose.
  const inside = `<CanonicalizationMethod xmlns="">${list}</CanonicalizationMethod>`;
  refused(swap('<saml:Subject>', `${inside}<saml:Subject>`)(bySignature.assertion), 'digest');
});
