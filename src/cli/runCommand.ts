import { Option } from 'commander';
import { addBackendOptions } from './backendFlags.ts';
import { type AddCommand, collect, type CommonOptions, duration } from './commandOptions.ts';
import { addModelOptions, coreOptionsOf, modelRequestOf } from './modelFlags.ts';
import type { RunFlags } from './runFlags.ts';

/** `orchestrator run`: here, on the core that serves the directory, or on another server. */
export function addRunCommand(command: AddCommand): void {
  const runCommand = command<CommonOptions & RunFlags>(
    'run [command...]',
    'run a command, or the steps of a task, and exit with its exit code',
    async (context, flags, words) => {
      const { taskOf } = await import('./taskOf.ts');
      if (flags.backend !== undefined) {
        const { runOnBackend } = await import('./commands/runOnBackend.ts');
        return runOnBackend(context, flags, words);
      }
      const { runTask } = await import('./commands/run.ts');
      return runTask(context, {
        ...taskOf({ words, task: flags.task, steps: flags.step, shell: flags.shell, engine: flags.engine }),
        engine: flags.engine,
        cwd: flags.cwd,
        name: flags.name,
        timeoutMs: flags.timeout,
        isRaw: flags.raw === true,
        forwardsInput: flags.stdin === true,
        ...(flags.engine === 'model' ? modelRequestOf(flags) : {}),
        core: coreOptionsOf(flags),
      });
    },
  )
    .usage('[options] -- command args...\n       orchestrator run [options] --task TEXT | --step COMMAND...')
    .passThroughOptions()
    .option('--task <text>', 'the task as text for your shell: one command a line, each a step')
    .option('--step <command>', 'one step; give it several times', collect)
    .option('--cwd <folder>', 'where it runs (default: here)')
    .option(
      '--engine <name>',
      'who does it: shell, model, claude-code, codex, gemini, opencode, agent:NAME (default: shell)',
    )
    .option('--shell <program>', 'the shell that reads it (default: /bin/sh for a command, yours for a task)')
    .option('--name <text>', 'the session that holds it: the open one of that name, or a new one')
    .addOption(
      new Option('--timeout <time>', 'end it after so long: 90s, 5m, 1.5h, or seconds').argParser(duration),
    )
    .option('--raw', "print the terminal's bytes as they are: lines end in CR LF")
    .option('--stdin', 'pass piped standard input on to the terminal (which echoes it)');
  addBackendOptions(runCommand);
  addModelOptions(runCommand);
}
