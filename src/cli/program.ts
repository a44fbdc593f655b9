import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { OrchestratorError } from '../base/errors.ts';
import { nullLogger } from '../base/logger.ts';
import type { GrpcFlags } from './grpcFlags.ts';
import { type AddCommand, type CommandAction, type CommonOptions } from './commandOptions.ts';
import type { HttpFlags } from './httpFlags.ts';
import { addHttpOptions } from './httpOptions.ts';
import { addMcpCommand } from './mcpCommand.ts';
import { addModelsCommand, addModelSetupOptions, coreOptionsOf, type ModelSetupFlags } from './modelFlags.ts';
import { addRunCommand } from './runCommand.ts';
import { addTokenCommands } from './tokenCommands.ts';
import { addToolCommands } from './toolCommands.ts';
import type { StatusOptions } from './commands/status.ts';
import type { ContainersFlags } from './commands/containersCall.ts';
import { exitCode, exitCodeHelp, exitCodeOfError } from './exitCodes.ts';
import { OutputWriter } from './output/outputWriter.ts';
import { findServingCore } from '../processHost/coreDiscovery.ts';
import { stateDirOf } from './stateDir.ts';
import { createStderrLogger } from './stderrLogger.ts';
import { version } from './version.ts';

/**
 * The command line: what is understood is here, what is done is in commands/, each loaded only when it is called for.
 * @returns the exit code. Everything that was to be printed is printed.
 */
