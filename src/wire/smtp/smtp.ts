/**
 * Mail as it travels: addresses of an envelope, keyed return addresses (SRS), header fields by their exact bytes, reports
 * of failed delivery, and the two protocols by which Postfix asks others (socketmap, policy delegation). Pure: no socket,
 * no clock, keys are handed in.
 *
 * Owns: what counts as one plain mailbox (addresses.ts), the form of our return addresses (srs.ts), netstrings.
 * Records: nothing.
 * Refuses: addresses that two programs could read in two ways (quoted, routed, literal, %-hack, more than ASCII); lines
 * that do not end in CRLF; headers beyond bounds; a second From. Nothing here ever writes a message anew: what is not
 * named stays as it came, byte for byte.
 */

/** RFC 5321 section 4.5.3.1.1: octets of a local part. */
export const longestLocalPart = 64;

/** RFC 5321 section 4.5.3.1.3, without the angle brackets. */
export const longestAddress = 254;
