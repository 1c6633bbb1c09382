import assert from 'node:assert/strict';
import {
  constants,
  createCipheriv,
  createPrivateKey,
  createPublicKey,
  publicEncrypt,
  randomBytes,
} from 'node:crypto';
import { test } from 'node:test';
import { samlKey } from '#test/saml.ts';
import {
  accepted,
  attacker,
  bySignature,
  edited,
  expected,
  idp,
  made,
  refused,
  sp,
  swap,
} from '#test/saml-specimen.ts';
import { encryptAssertion } from './encryption.ts';
import { makeResponse } from './responses.ts';
import { NS } from './saml.ts';

const encrypted = {
  assertion: await makeResponse({ ...made, encryptFor: sp.certificate }),
  response: await makeResponse({ ...made, sign: 'response', encryptFor: sp.certificate }),
  both: await makeResponse({ ...made, sign: 'both', encryptFor: sp.certificate }),
};

const assertionIn = (text: string) => /<saml:Assertion .*<\/saml:Assertion>/s.exec(text)![0];
const cipherIn = (text: string) => /<saml:EncryptedAssertion .*<\/saml:EncryptedAssertion>/s.exec(text)![0];

interface Hand {
  content?: string;
  cipher?: 'aes-256-gcm' | 'aes-256-cbc';
  transport?: string;
  padding?: number;
  /** OAEP with this hash throughout, as XML Encryption 1.1 writes it. */
  oaepHash?: 'sha256' | 'sha512';
}

/** Encrypts by hand for the service, in ways the library refuses to. */
function byHand(plain: string, how: Hand = {}): string {
  const cipher = how.cipher ?? 'aes-256-gcm';
  const key = randomBytes(32);
  const gcm = cipher === 'aes-256-gcm';
  const iv = randomBytes(gcm ? 12 : 16);
  const made = createCipheriv(cipher as 'aes-256-gcm', key, iv);
  const body = Buffer.concat([
    iv,
    made.update(plain),
    made.final(),
    gcm ? made.getAuthTag() : Buffer.alloc(0),
  ]);
  const padding = how.padding ?? constants.RSA_PKCS1_OAEP_PADDING;
  const { oaepHash } = how;
  const wrapped = publicEncrypt({ key: createPublicKey(sp.certificate), padding, oaepHash }, key);
  const parameters = oaepHash
    ? `<ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#${oaepHash}"></ds:DigestMethod>` +
      `<e11:MGF xmlns:e11="http://www.w3.org/2009/xmlenc11#" Algorithm="http://www.w3.org/2009/xmlenc11#mgf1${oaepHash}"></e11:MGF>`
    : '';
  const method = (algorithm: string, inside = '') =>
    `<xenc:EncryptionMethod Algorithm="${algorithm}">${inside}</xenc:EncryptionMethod>`;
  const data = (bytes: Buffer) =>
    `<xenc:CipherData><xenc:CipherValue>${bytes.toString('base64')}</xenc:CipherValue></xenc:CipherData>`;
  return (
    `<saml:EncryptedAssertion xmlns:saml="${NS.saml}"><xenc:EncryptedData xmlns:xenc="${NS.xenc}">` +
    method(how.content ?? 'http://www.w3.org/2009/xmlenc11#aes256-gcm') +
    `<ds:KeyInfo xmlns:ds="${NS.ds}"><xenc:EncryptedKey>` +
    method(how.transport ?? 'http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p', parameters) +
    `${data(wrapped)}</xenc:EncryptedKey></ds:KeyInfo>${data(body)}</xenc:EncryptedData></saml:EncryptedAssertion>`
  );
}

const enclosing = (cipher: string, shell = bySignature.assertion) =>
  shell.replace(assertionIn(shell), () => cipher);

test('SA-10 an encrypted assertion is accepted, however it is signed, by hand and by the library', () => {
  for (const text of Object.values(encrypted)) accepted(text, { ...expected, wantEncrypted: true });
  accepted(enclosing(byHand(assertionIn(bySignature.assertion))));
});

test('assertions encrypted as XML Encryption 1.1 has it are read, with a key in PEM or as an object', () => {
  const transport = 'http://www.w3.org/2009/xmlenc11#rsa-oaep';
  for (const oaepHash of ['sha256', 'sha512'] as const) {
    const text = enclosing(byHand(assertionIn(bySignature.assertion), { transport, oaepHash }));
    accepted(text);
    accepted(text, { ...expected, decryptionKeys: [createPrivateKey(sp.key)] });
  }
});

test('SA-10 what is inside an encrypted assertion is verified: anybody can encrypt', async () => {
  const unsigned = assertionIn(bySignature.response).replace(/<ds:Signature .*<\/ds:Signature>/s, '');
  refused(enclosing(byHand(unsigned)), 'unsigned');
  refused(enclosing(byHand(assertionIn(edited({}, 'assertion', { signer: attacker })))), 'signature');
  refused(enclosing(byHand(swap('>ada<', '>admin<')(assertionIn(bySignature.assertion)))), 'digest');
  refused(enclosing(await encryptAssertion(unsigned, sp.certificate)), 'unsigned');
});

test('SA-10 an assertion exchanged inside a signed response is refused', () => {
  refused(
    encrypted.response.replace(cipherIn(encrypted.response), () => cipherIn(encrypted.assertion)),
    'digest',
  );
  const signed = assertionIn(bySignature.assertion);
  refused(
    encrypted.response.replace(cipherIn(encrypted.response), () => signed),
    'digest',
  );
});

