/** The program `gatehouse`: one command line of this process, with everything a command may need. */
import type { Config } from '#config/config.ts';
import { type ProgramParts, runCli } from './program.ts';

const parts: ProgramParts<Config> = {
  async readSettings({ env, file, given, demo }) {
    const { loadConfig } = await import('#config/config.ts');
    return loadConfig({ env, file, argv: given, demo });
  },
  async openHouse(settings, tools) {
    const { openHouse } = await import('#house.ts');
    return openHouse(settings, { ...tools, embedded: 'attach' });
  },
  async serve(settings) {
    const { serve } = await import('#main.ts');
    const house = await serve(settings);
    const parts = house.config.run.join(', ');
    if (house.app) house.log.info({ url: String(house.url), parts }, 'Gatehouse is open');
    else house.log.info({ parts, watch: house.config.port }, 'Gatehouse works; this process serves no pages');
    return house;
  },
  async demo(settings) {
    const { startDemo } = await import('#demo.ts');
    return startDemo(settings);
  },
  declared: () => import('#declared/declared.ts'),
  async simulators() {
    const { startScimSimulator: scim } = await import('#simulators/scim/scim.ts');
    const { startAtlassianSimulator: atlassian } = await import('#simulators/scim/atlassian/atlassian.ts');
    const { readRate } = await import('#simulators/scim/rate.ts');
    return { scim, atlassian, readRate };
  },
};

// A reader that has seen enough (`| head`) is no fault.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

const { env, stdin: input, stdout: output, stderr: errors } = process;
process.exitCode = await runCli(process.argv.slice(2), { env, input, output, errors }, parts);
