/** Bench program: the whole product on an embedded database of its own, logging as a server does. */
import { loadConfig } from '#config/config.ts';
import { applyDeclared } from '#declared/declared.ts';
import { system } from '#kit/db/database.ts';
import { serve } from '#main.ts';
import { answerParent } from '../program.ts';

const config = loadConfig({ env: process.env });
const house = await serve(config);
answerParent(
  {
    origin: async () => config.publicUrl.replace(/\/$/, ''),
    apply: async (text: string) => {
      await applyDeclared({ ...house, context: system('apply') }, { text });
    },
    settle: () => house.settle(),
    processor: async () => ({ whole: process.cpuUsage(), main: process.threadCpuUsage() }),
  },
  () => house.stop(),
);
