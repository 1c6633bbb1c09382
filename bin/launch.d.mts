export const oldestNode: number;
/** How every program of ours runs. */
export const nodeFlags: readonly string[];
export function requireNode(): void;
/** Path of the Node to run on: the package's own, else the present one when it is new enough, else undefined. */
export function findNode(root: string): string | undefined;
/** The lines with which a shell becomes this program, handing on the words it was given itself. */
export function shellCommand(node: string, args: readonly string[]): string;
/** Runs a program with the same terminal, folder and environment, and waits; ends as it ends. */
export function run(node: string, args: readonly string[]): void;
