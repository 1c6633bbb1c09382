/** Opens the house for one command. */
import type { CommandHouse, CommandSettings } from './cli.ts';

export interface OpenHouse extends CommandHouse {
  config: CommandSettings;
  close(): Promise<void>;
}

/** Opens, works, closes; a failure to close never hides why the work failed. */
export async function withHouse<T>(
  open: () => Promise<OpenHouse>,
  work: (house: CommandHouse, settings: CommandSettings) => Promise<T>,
): Promise<T> {
  const house = await open();
  let result: T;
  try {
    result = await work(house, house.config);
  } catch (error) {
    await house.close().catch(() => undefined);
    throw error;
  }
  await house.close();
  return result;
}
