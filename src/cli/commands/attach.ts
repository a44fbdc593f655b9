import { OrchestratorError } from '../../base/errors.ts';
import type { OrchestratorAccess, SeenTerminal } from '../../core/orchestratorAccess.ts';
import type { TerminalExit, TerminalFollower } from '../../core/ports/processHost.ts';
import { withAccess } from '../access/openAccess.ts';
import type { CommandContext } from '../commandContext.ts';
import { DetachKeys } from '../detachKeys.ts';
import { exitCode } from '../exitCodes.ts';
import { dim } from '../output/dim.ts';
import { findThing, type FoundThing } from '../findThing.ts';

const scrollbackLines = 1_000;
/**
 * Puts a terminal back as a shell expects it, whatever the program that we leave had set: the main screen, cursor,
 * keypad, no mouse, no bracketed paste, no focus reports, plain text.
 */
const resetSequence =
  '\x1b[?1049l\x1b[?1l\x1b>\x1b[?25h\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?2004l\x1b[?1004l\x1b[0m';

/** Connects this terminal with one of the orchestrator's, until it ends or the person detaches. */
export function attach(context: CommandContext, id: string): Promise<number> {
  const { stdin } = process;
  if (!stdin.isTTY || !context.out.isTty) {
    throw new OrchestratorError(
      'INVALID_ARGUMENT',
      'invalid_request',
      'attach needs a terminal on both sides. To read the output only: orchestrator logs -f',
    );
  }
  return withAccess(context, async (access) => {
    const found = await findThing(access, context.stateDir, id);
    const terminal = await terminalOf(access, found);
    if (terminal?.isLive !== true) {
      throw new OrchestratorError(
        'FAILED_PRECONDITION',
        'terminal_ended',
        `${found.kind === 'run' ? 'Run' : 'Terminal'} ${found.id} has no live terminal. What it showed: orchestrator logs ${id}`,
      );
    }
    await context.err.writeLine(dim('Attached. Detach with Ctrl-\\ d.', context.err.isTty));
    const end = await new Attachment(context, access, terminal.id).run();
    if (end === 'detached') {
      await context.err.writeLine(dim('Detached; it goes on.', context.err.isTty));
      return exitCode.ok;
    }
    const code = end.signal === null ? (end.exitCode ?? exitCode.error) : 128 + end.signal;
    await context.err.writeLine(dim(`Ended with exit code ${code}.`, context.err.isTty));
    return code;
  });
}

/** Of a run, the one that its steps run in now. */
async function terminalOf(access: OrchestratorAccess, found: FoundThing): Promise<SeenTerminal | undefined> {
  if (found.kind === 'terminal') return found.terminal;
  const id = found.run.terminalIds.at(-1);
  return (await access.listTerminals()).find((terminal) => terminal.id === id);
}

class Attachment {
  private readonly context: CommandContext;
  private readonly access: OrchestratorAccess;
  private readonly terminalId: string;
  private readonly ended = Promise.withResolvers<TerminalExit | 'detached'>();

  constructor(context: CommandContext, access: OrchestratorAccess, terminalId: string) {
    this.context = context;
    this.access = access;
    this.terminalId = terminalId;
  }

  async run(): Promise<TerminalExit | 'detached'> {
    const { stdin } = process;
    const { out } = this.context;
    const keys = new DetachKeys();
    const onInput = (bytes: Buffer): void => {
      const { input, isDetach } = keys.push(bytes);
      // Refused when the program has just ended; its end is told below.
      if (input.length > 0) this.access.writeTerminal(this.terminalId, input).catch(() => undefined);
      if (isDetach) this.ended.resolve('detached');
    };
    const onHangUp = (): void => this.ended.resolve('detached');
    stdin.setRawMode(true);
    stdin.on('data', onInput);
    process.on('SIGHUP', onHangUp);
    process.on('SIGTERM', onHangUp);
    const resizing = out.onDidResize(() => this.resize());
    try {
      // First the size, so that the program draws for this window.
      this.resize();
      return await this.show();
    } finally {
      resizing.dispose();
      process.off('SIGHUP', onHangUp);
      process.off('SIGTERM', onHangUp);
      stdin.off('data', onInput);
      stdin.setRawMode(false);
      stdin.destroy();
      await out.write(`${resetSequence}\r\n`);
    }
  }

  /** What is on its screen, then what comes. */
  private async show(): Promise<TerminalExit | 'detached'> {
    const { out } = this.context;
    const snapshot = await this.access.snapshotTerminal(this.terminalId, { scrollback: scrollbackLines });
    await out.write(`\x1b[2J\x1b[H${snapshot.data}`);
    let writing: Promise<void> = Promise.resolve();
    // Bytes may come before the follower itself does.
    const state: { follower?: TerminalFollower; usedTo: number } = { usedTo: snapshot.offset };
    const follower = await this.access.followTerminal(
      this.terminalId,
      { from: snapshot.offset, isForeground: true },
      {
        onData: (data, offset) => {
          writing = out.write(data).then(() => {
            state.usedTo = offset + data.length;
            state.follower?.ack(state.usedTo);
          });
        },
        onEnd: (exit) => this.ended.resolve(exit),
        onLost: (error) => this.ended.reject(OrchestratorError.fromShape(error)),
      },
    );
    state.follower = follower;
    follower.ack(state.usedTo);
    try {
      const end = await this.ended.promise;
      await writing;
      return end;
    } finally {
      follower.dispose();
    }
  }

  private resize(): void {
    const { columns, rows } = this.context.out;
    if (columns === undefined || rows === undefined) return;
    this.access.resizeTerminal(this.terminalId, columns, rows).catch(() => undefined);
  }
}
