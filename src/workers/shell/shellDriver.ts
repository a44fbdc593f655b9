import { quotePosix } from './quotePosix.ts';

/**
 * How the steps of a run are put to a shell.
 *
 * A shell of the Bourne family runs all of them in one process, so that `cd`, variables and functions carry over. It
 * is not typed at: it reads one script that prints an OSC 133 mark before and after each step and evaluates the step's
 * text between them. Nothing is guessed from prompts, and the step's output is exactly what stands between its marks.
 */
export type ShellFamily = 'bash' | 'zsh' | 'ksh' | 'mksh' | 'posix';

const families = new Map<string, ShellFamily>([
  ['bash', 'bash'],
  ['zsh', 'zsh'],
  ['mksh', 'mksh'],
  ['sh', 'posix'],
  ['dash', 'posix'],
  ['ash', 'posix'],
  ['busybox', 'posix'],
  ['ksh', 'ksh'],
  ['ksh93', 'ksh'],
]);

/** The family of a shell by the name of its program; undefined for one that the driver script is not for. */
export function shellFamilyOf(shell: string): ShellFamily | undefined {
  return families.get(programName(shell));
}

/** `/usr/bin/zsh` → `zsh`, `C:\\…\\pwsh.exe` → `pwsh`. */
export function programName(shell: string): string {
  return (shell.split(/[/\\]/).at(-1) ?? shell).toLowerCase().replace(/\.exe$/, '');
}

/**
 * The arguments with which a shell of the family reads the driver script: to its end, and it takes the file away,
 * before the first step runs. So no step can find the nonce there, and what a step prints about itself (`sh: 1: foo:
 * not found`) names the shell, not a file of ours.
 */
export function driverArguments(shell: string, driverPath: string): string[] {
  const name = programName(shell);
  const applet = name === 'busybox' ? ['sh'] : [];
  return [
    ...applet,
    '-c',
    'eval "$(cat "$1"; rm -f "$1" 2>/dev/null)"',
    name === 'busybox' ? 'sh' : name,
    driverPath,
  ];
}

/**
 * The script for these steps. It stops at the first step that fails and exits with its status.
 *
 * Why it is written as it is:
 * - One `{ … }`, so that the shell has read all of it before a step can change how it reads.
 * - Marks go to /dev/tty: a step may redirect the shell's own output (`exec >log`).
 * - `builtin` and `command`: a step may define a function named `printf` or `exit`.
 * - `eval` stands alone, not in a condition, where `set -e` of a step would be switched off.
 * - The last mark comes from the EXIT trap, and says so: `exit 3` in a step, `set -e` and the ordinary end are one
 *   case. Its status may be wrong where a signal ends the shell, which the shell's end tells. A step that sets its own
 *   EXIT trap replaces ours; then the shell's exit status tells, and the trap's output is the step's.
 * - The nonce stands in the text of the script only, never in a variable, so no child inherits it.
 * - Ctrl-C: see `onInterrupt`.
 * - `set -x` of a step is put aside while the script itself works, and is on again in the next step.
 */
export function driverScript(family: ShellFamily, commands: readonly string[], nonce: string): string {
  const builtin = family === 'bash' || family === 'zsh' ? 'builtin' : 'command';
  const printText = (text: string): string =>
    family === 'mksh'
      ? `command print -nr -- ${quotePosix(text)} >/dev/tty`
      : `${builtin} printf %s ${quotePosix(text)} >/dev/tty`;
  const printEnd = (last: string): string =>
    family === 'mksh'
      ? `command print -nr -- "${osc}D;$__ow_status;aid=${nonce};step=$__ow_step${last}${bell}" >/dev/tty`
      : `${builtin} printf '${osc}D;%s;aid=${nonce};step=%s${last}${bell}' "$__ow_status" "$__ow_step" >/dev/tty`;
  // ksh counts signals from 256, and `exit 265` would exit with 9.
  const status =
    family === 'ksh' ? '$((__ow_status > 256 ? __ow_status - 128 : __ow_status))' : '$__ow_status';
  const exit = `${builtin} exit "${status}"`;

  const lines = [
    '{',
    'set --',
    "__ow_trace=' '",
    ...(family === 'bash' ? [] : [`trap ${quotePosix(onInterrupt)} INT`]),
    `trap ${quotePosix(`{ __ow_status=$?; set +x; } 2>/dev/null; ${printEnd(';exit')}`)} EXIT`,
  ];
  commands.forEach((command, index) => {
    const step = index + 1;
    const isLast = step === commands.length;
    lines.push(
      `__ow_step=${step}`,
      printText(`${index === 0 ? '' : '\n'}${header(command)}${osc}C;aid=${nonce};step=${step}${bell}`),
      `eval "$__ow_trace"${quotePosix(command)}`,
      `{ __ow_status=$?; case $- in *x*) __ow_trace='set -x;' ;; *) __ow_trace=' ' ;; esac; set +x; } 2>/dev/null`,
      ...(isLast ? [exit] : [`case $__ow_status in 0) ;; *) ${exit} ;; esac`, printEnd('')]),
    );
  });
  lines.push('}', '');
  return lines.join('\n');
}

/** The arguments for one command in a process of its own. */
export function singleCommandArguments(shell: string, command: string): string[] {
  switch (programName(shell)) {
    case 'pwsh':
    case 'powershell':
      return ['-NoLogo', '-Command', command];
    case 'cmd':
      return ['/d', '/s', '/c', command];
    case 'busybox':
      return ['sh', '-c', command];
    default:
      return ['-c', command];
  }
}

/**
 * Ctrl-C reaches the shell as well as the command that it waits for. If the command dies of it, so must the shell; if
 * the command takes it for something else (an editor, a debugger), the shell must go on. bash does this by itself; the
 * others are told: a trap runs once the command has ended, and `$?` is its status (ksh counts signals from 256). Where
 * the shell itself was busy there is no such status, so a second Ctrl-C ends it in any case.
 */
const onInterrupt =
  'case $?,${__ow_interrupted-} in 130,*|258,*|*,1) trap - INT; kill -INT $$ ;; esac; __ow_interrupted=1';

const osc = '\x1b]133;';
const bell = '\x07';
const maxHeaderLines = 10;
const maxHeaderLength = 1_000;

/** The dim line that tells who watches what runs now. Stands before the start mark: it is no part of the output. */
function header(command: string): string {
  const lines = command.slice(0, maxHeaderLength).split('\n');
  const shown = lines.slice(0, maxHeaderLines);
  const isCut = command.length > maxHeaderLength || lines.length > maxHeaderLines;
  const text = shown.join('\n  ') + (isCut ? ' …' : '');
  return `\x1b[2m$ ${withoutControls(text)}\x1b[0m\n`;
}

/** A command's text is shown, never obeyed: it must not move the cursor or speak to the terminal. */
function withoutControls(text: string): string {
  return text.replace(/[\x00-\x09\x0b-\x1f\x7f-\x9f]/g, (character) => (character === '\t' ? '\t' : '�'));
}
