/** Commands as a terminal gives them: in this process, to a house of the test's. */
import assert from 'node:assert/strict';
import { Readable, Writable } from 'node:stream';
import { type ProgramParts, runCli } from '#cli/program.ts';
import type { Config } from '#config/config.ts';
import type { Platform } from './kit.ts';

export interface Said {
  status: number;
  out: string;
  err: string;
}

type Parts = Pick<ProgramParts<Config>, 'readSettings' | 'openHouse'> & Partial<ProgramParts<Config>>;

/** One command line to its end. What its parts do not name must not be asked for. */
export async function runCommand(
  args: readonly string[],
  parts: Parts,
  { env = {}, input }: { env?: Record<string, string | undefined>; input?: string } = {},
): Promise<Said> {
  const said = { out: '', err: '' };
  const into = (name: 'out' | 'err') =>
    new Writable({
      write(chunk, _encoding, done) {
        said[name] += chunk;
        done();
      },
    });
  const io = {
    env,
    input: Readable.from(input === undefined ? [] : [Buffer.from(input)]),
    output: into('out'),
    errors: into('err'),
  };
  const status = await runCli(args, io, {
    serve: () => assert.fail('nothing is served here'),
    demo: () => assert.fail('nothing is shown here'),
    declared: () => assert.fail('nothing is applied here'),
    simulators: () => assert.fail('nothing is simulated here'),
    ...parts,
  });
  return { status, ...said };
}

/** Commands beside a running house, as from another terminal; `good` are those that end well. */
export function terminal(platform: () => Platform) {
  const run = (args: readonly string[], input?: string) =>
    runCommand(
      args,
      {
        readSettings: async () => platform().config,
        openHouse: async () => ({ ...platform(), close: async () => undefined }),
        declared: () => import('#declared/declared.ts'),
      },
      { input },
    );
  const good = async (args: readonly string[], input?: string) => {
    const said = await run(args, input);
    assert.equal(said.status, 0, `${args.join(' ')}: ${said.err}`);
    return said;
  };
  return { run, good };
}
