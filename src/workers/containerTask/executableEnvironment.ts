/** How a JavaScript executable's loader is told what it needs; it takes the secret out before any other code runs. */
export const executableEnvironment = {
  /** For `/namespace-wrapper`; no container and no child of the executable gets it. */
  secret: 'ORCA_NAMESPACE_SECRET',
  /** The task's own folder. */
  folder: 'ORCA_TASK_FOLDER',
  /** Only where the manifest asks for a public API. */
  apiSocket: 'ORCA_API_SOCKET',
} as const;

export const executableFlag = '--task-executable';
