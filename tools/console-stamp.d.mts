export const consoleSources: string;
export const consoleCache: string;
export function consoleStamp(root: string): string;
export function isConsoleBuilt(root: string): boolean;
