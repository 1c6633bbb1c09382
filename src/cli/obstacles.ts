/** What stands in the way on this machine (a port, a folder, a full disk), as a sentence instead of the system's code. */

interface SystemError extends Error {
  code: string;
  path?: string;
  address?: string;
  port?: number;
}

const wordsOf: Record<string, string> = {
  EACCES: 'This account may not use %. Give it the right, or name another place (GATEHOUSE_DATA).',
  EPERM: 'This account may not use %. Give it the right, or name another place (GATEHOUSE_DATA).',
  EROFS: 'Nothing can be written at %. Name a place that can be written to (GATEHOUSE_DATA).',
  ENOTDIR: 'There is a file on the way to %, where a folder is needed. Name another place (GATEHOUSE_DATA).',
  EEXIST: 'There is something at % already. Move it away, or name another place.',
  ENOSPC: 'The disk is full, and % could not be written. Make room, then try again.',
  EDQUOT: 'The disk is full, and % could not be written. Make room, then try again.',
  ENOENT: '% does not exist. Check the name.',
  EISDIR: '% is a folder, where a file is needed. Name the file.',
  EMFILE: 'Too many files are open. Raise the limit (ulimit -n), then try again.',
};

const wordsOfPorts: Record<string, string> = {
  EADDRINUSE:
    'Something listens on % already, perhaps this Gatehouse itself. Stop it, or choose another port (GATEHOUSE_PORT).',
  EACCES: 'This account may not listen on %. Choose a port above 1023 (GATEHOUSE_PORT).',
  EADDRNOTAVAIL: 'This machine has no address % to listen on. Check GATEHOUSE_HOST.',
};

/** The sentence for a fault the operating system named; undefined for any other error. */
export function obstacleText(error: Error): string | undefined {
  const { code, path, address, port, message } = error as SystemError;
  if (typeof code !== 'string' || !/^E[A-Z]+$/.test(code)) return undefined;
  const where = port === undefined ? path : address ? `${address}:${port}` : `port ${port}`;
  const words = (port === undefined ? wordsOf : wordsOfPorts)[code];
  return words && where !== undefined ? words.replace('%', where) : `${message}.`;
}