export async function runProgram(args: readonly string[]): Promise<number> {
  const out = new OutputWriter(process.stdout);
  const err = new OutputWriter(process.stderr);
  const state: { code: number; isJson: boolean } = { code: exitCode.ok, isJson: false };

  const program = new Command('orchestrator')
    .description('Runs tasks in terminals that outlive who started them, and shows what goes on.')
    .version(version)
    .helpCommand(false)
    .enablePositionalOptions()
    .showHelpAfterError('(orchestrator --help tells more)')
    .addHelpText('after', exitCodeHelp);
  addCommonOptions(program);

  /** The directory that is named, or that of the core whose folder we stand in, or the user's default. */
  const stateDirFor = (options: CommonOptions, name: string): string => {
    const isNamed = (options.stateDir ?? '') !== '' || (process.env['ORCHESTRATOR_STATE_DIR'] ?? '') !== '';
    // Who is about to serve takes its own directory, and not one that is served.
    const core = isNamed || name === 'serve' ? undefined : findServingCore(process.cwd());
    return core?.stateDir ?? stateDirOf(options.stateDir);
  };

  /** A subcommand whose `action` answers with the exit code. */
  const command: AddCommand = <O extends CommonOptions>(
    nameAndArguments: string,
    description: string,
    action: CommandAction<O>,
    parent: Command = program,
  ): Command => {
    const subcommand = parent.command(nameAndArguments).description(description);
    addCommonOptions(subcommand);
    subcommand.action(async () => {
      const options: O = subcommand.optsWithGlobals();
      const isJson = options.json === true;
      state.isJson = isJson;
      const logger = options.verbose === true ? createStderrLogger() : nullLogger;
      const context = { stateDir: stateDirFor(options, subcommand.name()), isJson, out, err, logger };
      state.code = await action(context, options, subcommand.args);
    });
    return subcommand;
  };

  const serveCommand = command<
    CommonOptions &
      GrpcFlags &
      HttpFlags &
      ModelSetupFlags & { stopChildren?: boolean; mcp?: boolean; tools?: string }
  >(
    'serve',
    'serve the state directory until SIGTERM or Ctrl-C; terminals and runs outlive it',
    async (context, { stopChildren, mcp, tools, ...flags }) => {
      const { serve } = await import('./commands/serve.ts');
      return serve(context, {
        stopsChildren: stopChildren === true,
        servesMcp: mcp === true,
        toolsFile: tools,
        grpc: flags,
        http: flags,
        core: coreOptionsOf(flags),
      });
    },
  )
    .option('--stop-children', 'when asked to go, end every terminal and run first')
    .option('--mcp', 'answer MCP on a socket too (by HTTP it is at /mcp)')
    .option('--tools <file>', 'MCP servers (default: tools.json in the state directory)')
    .option('--no-grpc', 'do not listen for gRPC')
    .option(
      '--grpc-socket-path <path>',
      'where to listen (default: $GRPC_SOCKET_PATH, or in the state directory)',
    )
    .option(
      '--grpc-max-recv-msg-size <bytes>',
      'largest message taken (default: $GRPC_MAX_RECV_MSG_SIZE, or 100 MiB)',
    )
    .option(
      '--grpc-max-send-msg-size <bytes>',
      'largest message sent (default: $GRPC_MAX_SEND_MSG_SIZE, or 100 MiB)',
    )
    .option('--grpc-timeout <time>', 'how long a client may take to begin (default: $GRPC_TIMEOUT, or 30s)')
    .option('--grpc-max-connections <n>', 'connections at a time (default: $GRPC_MAX_CONNECTIONS, or 100)')
    .option(
      '--grpc-tcp-listen-addr <host:port>',
      'listen there too; clients need the token of the state directory',
    )
    .option(
      '--grpc-tls-cert <file>',
      'certificate for TCP, PEM; without it only loopback addresses are served',
    )
    .option('--grpc-tls-key <file>', 'its key, PEM');
  addHttpOptions(serveCommand);
  addModelSetupOptions(serveCommand);

  addTokenCommands(program, addCommonOptions, command);
  addToolCommands(program, addCommonOptions, command);

  addRunCommand(command);
  addModelsCommand(command);

  command<CommonOptions & { all?: boolean }>(
    'ps',
    'list sessions, terminals and runs',
    async (context, { all }) => {
      const { listAll } = await import('./commands/ps.ts');
      return listAll(context, { isAll: all === true });
    },
  ).option('-a, --all', 'those that have ended too');

  command<
    CommonOptions & {
      follow?: boolean;
      step?: number;
      bytes?: boolean;
      lines?: number;
      search?: string;
      screen?: boolean;
    }
  >(
    'logs <id>',
    'print what a terminal showed or the steps of a run printed',
    async (context, { follow, step, bytes, lines, search, screen }, [id = '']) => {
      const { printLogs } = await import('./commands/logs.ts');
      return printLogs(context, {
        id,
        follows: follow === true,
        step,
        isBytes: bytes === true,
        lines,
        search,
        isScreen: screen === true,
      });
    },
  )
    .option('-f, --follow', 'go on with what comes, until it ends')
    .addOption(new Option('--step <n>', 'only this step of a run').argParser(wholeNumber))
    .addOption(
      new Option('--bytes', 'exactly the bytes, control sequences and all').conflicts(['lines', 'search']),
    )
    .addOption(new Option('-n, --lines <n>', 'only the last so many lines').argParser(wholeNumber))
    .addOption(
      new Option(
        '--search <text>',
        'only lines with the text, or matching /expression/flags, with their numbers',
      ).conflicts('lines'),
    )
    .addOption(
      new Option('--screen', "what stands on a terminal's screen now").conflicts([
        'follow',
        'bytes',
        'lines',
        'search',
      ]),
    );

  command(
    'attach <id>',
    'connect this terminal with one of ours; Ctrl-\\ d detaches',
    async (context, _, [id = '']) => {
      const { attach } = await import('./commands/attach.ts');
      return attach(context, id);
    },
  );

  command('kill <id...>', 'end terminals, abort runs', async (context, _, ids) => {
    const { killAll } = await import('./commands/kill.ts');
    return killAll(context, ids);
  });

  command<CommonOptions & { after?: number; follow?: boolean; session?: string; run?: string }>(
    'events',
    'print the event log',
    async (context, { after, follow, session, run }) => {
      const { printEvents } = await import('./commands/events.ts');
      return printEvents(context, { after: after ?? 0, follows: follow === true, session, run });
    },
  )
    .addOption(new Option('--after <n>', 'only events after this sequence number').argParser(wholeNumber))
    .option('-f, --follow', 'go on with what comes')
    .option('--session <id>', 'only those of this session (id or name)')
    .option('--run <id>', 'only those of this run');

  command<CommonOptions & ContainersFlags>(
    'containers <action> [words...]',
    'containers of the sessions: ls, run, start, stop, restart, kill, pause, unpause, rm, logs, exec, inspect, stats, images, pull, build, import, rmi, networks, volumes',
    async (context, flags, [action = '', ...words]) => {
      const { containersCommand } = await import('./commands/containers.ts');
      return containersCommand(context, action, words, flags);
    },
  )
    .passThroughOptions()
    .option('--cwd <folder>', 'run: the directory whose session it is made in (default: here)')
    .option('--name <text>', "run: the container's name")
    .option('--network <name>', 'run: the network that it may join (default: none)')
    .option('-d, --detach', 'run: do not wait for it')
    .option('-f, --follow', 'logs: go on with what comes, until it ends')
    .option('-i, --stdin', 'exec: pass standard input on')
    .option('-t, --tty', 'exec: in a terminal of its own')
    .option('--internal', 'networks create: without a way out')
    .option('--force', 'rm: also one that runs');

  addMcpCommand(command);

  command<CommonOptions & StatusOptions>(
    'status',
    'tell whether an orchestrator runs for this folder, where it answers and how it is',
    async (context, options) => {
      const { showStatus } = await import('./commands/status.ts');
      return showStatus(context, options);
    },
  )
    .option('-a, --all', 'every orchestrator of yours that runs')
    .option('--url <url>', 'the daemon at this address')
    .option('--token-file <file>', 'with --url: the file that holds its token');

  command('doctor', 'check the installation and the state directory', async (context) => {
    const { doctor } = await import('./commands/doctor.ts');
    return doctor(context);
  });

  const tasks = program.command('tasks').description('container tasks: programs that report while they run');
  addCommonOptions(tasks);

  command<CommonOptions & { all?: boolean }>(
    'list',
    'list the tasks that run or wait for another try',
    async (context, { all }) => {
      const { listTasks } = await import('./commands/tasks.ts');
      return listTasks(context, { isAll: all === true });
    },
    tasks,
  ).option('-a, --all', 'those that have ended too');

  command<CommonOptions & { manifest: string; detach?: boolean }>(
    'start',
    'start a task and print what it reports until it ends; Ctrl-C stops it',
    async (context, { manifest, detach }) => {
      const { startTask } = await import('./commands/tasks.ts');
      return startTask(context, { manifest, isDetached: detach === true });
    },
    tasks,
  )
    .requiredOption('--manifest <file>', 'what the task is: a JSON file (docs/container-tasks.md)')
    .option('-d, --detach', 'leave once its program has started; it goes on');

  command(
    'stop <id...>',
    'end tasks',
    async (context, _, ids) => {
      const { stopTasks } = await import('./commands/tasks.ts');
      return stopTasks(context, ids);
    },
    tasks,
  );

  command(
    'retry <id...>',
    'execute tasks again that have ended, or wait for another try',
    async (context, _, ids) => {
      const { retryTasks } = await import('./commands/tasks.ts');
      return retryTasks(context, ids);
    },
    tasks,
  );

  command(
    'rm <id...>',
    'forget tasks that have ended, with what they have stored',
    async (context, _, ids) => {
      const { removeTasks } = await import('./commands/tasks.ts');
      return removeTasks(context, ids);
    },
    tasks,
  );

  command<CommonOptions & { follow?: boolean }>(
    'logs <id>',
    'print what the last execution of a task reported',
    async (context, { follow }, [id = '']) => {
      const { printTaskLogs } = await import('./commands/tasks.ts');
      return printTaskLogs(context, { id, follows: follow === true });
    },
    tasks,
  ).option('-f, --follow', 'go on with what comes, until it ends');

  try {
    prepare(program, out, err);
    // As baaaht's documentation starts its server: `orchestrator --grpc-socket-path PATH`.
    const isServerAlone = args[0]?.startsWith('--grpc-') === true;
    await program.parseAsync(isServerAlone ? ['serve', ...args] : [...args], { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) {
      state.code = error.exitCode === 0 ? exitCode.ok : exitCode.usage;
    } else {
      state.code = exitCodeOfError(error);
      const shape = OrchestratorError.from(error).toShape();
      await (state.isJson
        ? out.writeJson({ error: shape })
        : err.writeLine(`orchestrator: ${shape.message}`));
      if (shape.reason === 'internal' && process.env['ORCHESTRATOR_DEBUG'] !== undefined) {
        await err.writeLine(error instanceof Error ? (error.stack ?? '') : '');
      }
    }
  }
  // What was printed without waiting is through when these are.
  await Promise.all([out.flush(), err.flush()]);
  return state.code;
}

/** Before the subcommand and behind it. */
function addCommonOptions(command: Command): void {
  command
    .option(
      '--state-dir <folder>',
      'state directory (default: $ORCHESTRATOR_STATE_DIR, or orchestration-workbench in $XDG_STATE_HOME or ~/.local/state)',
    )
    .option('--json', 'answer with JSON, one object a line')
    .option('--verbose', 'tell on standard error what is done');
}

/** Commander must not end the process, and must write like everything else here. */
function prepare(command: Command, out: OutputWriter, err: OutputWriter): void {
  command.exitOverride().configureOutput({
    writeOut: (text) => void out.write(text),
    writeErr: (text) => void err.write(text),
    getOutHelpWidth: () => out.columns ?? 100,
    getErrHelpWidth: () => err.columns ?? 100,
  });
  for (const subcommand of command.commands) prepare(subcommand, out, err);
}

function wholeNumber(text: string): number {
  const number = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(number))
    throw new InvalidArgumentError('It is a whole number.');
  return number;
}
