import { baseName } from '../text.ts';
import { checkNonce } from './osc133.ts';

/** How the marks of a terminal's shell are told from what programs print; kept with the terminal, never published. */
export interface ShellMarks {
  /** Letters and digits; only marks that carry it count. */
  readonly nonce: string;
  /** The shell marks where a command's output begins (C); without, only its prompts are marked. */
  readonly hasStartMark: boolean;
  /** After that mark the shell itself still sets the title and the terminal's modes, as fish does. */
  readonly hasModesAfterStart?: boolean;
}

export interface IntegratedShell {
  readonly args: readonly string[];
  /** Over the shell's environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly marks: ShellMarks;
}

export interface ShellStart {
  /** Absolute path of the program. */
  readonly shell: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Where `shellFiles` lie. */
  readonly folder: string;
  readonly nonce: string;
}

const loginArguments: readonly string[] = ['-l', '--login'];
const integratedShells: readonly string[] = ['bash', 'zsh', 'fish', 'sh', 'dash', 'ash'];

/**
 * Whether a shell started so would be one that a person types at, of a kind that we know how to make print marks. One
 * that is given a command or a script is left alone.
 */
export function canIntegrate(shell: string, args: readonly string[]): boolean {
  return (
    integratedShells.includes(baseName(shell)) &&
    args.every((argument) => argument === '-i' || loginArguments.includes(argument)) &&
    // sh reads a login shell's files before $ENV, which they may set anew: nothing that could be relied on.
    (!args.some((argument) => loginArguments.includes(argument)) ||
      /^(?:bash|zsh|fish)$/.test(baseName(shell)))
  );
}

/** What to start instead, so that the shell reads our file and, by that, its own. See shellScripts.ts. */
export function integrateShell({ shell, args, env, folder, nonce }: ShellStart): IntegratedShell {
  const secret = { ORCHESTRATOR_SHELL_NONCE: checkNonce(nonce) };
  const isLogin = args.some((argument) => loginArguments.includes(argument));
  const marks = { nonce, hasStartMark: true };
  switch (baseName(shell)) {
    case 'bash':
      return {
        args: ['--rcfile', `${folder}/bash.sh`, ...args.filter((argument) => argument === '-i')],
        env: isLogin ? { ...secret, ORCHESTRATOR_SHELL_LOGIN: '1' } : secret,
        marks,
      };
    case 'zsh': {
      const own = env['ZDOTDIR'] ?? '';
      return { args, env: { ...secret, ZDOTDIR: folder, ORCHESTRATOR_SHELL_ZDOTDIR: own }, marks };
    }
    case 'fish':
      return {
        args: [...args, '--init-command', `source ${quoteFish(`${folder}/fish.fish`)}`],
        env: secret,
        marks: { ...marks, hasModesAfterStart: true },
      };
    default: {
      const own = env['ENV'] ?? '';
      return {
        args,
        env: { ...secret, ENV: `${folder}/sh.sh`, ORCHESTRATOR_SHELL_ENV: own },
        marks: { nonce, hasStartMark: false },
      };
    }
  }
}

function quoteFish(text: string): string {
  return `'${text.replace(/[\\']/g, '\\$&')}'`;
}
