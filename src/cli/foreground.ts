import { readFileSync } from 'node:fs';

/**
 * Whether we may change the terminal's settings: a job in the background (`orchestrator run … &`) is stopped by the
 * system when it tries. Known on Linux; elsewhere taken for true.
 */
export function isInForeground(): boolean {
  if (process.platform !== 'linux') return true;
  try {
    return isForegroundStat(readFileSync('/proc/self/stat', 'utf8'));
  } catch {
    return true;
  }
}

/** `pid (name) state ppid pgrp session tty tpgid …`; the name may hold blanks and parentheses. */
export function isForegroundStat(stat: string): boolean {
  const [, , processGroup, , , foregroundGroup] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return processGroup === foregroundGroup;
}
