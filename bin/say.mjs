// Says to the shell script `gatehouse` how it becomes the program of the installed package.
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { findNode, requireNode, shellCommand } from './launch.mjs';

requireNode();
const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const node = findNode(root);
if (node) {
  process.stdout.write(shellCommand(node, [path.join(root, 'dist', 'cli', 'gatehouse.js')]));
} else {
  process.stderr.write(
    'The Node.js 24 that Gatehouse brings along is missing, because it was installed with install scripts off.\n' +
      'Run "npm rebuild node" where it is installed, or start it with Node.js 24 or newer.\n',
  );
  process.exitCode = 1;
}
