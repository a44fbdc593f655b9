import type { CodePlace } from '../../runs/runEvents.ts';
import type { ModelTool } from '../languageModel.ts';

export const codeToolName = 'run_code';

/** Each is run by a program of that machine or container. */
export const codeLanguages = ['bash', 'python', 'javascript'] as const;
export type CodeLanguage = (typeof codeLanguages)[number];

export interface CodePiece {
  readonly language: CodeLanguage;
  readonly code: string;
}

export interface CodeOutcome {
  /** Null where it did not end by itself. */
  readonly exitCode: number | null;
  /** Standard output and error as they came, the newest 64 KiB. */
  readonly output: string;
  /** Why there is no exit code; empty where there is one. */
  readonly error: string;
}

/** Where a run's code is executed. */
export interface CodeRunner {
  readonly place: CodePlace;
  /** Ends within its own time limit, and at once with the signal. Error: `aborted`; all else is an outcome. */
  run(piece: CodePiece, signal: AbortSignal): Promise<CodeOutcome>;
}

export function codeTool(place: CodePlace): ModelTool {
  const where =
    place === 'container'
      ? 'in a container of its own, without a network'
      : "in a terminal of the user's machine, in the working directory";
  return {
    name: codeToolName,
    description: `Runs a piece of code ${where}, and gives back what it prints and its exit code. Files stay between pieces, variables do not.`,
    inputSchema: {
      type: 'object',
      properties: {
        language: { type: 'string', enum: codeLanguages },
        code: { type: 'string', description: 'The whole program.' },
      },
      required: ['language', 'code'],
      additionalProperties: false,
    },
  };
}

/** Undefined for what is no piece of code. */
export function codePieceOf(value: unknown): CodePiece | undefined {
  if (typeof value !== 'object' || value === null || !('language' in value) || !('code' in value))
    return undefined;
  const language = codeLanguages.find((known) => known === value.language);
  const { code } = value;
  return language === undefined || typeof code !== 'string' || code.trim() === ''
    ? undefined
    : { language, code };
}

/** A variable of the environment holds no more, on Linux. */
export const maxCodeBytes = 100_000;
export const codeVariable = 'ORCHESTRATOR_CODE';

/**
 * How a piece is run. The code is in a variable that the program takes out of its environment: no file is left behind,
 * and no other user of the machine can read it, as they could the arguments.
 */
export function codeCommand({ language, code }: CodePiece): {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
} {
  return { args: [...interpreters[language]], env: { [codeVariable]: code } };
}

const takeInShell = `code=$${codeVariable}; unset ${codeVariable}; eval "$code"`;

const interpreters: Readonly<Record<CodeLanguage, readonly string[]>> = {
  // An image may have no bash.
  bash: [
    'sh',
    '-c',
    `if command -v bash >/dev/null 2>&1; then exec bash -c '${takeInShell}'; fi; ${takeInShell}`,
  ],
  python: [
    'python3',
    '-c',
    `import os; exec(compile(os.environ.pop("${codeVariable}"), "<code>", "exec"), {"__name__": "__main__"})`,
  ],
  javascript: [
    'node',
    '-e',
    `const code = process.env.${codeVariable}; delete process.env.${codeVariable}; (0, eval)(code)`,
  ],
};
