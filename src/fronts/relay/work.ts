/** What the relay does on threads. The library is loaded here and nowhere else. */
import { findLeak as find } from './leaks.ts';
import { authenticate as look } from './proofs.ts';
import { sealArc as seal, signDkim as sign } from './sign.ts';

export const authenticate = look;
export const sealArc = seal;
export const signDkim = sign;
export const findLeak = find;
