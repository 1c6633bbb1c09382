/** A passkey device in a few lines, for tests that get every field of an answer wrong in turn. */
import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';

/** What may be other than it should. */
export interface Wrong {
  type?: string;
  origin?: string;
  rpId?: string;
  challenge?: string;
  crossOrigin?: boolean;
  /** Flags of the authenticator data: 1 user present, 4 user verified, 8 may be synced, 16 is synced. */
  flags?: number;
  counter?: number;
  handle?: string;
  id?: string;
  key?: KeyObject;
}

type Cbor = number | string | Buffer | Map<Cbor, Cbor>;

function head(major: number, value: number): Buffer {
  if (value < 24) return Buffer.from([(major << 5) | value]);
  if (value < 256) return Buffer.from([(major << 5) | 24, value]);
  return Buffer.from([(major << 5) | 25, value >> 8, value & 255]);
}

/** As much of CBOR (RFC 8949) as an attestation needs. */
function cbor(value: Cbor): Buffer {
  if (typeof value === 'number') return value >= 0 ? head(0, value) : head(1, -1 - value);
  if (typeof value === 'string')
    return Buffer.concat([head(3, Buffer.byteLength(value)), Buffer.from(value)]);
  if (Buffer.isBuffer(value)) return Buffer.concat([head(2, value.length), value]);
  return Buffer.concat([head(5, value.size), ...[...value].flat().map((one) => cbor(one))]);
}

export class PasskeyDevice {
  readonly site: { rpId: string; origin: string };
  readonly id: Buffer;
  readonly keys: { publicKey: KeyObject; privateKey: KeyObject };
  counter = 0;
  handle = '';

  constructor(site: { rpId: string; origin: string }, id: Buffer = randomBytes(20)) {
    this.site = site;
    this.id = id;
    this.keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  }

  #clientData(type: string, challenge: string, wrong: Wrong): Buffer {
    const data = {
      type: wrong.type ?? type,
      challenge: wrong.challenge ?? challenge,
      origin: wrong.origin ?? this.site.origin,
      crossOrigin: wrong.crossOrigin ?? false,
    };
    return Buffer.from(JSON.stringify(data));
  }

  #authenticatorData(wrong: Wrong, more: Buffer, bits: number): Buffer {
    const rpIdHash = createHash('sha256')
      .update(wrong.rpId ?? this.site.rpId)
      .digest();
    const counter = Buffer.alloc(4);
    counter.writeUInt32BE(wrong.counter ?? this.counter);
    return Buffer.concat([rpIdHash, Buffer.from([(wrong.flags ?? 5) | bits]), counter, more]);
  }

  /** The answer to options for making a passkey. */
  create(options: { challenge: string; user: { id: string } }, wrong: Wrong = {}): string {
    this.handle = options.user.id;
    const jwk = this.keys.publicKey.export({ format: 'jwk' });
    const [x, y] = [Buffer.from(jwk.x!, 'base64url'), Buffer.from(jwk.y!, 'base64url')];
    const key = cbor(
      new Map<Cbor, Cbor>([
        [1, 2],
        [3, -7],
        [-1, 1],
        [-2, x],
        [-3, y],
      ]),
    );
    const length = Buffer.from([0, this.id.length]);
    const attested = Buffer.concat([Buffer.alloc(16), length, this.id, key]);
    const authData = this.#authenticatorData(wrong, attested, 64);
    const attestation = cbor(
      new Map<Cbor, Cbor>([
        ['fmt', 'none'],
        ['attStmt', new Map()],
        ['authData', authData],
      ]),
    );
    const clientData = this.#clientData('webauthn.create', options.challenge, wrong);
    return this.#answer(wrong, {
      clientDataJSON: clientData.toString('base64url'),
      attestationObject: attestation.toString('base64url'),
      transports: ['internal'],
    });
  }

  /** The answer to options for proving it. */
  get(options: { challenge: string }, wrong: Wrong = {}): string {
    this.counter += 1;
    const authData = this.#authenticatorData(wrong, Buffer.alloc(0), 0);
    const clientData = this.#clientData('webauthn.get', options.challenge, wrong);
    const signed = Buffer.concat([authData, createHash('sha256').update(clientData).digest()]);
    return this.#answer(wrong, {
      clientDataJSON: clientData.toString('base64url'),
      authenticatorData: authData.toString('base64url'),
      signature: sign('sha256', signed, wrong.key ?? this.keys.privateKey).toString('base64url'),
      userHandle: wrong.handle ?? this.handle,
    });
  }

  #answer(wrong: Wrong, response: Record<string, unknown>): string {
    const id = wrong.id ?? this.id.toString('base64url');
    return JSON.stringify({ id, rawId: id, type: 'public-key', clientExtensionResults: {}, response });
  }
}
