/** What a server is told of where it runs; everything else of the user's environment is not its business. */
const inherited: ReadonlySet<string> = new Set([
  'PATH',
  'HOME',
  'USER',
  'LOGNAME',
  'SHELL',
  'LANG',
  'TMPDIR',
  'TZ',
  // By which the process host finds what a worker that was killed has left behind.
  'ORCHESTRATOR_TOKEN',
  // What programs on Windows cannot do without.
  'APPDATA',
  'COMSPEC',
  'HOMEDRIVE',
  'HOMEPATH',
  'LOCALAPPDATA',
  'PATHEXT',
  'PROGRAMDATA',
  'PROGRAMFILES',
  'SYSTEMDRIVE',
  'SYSTEMROOT',
  'TEMP',
  'TMP',
  'USERNAME',
  'USERPROFILE',
  'WINDIR',
]);

/** The whole environment of an MCP server. */
export function serverEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
  own: Readonly<Record<string, string>>,
): Record<string, string> {
  const kept = Object.entries(environment).filter(
    (entry): entry is [string, string] =>
      entry[1] !== undefined && (inherited.has(entry[0].toUpperCase()) || entry[0].startsWith('LC_')),
  );
  return { ...Object.fromEntries(kept), ...own };
}