test('SA-10 exactly one assertion, encrypted or in clear', () => {
  const cipher = cipherIn(encrypted.assertion);
  const clear = assertionIn(bySignature.assertion);
  refused(swap(cipher, cipher + cipher)(encrypted.assertion), 'assertion-count');
  refused(swap(cipher, cipher + clear)(encrypted.assertion), 'assertion-count');
  refused(swap(clear, clear + cipher)(bySignature.assertion), 'assertion-count');
  // One inside the other, where only the decrypted text shows it.
  const nested = swap(
    '<saml:Subject>',
    `<saml:Advice>${clear.replace('_assertion1', '_inner')}</saml:Advice><saml:Subject>`,
  )(clear);
  refused(enclosing(byHand(nested)), 'assertion-count');
});

test('SA-10 whatever goes wrong in decrypting has one code and one sentence', async () => {
  const stranger = await samlKey();
  const clear = assertionIn(bySignature.assertion);
  const value = (text: string, nth: number, change: (bytes: Buffer) => Buffer) => {
    let at = -1;
    return text.replace(/(<\w+:CipherValue>)([^<]+)/g, (whole, tag: string, base64: string) => {
      at += 1;
      return at === nth ? `${tag}${change(Buffer.from(base64, 'base64')).toString('base64')}` : whole;
    });
  };
  const flip = (place: number) => (bytes: Buffer) => {
    const copy = Buffer.from(bytes);
    const index = (place + copy.length) % copy.length;
    copy[index] = copy[index]! ^ 1;
    return copy;
  };
  const wrong = [
    value(encrypted.assertion, 0, flip(5)),
    value(encrypted.assertion, 1, flip(0)),
    value(encrypted.assertion, 1, flip(200)),
    value(encrypted.assertion, 1, flip(-1)),
    value(encrypted.assertion, 1, (bytes) => bytes.subarray(0, -1)),
    value(encrypted.assertion, 1, (bytes) => bytes.subarray(0, 12)),
    enclosing(await encryptAssertion(clear, stranger.certificate)),
    enclosing(byHand('not xml')),
    enclosing(byHand('<!DOCTYPE x><x/>')),
    enclosing(byHand('<x/>')),
    enclosing(byHand(`${clear}${clear}`)),
    enclosing(byHand(`<samlp:Response xmlns:samlp="${NS.samlp}">${clear}</samlp:Response>`)),
  ];
  for (const text of wrong) {
    refused(text, 'decryption');
    assert.throws(() => accepted(text), { message: 'The assertion cannot be decrypted' });
  }
  refused(encrypted.assertion, 'decryption', { ...expected, decryptionKeys: [stranger.key] });
  refused(encrypted.assertion, 'decryption', { ...expected, decryptionKeys: [] });
  refused(encrypted.assertion, 'decryption', { ...expected, decryptionKeys: undefined });
});

test('SA-05 CBC, RSA 1.5 and unknown algorithms of encryption are refused before any key is used', () => {
  const clear = assertionIn(bySignature.assertion);
  const code = 'encryption-algorithm';
  refused(
    enclosing(
      byHand(clear, { content: 'http://www.w3.org/2001/04/xmlenc#aes256-cbc', cipher: 'aes-256-cbc' }),
    ),
    code,
  );
  refused(
    enclosing(
      byHand(clear, {
        transport: 'http://www.w3.org/2001/04/xmlenc#rsa-1_5',
        padding: constants.RSA_PKCS1_PADDING,
      }),
    ),
    code,
  );
  refused(enclosing(byHand(clear, { content: 'http://www.w3.org/2001/04/xmlenc#tripledes-cbc' })), code);
  refused(enclosing(byHand(clear, { transport: 'http://www.w3.org/2001/04/xmlenc#kw-aes256' })), code);
  refused(enclosing(byHand(clear, { content: 'none' })), code);
});

test('SA-10 parts the library could confuse are refused: foreign names, two keys, references to elsewhere', () => {
  const text = encrypted.assertion;
  const key = /<e:EncryptedKey .*<\/e:EncryptedKey>/s.exec(text)![0];
  refused(swap(key, key + key)(text), 'shape');
  refused(
    swap(
      '<xenc:EncryptionMethod',
      '<EncryptionMethod xmlns="urn:x" Algorithm="x"></EncryptionMethod><xenc:EncryptionMethod',
    )(text),
    'shape',
  );
  refused(
    text.replace(
      /<xenc:CipherValue>.*?<\/xenc:CipherValue>/s,
      '<xenc:CipherReference URI="https://evil.example/"></xenc:CipherReference>',
    ),
    'shape',
  );
  refused(text.replace(/<KeyInfo .*<\/KeyInfo>/s, ''), 'shape');
});

test('SA-10 who wants encryption takes nothing in clear', () => {
  refused(bySignature.both, 'not-encrypted', { ...expected, wantEncrypted: true });
});

test('SA-17 either of two keys decrypts while they change', async () => {
  const next = await samlKey();
  accepted(encrypted.both, { ...expected, decryptionKeys: [next.key, sp.key] });
  const text = await makeResponse({ ...made, encryptFor: next.certificate, signer: idp });
  accepted(text, { ...expected, decryptionKeys: [sp.key, next.key] });
});
